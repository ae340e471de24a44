"""Households, who of them is infected, and with how much virus."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.assays import log10_load_quantile
from poolkit.schemas import column, table
from poolkit.simulation.streams import Streams

# Share of households of 1, 2, ... 5 and 6 or more persons, the last counted as 6: Fujian Statistical Yearbook 2021,
# table 3-6 (census of 2020).
HOUSEHOLD_SIZE_SHARES = (0.273, 0.263, 0.194, 0.142, 0.069, 0.059)

# Intra-class correlation of infection in a household. When infection is rare it is the chance that a second member
# is infected given the first: 0.166 in households (Madewell et al. 2020). Between laboratory runs the same number
# comes out: mean 8.9 %, sd 11.9 %, of which 3.4 % binomial, (0.119^2 - 0.034^2) / (0.089 x 0.911) = 0.160
# (Verwilt et al. 2020).
HOUSEHOLD_CORRELATION = 0.16

TRUTH = table(
    "truth",
    "What is so of each sample of a simulated day, whatever the readings say.",
    column("sample_id", pa.string(), "The sample."),
    column("subject_id", pa.string(), "Who was sampled, a pseudonym."),
    column("infected", pa.bool_(), "Whether the subject is infected."),
    column("log10_load", pa.float64(), "log10 copies on the swab; null when not infected.", unit="log10", null=True),
    column("tube_id", pa.string(), "The tube it went into."),
    key=("sample_id",),
)


@dataclass(frozen=True, slots=True)
class People:
    """Who comes to be sampled, household by household.

    Attributes
    ----------
    household : numpy.ndarray
        Household of each person, counted from 0, not decreasing, shape (people,).
    infected : numpy.ndarray
        Whether the person is infected, bool, shape (people,).
    log10_load : numpy.ndarray
        log10 copies on the swab; minus infinity when not infected, shape (people,).
    """

    household: NDArray[np.int32]
    infected: NDArray[np.bool_]
    log10_load: NDArray[np.float64]


def draw_people(n_people: int, prevalence: float, overdispersion: float, rng: Streams) -> People:
    """Return this many people in households, infected with this prevalence.

    Parameters
    ----------
    n_people
        People.
    prevalence
        Mean share infected, 0 to 1.
    overdispersion
        Intra-class correlation of infection in a household, from 0 to below 1.
    rng
        The streams ``households``, ``infections`` and ``loads``.

    Returns
    -------
    People
        The last household may be cut short.

    Notes
    -----
    O(people). Each household has its own risk, Beta(prevalence x k, (1 - prevalence) x k) with
    k = (1 - overdispersion) / overdispersion, so its count of infected members is beta-binomial. Loads are
    independent draws from the published distribution.

    References
    ----------
    Madewell et al. 2020, *Household Transmission of SARS-CoV-2*, JAMA Netw Open 3(12), e2031756; Fujian Statistical
    Yearbook 2021, table 3-6; Jones et al. 2021, Science 373, eabi5273.
    """
    household = _households(n_people, rng.households)
    n_households = int(household[-1]) + 1 if n_people else 0
    if overdispersion > 0.0 and 0.0 < prevalence < 1.0:
        k = (1.0 - overdispersion) / overdispersion
        risk = rng.infections.beta(prevalence * k, (1.0 - prevalence) * k, n_households)[household]
    else:
        risk = np.full(n_people, prevalence)
    infected = rng.infections.random(n_people) < risk
    load = np.full(n_people, -np.inf)
    # A draw of exactly 0 has no quantile.
    share = np.clip(rng.loads.random(int(infected.sum())), 2.0**-53, None)
    load[infected] = log10_load_quantile(share)
    return People(household, infected, load)


def _households(n_people: int, rng: np.random.Generator) -> NDArray[np.int32]:
    shares = np.cumsum(HOUSEHOLD_SIZE_SHARES)
    mean = float(np.dot(HOUSEHOLD_SIZE_SHARES, np.arange(1, 7)))
    sizes = np.empty(0, np.int64)
    while int(sizes.sum()) < n_people:
        wanted = int((n_people - int(sizes.sum())) / mean * 1.02) + 8
        drawn = np.searchsorted(shares[:-1], rng.random(wanted), side="right") + 1
        sizes = np.concatenate([sizes, drawn])
    return np.repeat(np.arange(sizes.size, dtype=np.int32), sizes)[:n_people]

"""`choose`: the best design over all sizes and shapes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from poolkit.assays import Assay, dilution_cycles
from poolkit.errors import DesignError, Problem
from poolkit.planning.accuracy import rates
from poolkit.planning.operating import Characteristics, characteristics
from poolkit.planning.searched import Option, Price, Sought, arrays_of, best_array, best_nested
from poolkit.planning.shapes import named
from poolkit.pooling.designs import Layout

Objective = Literal["tests", "tests_per_correct", "cost"]
OBJECTIVES = ("tests", "tests_per_correct", "cost")
# Steps of the work of splitting samples of different risks that are worth waiting for, some seconds.
_MOST_STEPS = 2e9
_DRAWN = 400_000
_PERFECT = Assay()


@dataclass(frozen=True)
class Choice:
    """The best design, and the best of every family beside it.

    Attributes
    ----------
    name : str
        What the design is called: by the name of `design` where it has one, else its group sizes stage by stage.
    design : str or Layout
        What `characteristics` and production take.
    objective : str
        What it was chosen by.
    value : float
        Its least value: tests a sample, tests a right call, or cost a sample.
    rounds : int
        Rounds of tests at most, tests of samples alone included.
    order : numpy.ndarray of int64
        Which of the samples of known risks stands at each place of the design; empty where all are alike.
    characteristics : Characteristics
        Its figures.
    table : pandas.DataFrame
        The best of every family, best first: ``family``, ``design``, ``value``, ``tests_per_sample``, ``sensitivity``,
        ``specificity``, ``ppv``, ``npv``, ``rounds``, ``largest_pool``, ``dilution_cycles`` of it, ``exact``, false
        where it is simulated, and ``sensitivity_error``, the standard error of the sensitivity, 0 where exact.
    """

    name: str
    design: str | Layout
    objective: str
    value: float
    rounds: int
    order: NDArray[np.int64]
    characteristics: Characteristics
    table: pd.DataFrame

    def __repr__(self) -> str:
        """Give the design, its value and its sensitivity."""
        found = self.characteristics
        return f"Choice({self.name!r}, {self.objective}={self.value:.6g}, sensitivity={found.sensitivity:.4g})"


class Asked(NamedTuple):
    """What is asked of a choice, checked.

    Attributes
    ----------
    sought : Sought
        Risks, assays and limits.
    objective : str
        What to choose by.
    price : Price
        What errors cost.
    max_stages, max_rounds : int
        Stages of hierarchical designs and rounds of any, samples alone included.
    """

    sought: Sought
    objective: Objective
    price: Price
    max_stages: int
    max_rounds: int


def choose(
    prevalence: float | None = None,
    *,
    risks: ArrayLike | None = None,
    assay: Assay = _PERFECT,
    alone: Assay | None = None,
    objective: Objective = "tests",
    cost_missed: float = 200.0,
    cost_false: float = 50.0,
    max_pool: int = 100,
    max_stages: int = 3,
    max_rounds: int | None = None,
    min_sensitivity: float = 0.0,
    seed: int = 0,
) -> Choice:
    """Return the best design over all sizes and shapes.

    Parameters
    ----------
    prevalence
        Each sample is infected with this probability.
    risks
        Or: each of these samples has its own; the design is for just these samples.
    assay
        How likely a specimen reacts; perfect where not given.
    alone
        Of samples alone, where they are read otherwise than pools.
    objective
        What is to be least: ``tests`` a sample, ``tests_per_correct`` (tests for each sample called rightly) or
        ``cost`` a sample: tests, and for each error what it costs.
    cost_missed, cost_false
        What a missed and a falsely reported infection cost, in tests; read for ``cost``.
    max_pool
        Samples a pool at most, a pool of all of an array included.
    max_stages
        Stages of hierarchical designs at most, samples alone included.
    max_rounds
        Rounds of tests of any design at most, samples alone included; `max_stages` where not given. Arrays take two,
        three with a pool of all.
    min_sensitivity
        Every infected sample is to be found with this probability at least; where it is simulated, all of them
        together, within two standard errors.
    seed
        Seed of what is simulated: arrays, where the sensitivity depends on how many are infected or on their loads.

    Returns
    -------
    Choice
        The best design, its figures, and the best of every family.

    Raises
    ------
    DesignError
        When not just one of prevalence and risks is given, a number is out of range, or no design finds the infected
        as often as asked.

    Notes
    -----
    *Hierarchical designs*: the cost of what follows a reactive pool is the sum over its groups, given how likely it
    reacts with and without somebody infected; so the best split is a dynamic program over the samples, and each group
    is split by one of its own. All partitions into groups of any sizes are covered: for S stages to pools of n it takes
    O(n^S) steps (n^3 for three). Samples of different risks are put in order of risk, and all splits of that order are
    covered. *Arrays*: every rectangle is computed; of different risks every one that the samples fill, in gradient,
    spiral and plain order. A ratio is minimised by Dinkelbach's method: the least of tests - x right calls, x the ratio
    so far, until x stays.

    Where the sensitivity depends on how many are infected, or on their loads, the programs take the sensitivity of one
    for all; what is told of the designs they find is exact, or simulated for arrays and for different risks by loads.
    By loads a sample that its pool misses would often be missed alone too, so that more is found than the programs
    count: they are asked for `min_sensitivity` and for less in seven steps, and what the told figures say decides.

    References
    ----------
    Black, Bilder and Tebbs 2015, *Optimal retesting configurations for hierarchical group testing*, JRSS C 64(4),
    693-710; Hwang 1975, *A generalized binomial group testing problem*, JASA 70, 923-926, for groups in order of risk;
    Malinovsky, Albert and Roy 2016, *Reader reaction: A note on the evaluation of group testing algorithms*, Biometrics
    72(1), 299-302, for tests a right call; Dinkelbach 1967, *On nonlinear fractional programming*, Management Science
    13(7), 492-498.

    Examples
    --------
    >>> best = choose(0.01, assay=Assay(0.95, 0.99), max_pool=40)
    >>> best
    Choice('hierarchical-25-5-1', tests=0.129724, sensitivity=0.8574)
    >>> best.table[["design", "tests_per_sample", "rounds"]].round(4).values.tolist()[:3]
    [['hierarchical-25-5-1', 0.1297, 3], ['array-25x26', 0.1334, 2], ['array-5x6-master', 0.1418, 3]]
    >>> choose(0.01, assay=Assay(0.95, 0.99), max_pool=40, min_sensitivity=0.9).name
    'two-stage-11'
    """
    asked = asked_of(
        prevalence,
        risks,
        (assay, alone or assay),
        (objective, cost_missed, cost_false),
        (max_pool, max_stages, max_rounds, min_sensitivity, seed),
    )
    given = None if risks is None else np.asarray(risks, np.float64)
    rows = []
    for option in options(asked):
        found = figures_of(option, prevalence, given, (assay, alone), seed=seed)
        if holds(found, min_sensitivity):
            rows.append((value_of(found, asked), option, found))
    if not rows:
        problem = Problem("min_sensitivity", f"no design finds every infected sample with {min_sensitivity:g}")
        raise DesignError("nothing to choose", [problem])
    rows.sort(key=lambda row: (row[0], row[1].rounds, row[1].largest, row[1].name))
    best: dict[str, tuple[float, Option, Characteristics]] = {}
    for row in rows:
        best.setdefault(row[1].family, row)
    value, option, found = rows[0]
    order = np.zeros(0, np.int64)
    if given is not None:
        order = found.individuals.sort_values("place")["sample"].to_numpy(np.int64)
    table = pd.DataFrame([_row(*row) for row in best.values()])
    return Choice(option.name, option.plan, objective, value, option.rounds, order, found, table)


def asked_of(
    prevalence: float | None,
    risks: ArrayLike | None,
    assays: tuple[Assay, Assay],
    objective: tuple[Objective, float, float],
    limits: tuple[int, int, int | None, float, int],
) -> Asked:
    """Return what is asked, or refuse it, all that is wrong at once."""
    aim, cost_missed, cost_false = objective
    max_pool, max_stages, max_rounds, least, seed = limits
    problems = []
    if (prevalence is None) == (risks is None):
        problems.append(Problem("prevalence", "give either a prevalence or risks"))
    if prevalence is not None and not 0.0 <= prevalence <= 1.0:
        problems.append(Problem("prevalence", f"must be from 0 to 1, found {prevalence:g}"))
    given = np.asarray([prevalence or 0.0] if risks is None else risks, np.float64)
    if risks is not None and (given.ndim != 1 or not given.size or not ((given >= 0.0) & (given <= 1.0)).all()):
        problems.append(Problem("risks", "must be one a sample, from 0 to 1"))
    if aim not in OBJECTIVES:
        problems.append(Problem("objective", f"must be one of {', '.join(OBJECTIVES)}, found {aim}"))
    most_rounds = max_stages if max_rounds is None else max_rounds
    costs = (("cost_missed", cost_missed), ("cost_false", cost_false))
    problems += [Problem(name, f"must be at least 0, found {value:g}") for name, value in costs if not value >= 0.0]
    counts = [("max_pool", max_pool), ("max_stages", max_stages), ("seed", seed)]
    counts += [] if max_rounds is None else [("max_rounds", max_rounds)]
    problems += [
        Problem(name, f"must be at least {int(name != 'seed')}, and whole, found {value:g}")
        for name, value in counts
        if not (value >= (name != "seed") and value % 1 == 0)
    ]
    if not 0.0 <= least <= 1.0:
        problems.append(Problem("min_sensitivity", f"must be from 0 to 1, found {least:g}"))
    n_stages = min(max_stages, most_rounds)
    if risks is not None:
        max_pool = min(max_pool, given.size)
        steps = float(given.size) * max_pool * (max_pool**2 / 2.0) ** max(0, n_stages - 2)
    else:
        steps = float(max_pool) ** n_stages
    if not problems and steps > _MOST_STEPS:
        problems.append(
            Problem("max_stages", f"{n_stages} stages and pools of {max_pool} are too many to try them all")
        )
    if problems:
        raise DesignError("nothing to choose", problems)
    price = Price(cost_missed, cost_false) if aim == "cost" else Price(0.0, 0.0)
    sought = Sought(np.sort(given), risks is None, *assays, max_pool, least)
    return Asked(sought, aim, price, n_stages, most_rounds)


def value_of(found: Characteristics, asked: Asked) -> float:
    """Return what a design is chosen by."""
    if asked.objective == "tests_per_correct":
        return found.tests_per_correct
    share = float(asked.sought.risks.mean())
    missed, false = share * (1.0 - found.sensitivity), (1.0 - share) * (1.0 - found.specificity)
    return found.tests_per_sample + asked.price.missed * missed + asked.price.false * false


def holds(found: Characteristics, least: float) -> bool:
    """Say whether every infected sample is found as often as asked; of what is simulated all, within its error."""
    if found.exact:
        return found.least_sensitivity >= least
    return found.sensitivity + 2.0 * found.standard_errors["sensitivity"] >= least


def floors(sought: Sought, n_stages: int) -> list[float]:
    """Return what the programs are to hold the sensitivity to, so that a design that holds is among those they find.

    They multiply the sensitivities of a sample's tests. By loads all of them err together, so that what is found may be
    as much as the least of them.
    """
    if sought.pooled.loads is None or sought.least <= 0.0:
        return [sought.least]
    lowest = sought.least ** max(n_stages, 2) * max(rates(sought.single, 1)[0], 1e-3)
    return [sought.least, *np.geomspace(sought.least, lowest, 8)[1:].tolist()]


def figures_of(
    option: Option,
    prevalence: float | None,
    risks: NDArray[np.float64] | None,
    assays: tuple[Assay, Assay | None],
    *,
    seed: int,
) -> Characteristics:
    """Return the figures of an option; where they are drawn, fewer sets of larger blocks."""
    assay, alone = assays
    n = option.plan.n_samples if isinstance(option.plan, Layout) else named(option.plan).block
    n_drawn = int(np.clip(_DRAWN // n, 200, 20_000))
    if risks is None:
        return characteristics(option.plan, prevalence=prevalence, assay=assay, alone=alone, n_drawn=n_drawn, seed=seed)
    return characteristics(
        option.plan, risks=risks, assay=assay, alone=alone, arrange=option.arrange, n_drawn=n_drawn, seed=seed
    )


def options(asked: Asked) -> Iterator[Option]:
    """Give the best design of every family, of arrays of different risks all that there are; by loads several."""
    seen = set()
    for least in floors(asked.sought, asked.max_stages - 1):
        for option in _options(asked._replace(sought=asked.sought._replace(least=least))):
            if (option.name, option.arrange) not in seen:
                seen.add((option.name, option.arrange))
                yield option


def _options(asked: Asked) -> Iterator[Option]:
    for n_stages in range(min(asked.max_stages, asked.max_rounds)):
        found = _nested(asked, n_stages)
        if found is not None:
            yield found
    sought = asked.sought
    for master in (False, True):
        if asked.max_rounds < 2 + master or sought.max_pool < (4 if master else 2):
            continue
        if not sought.alike:
            yield from arrays_of(sought.risks.size, sought.max_pool, master=master)
            continue
        best = best_array(sought, lambda *figures: _value(asked, *figures), master=master)
        if best is not None:
            yield best


def _value(
    asked: Asked, tests: NDArray[np.float64], found: NDArray[np.float64], wrong: NDArray[np.float64]
) -> NDArray[np.float64]:
    share = float(asked.sought.risks.mean())
    missed, false = share * (1.0 - found), (1.0 - share) * wrong
    if asked.objective == "tests_per_correct":
        return np.divide(tests, 1.0 - missed - false, out=np.full_like(tests, np.inf), where=missed + false < 1.0)
    return tests + asked.price.missed * missed + asked.price.false * false


def _nested(asked: Asked, n_stages: int) -> Option | None:
    sought = asked.sought
    best = best_nested(sought, asked.price, n_stages, np.nan)
    if best is None or asked.objective != "tests_per_correct":
        return best
    ratio = np.inf
    assays = sought.pooled, sought.single
    while True:
        if sought.alike:
            found = figures_of(best, float(sought.risks[0]), None, assays, seed=0)
        else:
            found = figures_of(best, None, sought.risks, assays, seed=0)
        if not found.tests_per_correct < ratio * (1.0 - 1e-13):
            return best
        ratio = found.tests_per_correct
        # Tests less the right calls, each worth the ratio; the wrong calls are what is missing to all.
        following = best_nested(sought, Price(ratio, ratio), n_stages, ratio)
        if following is None:
            return best
        best = following


def _row(value: float, option: Option, found: Characteristics) -> dict[str, object]:
    return {
        "family": option.family,
        "design": option.name,
        "value": value,
        "tests_per_sample": found.tests_per_sample,
        "sensitivity": found.sensitivity,
        "specificity": found.specificity,
        "ppv": found.ppv,
        "npv": found.npv,
        "rounds": option.rounds,
        "largest_pool": option.largest,
        "dilution_cycles": float(dilution_cycles(option.largest)),
        "exact": found.exact,
        "sensitivity_error": found.standard_errors.get("sensitivity", 0.0),
    }

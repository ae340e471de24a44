"""What a day of people asks of the laboratory: pools, retests and wells, by prevalence and pool size."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from poolkit.assays import Assay
from poolkit.errors import Problem


class Demand(NamedTuple):
    """Tubes and wells of so many people, expected.

    Attributes
    ----------
    people : float
        People sampled.
    tubes : float
        Pools, each a tube.
    reactive : float
        Pools that react, whose members are tested alone.
    retests : float
        Wells for members tested alone.
    """

    people: float
    tubes: float
    reactive: float
    retests: float

    @property
    def wells(self) -> float:
        """Wells of first tests and retests, controls apart."""
        return self.tubes + self.retests


def reacting(prevalence: ArrayLike, sizes: ArrayLike, assay: Assay) -> NDArray[np.float64]:
    """Return how likely a pool reacts, by prevalence and size, broadcast.

    A sum over the infected in the pool, in closed form: (1 - sp) q^n for none, and for some se_n (1 - q^n), or
    1 - (1 - p se_n)^n where each of them has a chance of its own.
    """
    p, n = np.broadcast_arrays(np.asarray(prevalence, np.float64), np.asarray(sizes, np.int64))
    largest = int(n.max(initial=1))
    found = assay.reactive(largest)[n, np.minimum(1, n)]
    with np.errstate(divide="ignore"):
        some = -np.expm1(n * np.log1p(-p))
        missed_all = np.exp(n * np.log1p(-p * found))
    seen = found * some if assay.further == "none" else 1.0 - missed_all
    return np.asarray((1.0 - assay.specificity) * (1.0 - some) + seen, np.float64)


def wells_per_person(prevalence: ArrayLike, sizes: ArrayLike, assay: Assay) -> NDArray[np.float64]:
    """Return the expected wells per person of pools whose members are tested alone when they react; 1 for a size of 1.

    Dorfman 1943: 1/n + 1 - (1 - p)^n for a perfect assay.
    """
    n = np.asarray(sizes, np.int64)
    return np.where(n == 1, 1.0, 1.0 / n + reacting(prevalence, n, assay))


def found_share(sizes: ArrayLike, assay: Assay) -> NDArray[np.float64]:
    """Return how likely a single infected person is found: in the pool, and alone where it is tested again."""
    n = np.asarray(sizes, np.int64)
    table = assay.reactive(int(n.max(initial=1)))[:, 1]
    return np.asarray(np.where(n == 1, table[1], table[n] * table[1]), np.float64)


def demand(people: float, *, pool_size: int, prevalence: float, assay: Assay) -> Demand:
    """Return the tubes and wells of so many people."""
    tubes = float(np.ceil(people / pool_size))
    reactive = 0.0 if pool_size == 1 else tubes * float(reacting(prevalence, pool_size, assay))
    return Demand(people, tubes, reactive, reactive * pool_size)


def refuse_demand(problems: list[Problem], *, people: float, pool_size: int, prevalence: float) -> None:
    """Add what is wrong with the people, the pool size and the prevalence to the problems."""
    if not 0.0 < people < float("inf"):
        problems.append(Problem("people", f"must be above 0, found {people:g}"))
    if not (pool_size >= 1 and pool_size % 1 == 0):
        problems.append(Problem("pool_size", f"must be at least 1, and whole, found {pool_size}"))
    if not 0.0 <= prevalence <= 1.0:
        problems.append(Problem("prevalence", f"must be from 0 to 1, found {prevalence:g}"))


def whole_sizes(problems: list[Problem], sizes: Sequence[int]) -> None:
    """Add to the problems that pool sizes are none, or that one of them is no number of samples."""
    if not len(sizes) or not all(isinstance(size, (int, np.integer)) and size >= 1 for size in sizes):
        problems.append(Problem("sizes", f"must be whole numbers from 1, at least one, found {tuple(sizes)}"))


def hours_of(within: str | float, problems: list[Problem]) -> float:
    """Return a span as hours: a number, or a text like 24h, 90min or 3d."""
    hours = 0.0
    if isinstance(within, str):
        for unit, factor in (("min", 1.0 / 60.0), ("h", 1.0), ("d", 24.0)):
            number = within.strip().removesuffix(unit)
            if number != within.strip() and number.strip().replace(".", "", 1).isdecimal():
                hours = float(number) * factor
                break
    else:
        hours = float(within)
    if not 0.0 < hours < float("inf"):
        problems.append(Problem("within", f"must be a span like 24h, 90min or 3d, found '{within}'"))
        return 24.0
    return hours

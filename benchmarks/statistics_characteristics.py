"""How long characteristics and choices take: rows of what is asked, what was reached and what R takes.

Run as a module. Times are of warm calls, the least of several; R's are those of binGroup2 1.3.1 on two cores.
"""

import timeit
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import poolkit as pk
from poolkit.kernels import rectangles, splits
from poolkit.planning.searched import Price, Sought, array_figures, wanted

ASSAY = pk.Assay(0.95, 0.99)
LARGEST = 50


class Row(NamedTuple):
    """One measured thing.

    ``seconds`` were taken, ``target`` and ``peer`` are seconds where there are any.
    """

    name: str
    seconds: float
    target: float | None
    peer: float | None


def least_seconds(call: Callable[[], object], *, repeat: int = 5) -> float:
    """Return the least time of a warm call."""
    call()
    number = max(1, int(0.05 / max(timeit.timeit(call, number=1), 1e-6)))
    return min(timeit.repeat(call, number=number, repeat=repeat)) / number


def rows() -> list[Row]:
    """Measure all rows."""
    sought = Sought(np.array([0.01]), True, ASSAY, ASSAY, LARGEST, 0.0)
    twenty = sought._replace(max_pool=20)
    asked = wanted(sought, Price(0.0, 0.0), 2)
    costs = np.empty(LARGEST + 1)
    one = np.empty(6)
    errors = rectangles.Errors(0, 1, 1.0, 0.0, 0.95, 0.01, 0.95, 0.01, 0.95, 0.01)
    forty = np.linspace(0.001, 0.05, 1600)
    fifty = np.sort(np.random.default_rng(0).beta(1, 60, 50))

    def characteristics(name: str) -> Callable[[], object]:
        return lambda: pk.characteristics(name, prevalence=0.01, assay=ASSAY)

    return [
        Row("characteristics of two-stage-10", least_seconds(characteristics("two-stage-10")), None, 0.00065),
        Row(
            "characteristics of hierarchical-12-4-1", least_seconds(characteristics("hierarchical-12-4-1")), None, 0.003
        ),
        Row("array-10x10, kernel", least_seconds(lambda: rectangles.uniform(10, 10, 0.01, errors, one)), 50e-6, None),
        Row("characteristics of array-10x10", least_seconds(characteristics("array-10x10")), 50e-6, 0.2),
        Row(
            "  and its variance",
            least_seconds(lambda: pk.characteristics("array-10x10", prevalence=0.01, assay=ASSAY).variance),
            None,
            None,
        ),
        Row("three stages to 40, kernel", least_seconds(lambda: splits.roots_alike(asked, costs[:41])), None, 122.8),
        Row("three stages to 50, kernel", least_seconds(lambda: splits.roots_alike(asked, costs)), 5e-3, None),
        Row(
            "square arrays to 20, R; all to 20 x 20, kernel",
            least_seconds(lambda: array_figures(twenty, master=False)),
            None,
            11.7,
        ),
        Row("all arrays to 50 x 50, kernel", least_seconds(lambda: array_figures(sought, master=False)), 5e-3, None),
        Row(
            "informative array of 40 x 40",
            least_seconds(lambda: pk.characteristics("array-40x40", risks=forty, assay=ASSAY, arrange="gradient")),
            20e-3,
            40.4,
        ),
        Row(
            "choose: two-stage, three stages, arrays, to 50",
            least_seconds(lambda: pk.choose(0.01, assay=ASSAY, max_pool=LARGEST)),
            None,
            None,
        ),
        Row(
            "two stages for 40 samples of different risks",
            least_seconds(lambda: pk.choose(risks=forty[::40], assay=ASSAY, max_stages=2)),
            None,
            74.6,
        ),
        Row(
            "choose for 50 samples of different risks",
            least_seconds(lambda: pk.choose(risks=fifty, assay=ASSAY)),
            None,
            None,
        ),
        Row("frontier to pools of 32", least_seconds(lambda: pk.frontier(0.01, assay=ASSAY), repeat=2), None, None),
    ]


def told(seconds: float | None) -> str:
    """Write a time with its unit."""
    if seconds is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:,.3g} {unit}"
    return f"{seconds * 1e6:,.3g} us"


def main() -> None:
    """Print the table."""
    print(f"{'':50}{'poolkit':>12}{'target':>12}{'binGroup2':>12}{'ratio':>12}")
    for row in rows():
        ratio = "-" if row.peer is None else f"{row.peer / row.seconds:,.0f}"
        print(f"{row.name:50}{told(row.seconds):>12}{told(row.target):>12}{told(row.peer):>12}{ratio:>12}")


if __name__ == "__main__":
    main()

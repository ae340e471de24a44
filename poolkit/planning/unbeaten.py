"""`frontier`: what no other design beats in tests, sensitivity and rounds at once; `plot_frontier` draws it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, axes_for
from poolkit.planning.choice import Asked, asked_of, figures_of
from poolkit.planning.searched import (
    Option,
    Price,
    array_figures,
    array_option,
    nested_of_size,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PERFECT = Assay()
# What a missed infection may cost while designs are sought, in tests: between them lie the designs of the frontier.
_PRICES = (0.0, 3.0, 10.0, 30.0, 100.0)
_COLOURS = {1: GREY, 2: BLUE, 3: VERMILLION, 4: GREEN, 5: ORANGE, 6: SKY}
_MARKS = {"individual": "s", "two-stage": "o", "hierarchical": "^", "array": "D", "array with master": "P"}


def frontier(
    prevalence: float,
    *,
    assay: Assay = _PERFECT,
    alone: Assay | None = None,
    max_pool: int = 32,
    max_stages: int = 3,
    max_rounds: int | None = None,
    min_sensitivity: float = 0.0,
) -> pd.DataFrame:
    """Return the designs that no other beats in tests, sensitivity and rounds at once.

    Parameters
    ----------
    prevalence
        Each sample is infected with this probability.
    assay
        How likely a specimen reacts; perfect where not given. Where its sensitivity falls with the size of a pool,
        there is something to weigh.
    alone
        Of samples alone, where they are read otherwise than pools.
    max_pool, max_stages, max_rounds, min_sensitivity
        As in `choose`.

    Returns
    -------
    pandas.DataFrame
        One row a design, fewest tests first: ``family``, ``design``, ``tests_per_sample``, ``sensitivity``,
        ``specificity``, ``ppv``, ``npv``, ``rounds`` and ``largest_pool``.

    Raises
    ------
    DesignError
        When a number is out of range.

    Notes
    -----
    Tried are testing alone, first pools of every size to `max_pool` with the best splits for several prices of a missed
    infection, and every array. A design is beaten by one that has no more tests, no less sensitivity and no more
    rounds, and is better in one of them by more than 1e-9; of equals the one with the smaller pools stays. A pool with
    several infected samples is taken to react as with one, the cautious reading, so that all figures are exact.

    Examples
    --------
    >>> by_size = Assay(((1, 0.98), (32, 0.85)), 0.995)
    >>> found = frontier(0.01, assay=by_size, max_pool=10)
    >>> found[["design", "rounds"]].values.tolist()[:2]
    [['10-(4,3x2)-1', 3], ['hierarchical-10-3-1', 3]]
    >>> found["sensitivity"].round(3).tolist()[::20]
    [0.896, 0.963]
    """
    assay = Assay(assay.sensitivity, assay.specificity)
    alone = None if alone is None else Assay(alone.sensitivity, alone.specificity)
    limits = (max_pool, max_stages, max_rounds, min_sensitivity, 0)
    asked = asked_of(prevalence, None, (assay, alone or assay), ("tests", 0.0, 0.0), limits)
    rows = []
    for option in _nested(asked):
        found = figures_of(option, prevalence, None, (assay, alone), seed=0)
        if found.least_sensitivity >= min_sensitivity:
            rows.append(_row(option, found.tests_per_sample, found.sensitivity, found.specificity, prevalence))
    for master in (False, True):
        if asked.max_rounds >= 2 + master and max_pool >= (4 if master else 2):
            rows += _arrays(asked, prevalence, master=master)
    table = pd.DataFrame(rows)
    kept = _unbeaten(table[["tests_per_sample", "sensitivity", "rounds", "largest_pool"]].to_numpy(np.float64))
    return table[kept].sort_values(["tests_per_sample", "rounds", "design"], ignore_index=True)


def _nested(asked: Asked) -> list[Option]:
    """Return testing alone and the best splits of first pools of every size, each once."""
    found: dict[str, Option] = {}
    for n_stages in range(min(asked.max_stages, asked.max_rounds)):
        for size in range(1 if n_stages == 0 else 2, 2 if n_stages == 0 else asked.sought.max_pool + 1):
            for missed in _PRICES[: 1 if n_stages < 2 else len(_PRICES)]:
                option = nested_of_size(asked.sought, Price(missed, 0.0), n_stages, size)
                found.setdefault(option.name, option)
    return list(found.values())


def _arrays(asked: Asked, prevalence: float, *, master: bool) -> list[dict[str, object]]:
    """Return the rows of the arrays that no other array beats."""
    found = array_figures(asked.sought, master=master)
    n_rows, n_columns = np.nonzero(np.isfinite(found[:, :, 0]))
    tests = found[n_rows, n_columns, 0] / (n_rows * n_columns)
    largest = n_rows * n_columns if master else np.maximum(n_rows, n_columns)
    sensitivity, false = found[n_rows, n_columns, 1], found[n_rows, n_columns, 2]
    kept = _unbeaten(np.stack([tests, sensitivity, np.zeros(tests.size), largest], axis=1))
    return [
        _row(
            array_option(int(n_rows[k]), int(n_columns[k]), master=master),
            float(tests[k]),
            float(sensitivity[k]),
            1.0 - float(false[k]),
            prevalence,
        )
        for k in np.flatnonzero(kept)
    ]


def _row(option: Option, tests: float, found: float, right: float, prevalence: float) -> dict[str, object]:
    positive, negative = prevalence * found, (1.0 - prevalence) * right
    called, cleared = positive + (1.0 - prevalence) * (1.0 - right), negative + prevalence * (1.0 - found)
    return {
        "family": option.family,
        "design": option.name,
        "tests_per_sample": tests,
        "sensitivity": found,
        "specificity": right,
        "ppv": positive / called if called > 0.0 else 1.0,
        "npv": negative / cleared if cleared > 0.0 else 1.0,
        "rounds": option.rounds,
        "largest_pool": option.largest,
    }


def _unbeaten(figures: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which rows (tests, sensitivity, rounds, largest pool) no other beats; of equals the first by pool."""
    order = np.lexsort((np.arange(len(figures)), figures[:, 3], figures[:, 2], -figures[:, 1], figures[:, 0]))
    kept = np.zeros(len(figures), np.bool_)
    best: list[NDArray[np.float64]] = []
    for row in order:
        tests, sensitivity, rounds, _ = figures[row]
        if not any(each[0] <= tests + 1e-9 and each[1] >= sensitivity - 1e-9 and each[2] <= rounds for each in best):
            kept[row] = True
            best.append(figures[row])
    return kept


def plot_frontier(table: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw tests a sample against sensitivity, one line for each number of rounds.

    Parameters
    ----------
    table
        What `frontier` returned.
    ax
        Axes to draw on; those of a new figure where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Sensitivity in percent across, tests for each sample upwards.

    Examples
    --------
    >>> by_size = Assay(((1, 0.98), (32, 0.85)), 0.995)
    >>> plot_frontier(frontier(0.01, assay=by_size, max_pool=10)).get_ylabel()
    'tests for each sample'
    """
    ax = axes_for(ax)
    for rounds, part in table.groupby("rounds"):
        colour = _COLOURS.get(int(str(rounds)), GREY)
        drawn = part.sort_values("sensitivity")
        ax.plot(100 * drawn["sensitivity"], drawn["tests_per_sample"], color=colour, linewidth=1.0, alpha=0.6, zorder=1)
        for family, same in drawn.groupby("family"):
            label = str(family) if "stages" in str(family) else f"{family}, {rounds} round{'s' if rounds != 1 else ''}"
            mark = next(sign for name, sign in reversed(_MARKS.items()) if str(family).startswith(name))
            x, y = 100 * same["sensitivity"], same["tests_per_sample"]
            ax.plot(x, y, mark, color=colour, markersize=5, label=label, zorder=2)
    ax.set_xlabel("infected samples found, %")
    ax.set_ylabel("tests for each sample")
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False, fontsize="small")
    return ax

"""`frontier`: what no other design beats in tests, sensitivity and rounds at once; `plot_frontier` draws it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.choice import Asked, asked_of, figures_of, floors, holds
from poolkit.planning.operating import Characteristics
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
    seed: int = 0,
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
    seed
        Seed of what is simulated: arrays by viral loads.

    Returns
    -------
    pandas.DataFrame
        One row a design, fewest tests first: ``family``, ``design``, ``tests_per_sample``, ``sensitivity``,
        ``specificity``, ``ppv``, ``npv``, ``rounds``, ``largest_pool``, ``exact`` and ``sensitivity_error`` as in
        `choose`.

    Raises
    ------
    DesignError
        When a number is out of range, or no design finds the infected as often as asked.

    Notes
    -----
    Tried are testing alone, first pools of every size to `max_pool` with the best splits for several prices of a missed
    infection, and every array. A design is beaten by one that has no more tests, no less sensitivity and no more
    rounds, and is better in one of them by more than 1e-9; of equals the one with the smaller pools stays. A pool with
    several infected samples is taken to react as with one, the cautious reading, so that all figures are exact. But for
    an assay by viral loads: pools inside pools are then averaged over them as in `characteristics`, and those arrays
    that nothing beats by the cautious reading are simulated.

    Examples
    --------
    >>> by_size = Assay(((1, 0.98), (32, 0.85)), 0.995)
    >>> found = frontier(0.01, assay=by_size, max_pool=10)
    >>> found[["design", "rounds"]].values.tolist()[:2]
    [['10-(4,3x2)-1', 3], ['hierarchical-10-3-1', 3]]
    >>> found["sensitivity"].round(3).tolist()[::20]
    [0.896, 0.963]
    """
    cautious, cautious_alone = _cautious(assay), None if alone is None else _cautious(alone)
    by_load = any(each is not None and each.loads is not None for each in (assay, alone))
    limits = (max_pool, max_stages, max_rounds, min_sensitivity, seed)
    asked = asked_of(prevalence, None, (cautious, cautious_alone or cautious), ("tests", 0.0, 0.0), limits)
    if by_load:
        lowest = floors(asked.sought._replace(pooled=assay), asked.max_stages - 1)[-1]
        asked = asked._replace(sought=asked.sought._replace(least=lowest))
    rows, options = [], _nested(asked)
    for option in options:
        found = figures_of(option, prevalence, None, (cautious, cautious_alone), seed=seed)
        if by_load or holds(found, min_sensitivity):
            rows.append(_told(option, found))
    for master in (False, True):
        if asked.max_rounds >= 2 + master and max_pool >= (4 if master else 2):
            for row, option in _arrays(asked, prevalence, master=master):
                rows.append(row)
                options.append(option)
    if by_load:
        # All pools inside pools are told by the loads, of the arrays those that nothing beats by the cautious reading.
        kept = _unbeaten_rows(rows) | np.array([not option.family.startswith("array") for option in options])
        close = [option for option, one in zip(options, kept, strict=True) if one]
        told = [(option, figures_of(option, prevalence, None, (assay, alone), seed=seed)) for option in close]
        rows = [_told(option, found) for option, found in told if holds(found, min_sensitivity)]
    if not rows:
        problem = Problem("min_sensitivity", f"no design finds every infected sample with {min_sensitivity:g}")
        raise DesignError("nothing to choose", [problem])
    return pd.DataFrame(rows)[_unbeaten_rows(rows)].sort_values(
        ["tests_per_sample", "rounds", "design"], ignore_index=True
    )


def _cautious(assay: Assay) -> Assay:
    return Assay(assay.sensitivity, assay.specificity)


def _nested(asked: Asked) -> list[Option]:
    """Return testing alone and the best splits of first pools of every size, each once."""
    found: dict[str, Option] = {}
    for n_stages in range(min(asked.max_stages, asked.max_rounds)):
        for size in range(1 if n_stages == 0 else 2, 2 if n_stages == 0 else asked.sought.max_pool + 1):
            for missed in _PRICES[: 1 if n_stages < 2 else len(_PRICES)]:
                option = nested_of_size(asked.sought, Price(missed, 0.0), n_stages, size)
                found.setdefault(option.name, option)
    return list(found.values())


def _arrays(asked: Asked, prevalence: float, *, master: bool) -> list[tuple[dict[str, object], Option]]:
    """Return the rows of the arrays that no other array beats, and the arrays."""
    found = array_figures(asked.sought, master=master)
    n_rows, n_columns = np.nonzero(np.isfinite(found[:, :, 0]))
    tests = found[n_rows, n_columns, 0] / (n_rows * n_columns)
    largest = n_rows * n_columns if master else np.maximum(n_rows, n_columns)
    sensitivity, false = found[n_rows, n_columns, 1], found[n_rows, n_columns, 2]
    kept = _unbeaten(np.stack([tests, sensitivity, np.zeros(tests.size), largest], axis=1))
    rows = []
    for k in np.flatnonzero(kept):
        option = array_option(int(n_rows[k]), int(n_columns[k]), master=master)
        right = 1.0 - float(false[k])
        rows.append((_row(option, float(tests[k]), float(sensitivity[k]), right, prevalence), option))
    return rows


def _told(option: Option, found: Characteristics) -> dict[str, object]:
    row = _row(option, found.tests_per_sample, found.sensitivity, found.specificity, 0.0)
    error = found.standard_errors.get("sensitivity", 0.0)
    return row | {"ppv": found.ppv, "npv": found.npv, "exact": found.exact, "sensitivity_error": error}


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
        "exact": True,
        "sensitivity_error": 0.0,
    }


def _unbeaten_rows(rows: list[dict[str, object]]) -> NDArray[np.bool_]:
    names = ("tests_per_sample", "sensitivity", "rounds", "largest_pool")
    return _unbeaten(np.array([[row[name] for name in names] for row in rows], np.float64).reshape(-1, 4))


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
    low, high = ax.get_xlim()
    # No more than all are found.
    ax.set_xlim(right=min(high, 100.0 + 0.02 * (100.0 - low)))
    ax.legend(frameon=False, fontsize="small")
    return ax

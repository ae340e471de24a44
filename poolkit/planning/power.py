"""What planned pools can show: how likely they refute a prevalence, and how well they estimate one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poolkit.assays import Assay
from poolkit.assays.rates import asked
from poolkit.drawing import BLUE, GREY, ORANGE, VERMILLION, axes_for
from poolkit.errors import Problem
from poolkit.kernels import intervals
from poolkit.kernels.prevalence import MLE
from poolkit.planning.planned import between, errors_of, groups_of, outcomes_of, refuse, refuted, sizes_of, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def power_of_pools(
    prevalence: float | Sequence[float],
    *,
    hypothesis: float,
    n_pools: int,
    pool_size: int = 1,
    level: float = 0.95,
    alternative: str = "less",
    method: str = "clopper-pearson",
    assay: Assay | None = None,
) -> pd.DataFrame:
    """Say how likely pools refute a supposed prevalence, and how far off their estimate is on average.

    Parameters
    ----------
    prevalence
        That is true; one or several, a row each.
    hypothesis
        That is supposed, and refuted by an interval that does not hold it.
    n_pools, pool_size
        Pools and samples of each.
    level, alternative, method
        Of the interval, see `prevalence`.
    assay
        How likely a pool reacts; perfect where not given.

    Returns
    -------
    pandas.DataFrame
        ``prevalence``, ``power``, ``expected`` (of the maximum-likelihood estimate) and ``bias`` (of it).

    Raises
    ------
    DesignError
        When a number is out of range.

    Notes
    -----
    Sums over all outcomes, by their binomial probabilities. At the hypothesis itself the power is the size of the test.

    References
    ----------
    Tebbs and Bilder 2004, JABES 9, 75.

    Examples
    --------
    >>> power_of_pools(0.04, hypothesis=0.1, n_pools=24, pool_size=7).round(4).values.tolist()
    [[0.04, 0.8821, 0.0408, 0.0008]]
    """
    (size, *more), problems = sizes_of(pool_size, assay)
    if more:
        problems.append(Problem("pool_size", f"must be one, found {pool_size}"))
    wanted = asked(method, level, alternative, problems)
    truth = [float(p) for p in np.atleast_1d(np.asarray(prevalence, np.float64))]
    for p in truth:
        between(problems, "prevalence", p, -1e-300, 1.0)
    between(problems, "hypothesis", hypothesis, 0.0, 1.0)
    whole(problems, "n_pools", n_pools)
    refuse("no power", problems)
    errors = errors_of(assay, size)
    rows = []
    for p in truth:
        some = outcomes_of(np.array([n_pools]), size, errors, p)
        power = float(some.chance[refuted(some, size, errors, hypothesis, wanted)].sum())
        expected = float(some.chance @ intervals.estimate(groups_of(some, size), errors, MLE))
        rows.append((p, min(power, 1.0), expected, expected - p))
    return pd.DataFrame(rows, columns=["prevalence", "power", "expected", "bias"])


def plot_power_of_pools(frame: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how likely pools refute a supposed prevalence, by the true one.

    Parameters
    ----------
    frame
        What `power_of_pools` returned for several prevalences.
    ax
        Axes to draw on; of a new figure where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Power against prevalence, both in per cent.

    Examples
    --------
    >>> frame = power_of_pools([0.001, 0.002, 0.004], hypothesis=0.005, n_pools=64, pool_size=20)
    >>> plot_power_of_pools(frame).get_ylabel()
    'power (%)'
    """
    ax = axes_for(ax)
    rows = frame.sort_values("prevalence")
    ax.plot(100.0 * rows["prevalence"], 100.0 * rows["power"], color=BLUE, linewidth=2, marker="o", markersize=3)
    ax.axhline(80.0, color=GREY, linewidth=0.8, linestyle="--")
    ax.set_ylim(0.0, 102.0)
    ax.set_xlabel("true prevalence (%)")
    ax.set_ylabel("power (%)")
    ax.grid(alpha=0.3)
    return ax


def pool_sizes(prevalence: float, *, n_pools: int, max_pool: int = 100, assay: Assay | None = None) -> pd.DataFrame:
    """Compare pool sizes for estimating a prevalence: bias, variance and mean squared error of the estimate.

    Parameters
    ----------
    prevalence
        That is expected.
    n_pools
        Pools that can be tested.
    max_pool
        Largest size that is compared.
    assay
        How likely a pool reacts, by its size too; perfect where not given.

    Returns
    -------
    pandas.DataFrame
        One row a size from 1: ``pool_size``, ``samples``, ``expected``, ``bias``, ``variance``, ``mse`` and ``best``
        (of least mean squared error).

    Raises
    ------
    DesignError
        When a number is out of range.

    Notes
    -----
    Of the maximum-likelihood estimate, by sums over all outcomes; it is 1 where every pool reacts, which is what makes
    large pools worse again. O(n_pools x max_pool).

    References
    ----------
    Swallow 1985, Phytopathology 75, 882.

    Examples
    --------
    >>> found = pool_sizes(0.05, n_pools=20, max_pool=40)
    >>> found.loc[found["best"], "pool_size"].tolist()
    [16]
    """
    problems: list[Problem] = []
    whole(problems, "max_pool", max_pool)
    sizes, wrong = sizes_of(range(1, max_pool + 1) if not problems else 1, assay)
    problems += wrong
    between(problems, "prevalence", prevalence, 0.0, 1.0)
    whole(problems, "n_pools", n_pools)
    refuse("no pool size", problems)
    rows = []
    for size in sizes:
        errors = errors_of(assay, size)
        some = outcomes_of(np.array([n_pools]), size, errors, prevalence)
        estimates = intervals.estimate(groups_of(some, size), errors, MLE)
        expected = float(some.chance @ estimates)
        variance = float(some.chance @ (estimates - expected) ** 2)
        bias = expected - prevalence
        rows.append((size, size * n_pools, expected, bias, variance, variance + bias * bias))
    found = pd.DataFrame(rows, columns=["pool_size", "samples", "expected", "bias", "variance", "mse"])
    return found.assign(best=np.arange(len(found)) == int(found["mse"].to_numpy().argmin()))


def plot_pool_sizes(frame: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the error of the estimate of a prevalence by pool size.

    Parameters
    ----------
    frame
        What `pool_sizes` returned.
    ax
        Axes to draw on; of a new figure where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Root mean squared error, standard deviation and bias, in percentage points.

    Examples
    --------
    >>> plot_pool_sizes(pool_sizes(0.01, n_pools=20, max_pool=60)).get_xlabel()
    'pool size (samples)'
    """
    ax = axes_for(ax)
    size = frame["pool_size"]
    for name, values, colour, dash in (
        ("root mean squared error", np.sqrt(frame["mse"]), BLUE, "-"),
        ("standard deviation", np.sqrt(frame["variance"]), ORANGE, "--"),
        # Rounding is no bias, and no place on a logarithmic scale.
        ("bias", frame["bias"].abs().where(frame["bias"].abs() > 1e-9), VERMILLION, ":"),
    ):
        ax.plot(size, 100.0 * values, color=colour, linestyle=dash, linewidth=1.6, label=name)
    best = frame.loc[frame["best"]].iloc[0]
    ax.plot([best["pool_size"]], [100.0 * best["mse"] ** 0.5], "o", color=BLUE)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("pool size (samples)")
    ax.set_ylabel("error of the estimate (percentage points)")
    ax.legend(frameon=False, fontsize=8)
    return ax

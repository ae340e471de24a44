"""Where a run of a line stands still and where it works: `line_queues` and `line_use`, each with its picture."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poolkit.drawing import BLUE, BROWN, GREEN, GREY, INK, ORANGE, SKY, VERMILLION, axes_for
from poolkit.planning.line.replications import Runs, banded, of_one_line, padded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (SKY, GREY, BLUE, ORANGE, GREEN, VERMILLION, BROWN, INK)
_DASHES = ("-", "--", ":")


def line_queues(runs: Runs) -> pd.DataFrame:
    """Return how many wait for each stage, hour by hour, all laboratories together.

    Parameters
    ----------
    runs
        A run, or replications of one line.

    Returns
    -------
    pandas.DataFrame
        A row a stage and bin of time: ``stage``, ``hour`` at which the bin ends, ``waiting`` then (the mean of the
        runs), the least and the largest of the runs (``low``, ``high``), and what is counted (``unit``: people at
        sampling, tubes for the courier, specimens in laboratories).

    Raises
    ------
    DesignError
        When there is no run, or they are not of one line.

    Notes
    -----
    Who waits for a batch to fill is counted too: a stage without any backlog shows some.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites, simulate_line
    >>> table = line_queues(simulate_line(Line(Arrivals(2_000), Sites(5)), seed=1))
    >>> table["stage"].unique().tolist()[:3], int(table["waiting"].iloc[-1])
    (['sampling', 'courier', 'reception'], 0)
    """
    runs = of_one_line(runs)
    waiting = [each.stages().groupby(["stage", "hour"], sort=False)["waiting"].sum().unstack("stage") for each in runs]
    n_bins = max(len(each) for each in waiting)
    hours = np.arange(1, n_bins + 1) * runs[0].line.grid_minutes / 60.0
    frames = []
    for stage in waiting[0].columns:
        # After its last passage a run stays as it is.
        of_run = [padded(each[stage].to_numpy(np.float64), n_bins) for each in waiting]
        unit = {"sampling": "people", "courier": "tubes"}.get(str(stage), "specimens")
        frames.append(pd.DataFrame({"stage": stage, "hour": hours, **banded("waiting", of_run), "unit": unit}))
    return pd.concat(frames, ignore_index=True)


def plot_line_queues(runs: Runs, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many wait for each stage over time.

    Parameters
    ----------
    runs
        As for `line_queues`, whose frame stands behind the picture.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        A line a stage, with a band from the least to the largest of several runs. People at sampling count as the tubes
        that they fill, so that all stages share one scale; stages at which hardly anybody waits are not named.

    Raises
    ------
    DesignError
        As `line_queues`.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites, simulate_line
    >>> plot_line_queues(simulate_line(Line(Arrivals(2_000), Sites(5)), seed=1)).get_ylabel()
    'waiting (tubes)'
    """
    table = line_queues(runs)
    pool_size = of_one_line(runs)[0].line.pool_size
    ax = axes_for(ax, width=8.5)
    most = max(_in_tubes(table, pool_size)["high"].max(), 1.0)
    unit, word = (1e3, "thousand tubes") if most >= 10_000.0 else (1.0, "tubes")
    for number, stage in enumerate(table["stage"].unique().tolist()):
        drawn = _in_tubes(table[table["stage"] == stage], pool_size)
        colour, dash = _COLOURS[number % len(_COLOURS)], _DASHES[number // len(_COLOURS) % len(_DASHES)]
        peak = float(drawn["high"].max())
        said = f"{stage}, people / {pool_size}" if stage == "sampling" and pool_size > 1 else stage
        label = said if peak >= 0.01 * most else f"_{said}"
        ax.fill_between(drawn["hour"], drawn["low"] / unit, drawn["high"] / unit, color=colour, alpha=0.25, linewidth=0)
        ax.plot(drawn["hour"], drawn["waiting"] / unit, color=colour, linestyle=dash, linewidth=1.6, label=label)
    ax.set_xlabel("hours since the start")
    ax.set_ylabel(f"waiting ({word})")
    ax.set_ylim(bottom=0.0)
    ax.set_xlim(left=0.0)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def line_use(runs: Runs) -> pd.DataFrame:
    """Return which part of the servers at work is busy, stage by stage and hour by hour.

    Parameters
    ----------
    runs
        A run, or replications of one line.

    Returns
    -------
    pandas.DataFrame
        A row a stage and hour: ``stage``, ``hour`` at which it begins, ``busy`` and ``servers`` at work on average, all
        laboratories and runs together, and ``use``, the one by the other, missing where nobody works.

    Raises
    ------
    DesignError
        When there is no run, or they are not of one line.

    Notes
    -----
    A bin of time that straddles two hours counts for the first; where bins are longer than an hour there is a row a
    bin. The courier has no servers and no row.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites, simulate_line
    >>> table = line_use(simulate_line(Line(Arrivals(2_000), Sites(5)), seed=1))
    >>> table.loc[table["hour"] == 12.0, ["stage", "servers"]].values.tolist()[:2]
    [['sampling', 20.0], ['reception', 24.0]]
    """
    runs = of_one_line(runs)
    width = max(1.0, runs[0].line.grid_minutes / 60.0)
    tables = [each.stages().dropna(subset="servers") for each in runs]
    longest = max(tables, key=len)
    names = longest["stage"].unique()
    # Who works when is a matter of the line: the longest run tells it for all.
    servers = _by_hour(longest, "servers", width)
    busy = sum((_by_hour(each, "busy", width).reindex(servers.index, fill_value=0.0) for each in tables), 0.0 * servers)
    found = pd.DataFrame({"busy": busy / len(tables), "servers": servers})
    found["use"] = found["busy"] / found["servers"].where(found["servers"] > 0.0)
    hours = found.index.get_level_values("hour").unique().sort_values()
    order = pd.MultiIndex.from_product([names, hours], names=["stage", "hour"])
    return found.reindex(order).reset_index()


def plot_line_use(runs: Runs, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the use of the stages as a map of stage by hour.

    Parameters
    ----------
    runs
        As for `line_use`, whose frame stands behind the picture.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Stages from top to bottom in the order in which a specimen passes them; brighter is busier, blank where nobody
        works.

    Raises
    ------
    DesignError
        As `line_use`.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites, simulate_line
    >>> plot_line_use(simulate_line(Line(Arrivals(2_000), Sites(5)), seed=1)).get_xlabel()
    'hours since the start'
    """
    table = line_use(runs)
    width = max(1.0, of_one_line(runs)[0].line.grid_minutes / 60.0)
    shown = table.pivot_table(index="stage", columns="hour", values="use", sort=False, dropna=False)
    shown = shown.reindex(index=table["stage"].unique(), columns=np.sort(table["hour"].unique()))
    ax = axes_for(ax, width=8.5, height=0.9 + 0.42 * len(shown))
    begins = shown.columns.to_numpy(np.float64)
    edges = np.append(begins, begins[-1] + width)
    part = 100.0 * np.clip(shown.to_numpy(np.float64), 0.0, 1.0)
    mesh = ax.pcolormesh(edges, np.arange(len(shown) + 1), np.ma.masked_invalid(part), cmap="cividis", vmin=0, vmax=100)
    ax.set_yticks(np.arange(len(shown)) + 0.5, shown.index.tolist())
    ax.set_ylim(len(shown), 0)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("hours since the start")
    ax.figure.colorbar(mesh, ax=ax, label="busy servers (%)", pad=0.02)
    return ax


def _by_hour(table: pd.DataFrame, column: str, width: float) -> "pd.Series[float]":
    """Return the mean of a column over the bins of each hour, laboratories summed."""
    begins = np.floor(table["hour"].to_numpy(np.float64) / width + 1e-9) * width
    hour = pd.Series(begins, index=table.index, name="hour")
    n_bins = table.groupby(hour)["hour"].nunique()
    summed = table.groupby([table["stage"], hour])[column].sum()
    return summed / n_bins.reindex(summed.index.get_level_values("hour")).to_numpy()


def _in_tubes(table: pd.DataFrame, pool_size: int) -> pd.DataFrame:
    scale = np.where(table["unit"] == "people", 1.0 / pool_size, 1.0)
    return table.assign(**{name: table[name] * scale for name in ("waiting", "low", "high")})

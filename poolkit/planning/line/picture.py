"""A run of a line as plots on the caller's axes: curves, queues, use, turnaround and stock."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poolkit.drawing import BLUE, GREEN, GREY, INK, ORANGE, SKY, VERMILLION, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, GREY, INK)
_STYLES = ("-", "--", ":")


def _style(k: int) -> dict[str, Any]:
    """Return the colour of line k, and a dash once the colours are used up."""
    return {"color": _COLOURS[k % len(_COLOURS)], "linestyle": _STYLES[k // len(_COLOURS) % len(_STYLES)]}


def plot_curves(curves: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw people so far against time: what lies between two curves is under way, upright, or takes so long, level.

    Parameters
    ----------
    curves
        What `LineRun.curves` gives.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    ax = axes_for(ax)
    for k, name in enumerate(curves.columns[1:]):
        # Who is sampled at once lies upon who arrived, and who is reported at once upon who was tested.
        style = _style(k) | ({"linewidth": 3.0} if name in ("arrived", "tested") else {})
        ax.plot(curves["hour"], curves[name] / 1e3, label=name, **style)
    ax.set(xlabel="hours since the start", ylabel="people so far (thousands)", ylim=(0, None))
    ax.set_xlim(float(curves["hour"].min()), float(curves["hour"].max()))
    ax.legend(frameon=False, loc="lower right")
    return ax


def plot_queues(queues: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many wait before each stage against time.

    Parameters
    ----------
    queues
        What `LineRun.queues` gives.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    ax = axes_for(ax)
    for k, name in enumerate(queues.columns):
        ax.plot(queues.index, queues[name], label=name, **_style(k))
    ax.set(xlabel="hours since the start", ylabel="waiting (people at sampling, else tubes)", ylim=(0, None))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_use(use: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the part of the servers that is busy, by stage and hour, as a heat map.

    Parameters
    ----------
    use
        What `LineRun.use` gives.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; where nobody works they are blank.
    """
    ax = axes_for(ax)
    hours = use.columns.to_numpy(np.float64)
    edges = np.append(hours, hours[-1] + 1.0)
    values = np.ma.masked_invalid(100.0 * use.to_numpy(np.float64))
    mesh = ax.pcolormesh(edges, np.arange(len(use) + 1), values, cmap="cividis", vmin=0.0, vmax=100.0)
    ax.set_yticks(np.arange(len(use)) + 0.5, labels=[str(name) for name in use.index])
    ax.invert_yaxis()
    ax.set_xlabel("hours since the start")
    ax.figure.colorbar(mesh, ax=ax, label="busy (% of servers at work)")
    return ax


def plot_ecdf(
    ecdf: pd.DataFrame, *, deadline_hours: float | None = None, since: str = "swab", ax: "Axes | None" = None
) -> "Axes":
    """Draw the part of people with a result against the hours that it took.

    Parameters
    ----------
    ecdf
        What `LineRun.ecdf` gives.
    deadline_hours
        A line is drawn there, with the part of all people who have their result by then.
    since
        From when hours are counted, for the label.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    ax = axes_for(ax)
    for k, (way, rows) in enumerate(ecdf.groupby("way", sort=False)):
        if rows["share"].max() > 0.0:
            # Most people are tested once, so that their curve lies upon that of all.
            style = _style(k) | ({"linewidth": 3.0} if way == "all" else {})
            ax.plot(rows["hours"], 100.0 * rows["share"], label=str(way), **style)
    every = ecdf[ecdf["way"] == "all"]
    for q, marker in ((0.5, "o"), (0.9, "s"), (0.99, "^")):
        hours = every.loc[every["share"] >= q, "hours"].min()
        if np.isfinite(hours):
            ax.plot(hours, 100.0 * q, marker, color=INK, markersize=6, label=f"{100 * q:g} % in {hours:.1f} h")
    if deadline_hours is not None:
        share = float(np.interp(deadline_hours, every["hours"], every["share"]))
        ax.axvline(deadline_hours, color=GREY, linestyle="--", label=f"deadline: {100 * share:.1f} %")
    ax.set(xlabel=f"hours from {since} to result", ylabel="people with a result (%)", ylim=(0, 102), xlim=(0, None))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_stocks(stocks: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw what is left of each item against time.

    Parameters
    ----------
    stocks
        What `LineRun.stocks` gives.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; each item stands in percent of its largest level.
    """
    ax = axes_for(ax)
    several = stocks["lab"].nunique() > 1
    for k, (_, rows) in enumerate(stocks.groupby(["lab", "item"], sort=False)):
        item = str(rows["item"].iloc[0])
        name = f"{item}, laboratory {int(rows['lab'].iloc[0]) + 1}" if several else item
        most = max(float(rows["units"].max()), 1e-300)
        ax.plot(rows["hour"], 100.0 * rows["units"] / most, label=name, **_style(k))
    ax.set(xlabel="hours since the start", ylabel="left (% of the largest level)", ylim=(0, 105))
    if len(stocks):
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax

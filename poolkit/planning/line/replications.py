"""Replications of one line side by side: their mean, and the band from the least to the largest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem
from poolkit.planning.line.run import LineRun

Floats = NDArray[np.float64]
Runs = LineRun | Sequence[LineRun]


def of_one_line(runs: Runs) -> list[LineRun]:
    """Return runs as a list; they have to be of one line."""
    found = [runs] if isinstance(runs, LineRun) else list(runs)
    if not found or any(each.line != found[0].line for each in found):
        what = "must be of one line" if found else "must not be empty"
        raise DesignError("nothing to show", [Problem("runs", what)])
    return found


def banded(name: str, of_run: Sequence[Floats]) -> dict[str, Floats]:
    """Return the mean of the runs by that name, and the least and the largest of them."""
    together = np.stack(of_run)
    return {name: together.mean(axis=0), "low": together.min(axis=0), "high": together.max(axis=0)}


def padded(values: Floats, length: int) -> Floats:
    """Return values that stay as they are after the last."""
    return np.concatenate([values, np.full(length - values.size, values[-1])])

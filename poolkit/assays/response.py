"""`Assay`: how likely a pool is to react, by its size and by how many of its samples are infected."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem


@dataclass(frozen=True, slots=True)
class Assay:
    """How likely a specimen is to react.

    Parameters
    ----------
    sensitivity : float or tuple of (int, float)
        Probability that a pool with one infected sample reacts: one for all sizes, or points (size, sensitivity),
        linear between them and constant outside, as in `Protocol.sensitivity`.
    specificity : float
        Probability that a specimen without an infected sample does not react.
    further : {"none", "independent"}
        What more infected samples add: nothing, or each a chance of its own, ``1 - (1 - sensitivity) ** k``.

    Raises
    ------
    DesignError
        When a probability is outside 0 to 1 or the sizes do not rise.

    Notes
    -----
    Loads add up in a pool, so that ``none`` is the cautious reading and ``independent`` the hopeful one; which is
    nearer is for a laboratory's own validation to say.

    Examples
    --------
    >>> Assay(0.95, 0.995).reactive(2).tolist()
    [[0.0050..., 0.0050..., 0.0050...], [0.0050..., 0.95, 0.95], [0.0050..., 0.95, 0.95]]
    """

    sensitivity: float | tuple[tuple[int, float], ...] = 1.0
    specificity: float = 1.0
    further: Literal["none", "independent"] = "none"

    def __post_init__(self) -> None:
        """Refuse what is no assay."""
        sizes, values = self._points()
        problems = [
            Problem(name, f"must be from 0 to 1, found {value:g}")
            for name, value in (*(("sensitivity", value) for value in values), ("specificity", self.specificity))
            if not 0.0 <= value <= 1.0
        ]
        if sizes[0] < 1 or any(low >= high for low, high in pairwise(sizes)):
            problems.append(Problem("sensitivity", "its sizes must rise from at least 1"))
        if self.further not in ("none", "independent"):
            problems.append(Problem("further", f"must be none or independent, found {self.further}"))
        if problems:
            raise DesignError("not an assay", problems)

    def _points(self) -> tuple[list[int], list[float]]:
        points = self.sensitivity if isinstance(self.sensitivity, tuple) else ((1, self.sensitivity),)
        return [size for size, _ in points], [value for _, value in points]

    def reactive(self, largest: int) -> NDArray[np.float64]:
        """Return the probability that a pool reacts, by its size (row, 0 to `largest`) and its infected (column)."""
        sizes, values = self._points()
        of_size = np.interp(np.arange(largest + 1), sizes, values)[:, None]
        infected = np.arange(largest + 1)[None, :]
        of_infected = of_size if self.further == "none" else 1.0 - (1.0 - of_size) ** infected
        table = np.where(infected > 0, of_infected, 1.0 - self.specificity)
        # A pool of none has nobody who could make it react.
        table[0] = 1.0 - self.specificity
        table.flags.writeable = False
        return table

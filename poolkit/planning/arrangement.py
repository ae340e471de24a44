"""Where samples of known risks stand in a design: in order of risk, or in an array by spiral or gradient."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Arrange = Literal["given", "sorted", "gradient", "spiral"]
ARRANGEMENTS = ("given", "sorted", "gradient", "spiral")


def arranged(risks: NDArray[np.float64], n_rows: int, n_columns: int, *, how: Arrange) -> NDArray[np.int64]:
    """Return which sample stands at each place of a design.

    Parameters
    ----------
    risks
        (samples,) probability that each is infected.
    n_rows, n_columns
        Sides of the array, whose places run column by column; 1 and the samples for what is no array.
    how
        ``given``: as they come. ``sorted``: lowest risk first. ``gradient``: highest risk first, column by column.
        ``spiral``: highest risk in the first corner, then around it, along the edge of a growing rectangle.

    Returns
    -------
    numpy.ndarray of int64
        (samples,) the sample at each place.

    References
    ----------
    McMahan, Tebbs and Bilder 2012, *Two-dimensional informative array testing*, Biometrics 68(3), 793-804.

    Examples
    --------
    >>> import numpy as np
    >>> arranged(np.array([0.1, 0.4, 0.2, 0.3]), 2, 2, how="gradient").tolist()
    [1, 3, 2, 0]
    >>> arranged(np.array([0.1, 0.4, 0.2, 0.3]), 2, 2, how="spiral").tolist()
    [1, 2, 3, 0]
    """
    if how == "given":
        return np.arange(risks.size)
    if how == "sorted":
        return np.argsort(risks, kind="stable")
    falling = np.argsort(-risks, kind="stable")
    if how == "gradient":
        return falling
    placed = np.empty(risks.size, np.int64)
    placed[_spiral(n_rows, n_columns)] = falling
    return placed


def _spiral(n_rows: int, n_columns: int) -> NDArray[np.int64]:
    """Return the places, column by column, in order of risk: each new edge of the square from its sides to its corner.

    The first is (0, 0); the edge of square m is (0, m), (m, 0), (1, m), (m, 1) ... (m, m).
    """
    order = []
    for m in range(max(n_rows, n_columns)):
        for k in range(m):
            order += [(k, m), (m, k)]
        order.append((m, m))
    return np.array([c * n_rows + r for r, c in order if r < n_rows and c < n_columns], np.int64)

"""How much virus an infected person's swab carries: the published distribution of log10 viral loads."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from poolkit.errors import DesignError, Problem

PROBABILITIES = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
# Jones et al. 2021: the first positive test of 4,344 people, log10 copies a swab.
LOG10_LOAD_QUANTILES = (3.49, 3.96, 4.39, 5.13, 6.51, 7.91, 8.94, 9.39, 10.05)


def log10_load_quantile(probability: ArrayLike) -> NDArray[np.float64]:
    """Return the log10 viral load below which this share of infected people lies.

    Parameters
    ----------
    probability
        Shares, between 0 and 1, both excluded; any shape.

    Returns
    -------
    numpy.ndarray
        log10 copies a swab, of the same shape.

    Raises
    ------
    DesignError
        When a share is not strictly between 0 and 1.

    Notes
    -----
    O(n). The nine published quantiles are met exactly. Between them the load is linear in the normal score of the
    probability, so it rises strictly; beyond the first and the last percentile it goes on with the slope of the
    outermost interval, that is, with normal tails.

    References
    ----------
    Jones et al. 2021, *Estimating infectiousness throughout SARS-CoV-2 infection course*, Science 373, eabi5273:
    quantiles of the first positive test of 4,344 people (mean 6.57, standard deviation 1.70).

    Examples
    --------
    >>> log10_load_quantile([0.05, 0.5, 0.95]).tolist()
    [3.96, 6.51, 9.39]
    """
    share = np.asarray(probability, np.float64)
    wrong = np.flatnonzero(~((share > 0.0) & (share < 1.0)).ravel())
    if wrong.size:
        rows = tuple(int(row) for row in wrong)
        raise DesignError("not a share", [Problem("probability", "must be strictly between 0 and 1", rows)])
    score = ndtri(share)
    knots = ndtri(np.asarray(PROBABILITIES))
    loads = np.asarray(LOG10_LOAD_QUANTILES)
    inner = np.interp(score, knots, loads)
    low = loads[0] + (score - knots[0]) * (loads[1] - loads[0]) / (knots[1] - knots[0])
    high = loads[-1] + (score - knots[-1]) * (loads[-1] - loads[-2]) / (knots[-1] - knots[-2])
    return np.asarray(np.where(score < knots[0], low, np.where(score > knots[-1], high, inner)), np.float64)

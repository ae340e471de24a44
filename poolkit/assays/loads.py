"""How likely a pool is detected by the viral loads of its infected members, the shift of dilution and a limit."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from poolkit.assays.dilution import amplification_probability, dilution_cycles, expected_ct_cycles
from poolkit.assays.shift import Dilution
from poolkit.assays.viral_load import log10_load_quantile
from poolkit.errors import DesignError, Problem

# Loads are averaged over so many points; of several infected, over points that fill the cube evenly.
_N_POINTS = 4096
# More infected than these in one pool are taken as these: the pool is then found if any can be.
_MOST_INFECTED = 8
SIZES = (*range(1, 33), 40, 48, 64, 80, 100, 128, 200, 256, 400, 512, 1024)


class Loads(NamedTuple):
    """What detects a specimen.

    Attributes
    ----------
    limit_cycles : float
        A curve that crosses later is read as negative.
    sd_cycles : float
        Standard deviation of a reading about its expected cycle.
    efficiency : float
        Amplification efficiency; 1 doubles each cycle.
    shifts : tuple of (int, float)
        Pool sizes, and how many cycles later than undiluted their members are read.
    """

    limit_cycles: float
    sd_cycles: float
    efficiency: float
    shifts: tuple[tuple[int, float], ...]

    def detected(self, log10_load: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
        """Return how likely a pool of this size is detected whose members' loads add up to this one.

        Examples
        --------
        >>> loads_of(None, limit_cycles=40.0, sd_cycles=0.6, efficiency=1.0).detected([3.0, 5.0, 7.0], 10).round(3)
        array([0.   , 0.999, 1.   ])
        """
        sizes, shifts = np.array([each for each, _ in self.shifts]), [each for _, each in self.shifts]
        shift = np.interp(np.log2(np.asarray(size, np.float64)), np.log2(sizes), shifts)
        # No virus is read at no cycle; a late one stands for it.
        cycles = np.minimum(expected_ct_cycles(log10_load, efficiency=self.efficiency) + shift, 1e3)
        in_time = ndtr((self.limit_cycles - cycles) / self.sd_cycles)
        return np.asarray(in_time * amplification_probability(cycles, efficiency=self.efficiency), np.float64)

    def detected_each(self, size: int) -> NDArray[np.float64]:
        """Return how likely a pool of this size is detected by its infected, 1 to 8 (rows), at points of their loads.

        The first k infected are the same at a point in every row and for every size, so that products of rows of
        several pools, averaged over the points, are how likely all of them are detected.
        """
        return _detected_each(self, size)


def loads_of(dilution: Dilution | None, *, limit_cycles: float, sd_cycles: float, efficiency: float) -> Loads:
    """Return what detects specimens, by a fitted shift or by the log of the pool size.

    Parameters
    ----------
    dilution
        What `fit_dilution` fitted; equal volumes at this efficiency where not given.
    limit_cycles
        A curve that crosses later is read as negative.
    sd_cycles
        Of a reading; of the fit, where that is larger and there is one.
    efficiency
        Amplification efficiency, above 0 up to 1.

    Returns
    -------
    Loads
        Shifts at sizes from 1 to 1,024.

    Raises
    ------
    DesignError
        When a number is out of range.
    """
    problems = []
    if not 0.0 < limit_cycles < np.inf:
        problems.append(Problem("limit_cycles", f"must be above 0, found {limit_cycles:g}"))
    if not 0.0 < sd_cycles < np.inf:
        problems.append(Problem("sd_cycles", f"must be above 0, found {sd_cycles:g}"))
    if not 0.0 < efficiency <= 1.0:
        problems.append(Problem("efficiency", f"must be above 0 and at most 1, found {efficiency:g}"))
    if problems:
        raise DesignError("not an assay", problems)
    if dilution is None:
        shifts = dilution_cycles(SIZES, efficiency=efficiency)
    else:
        shifts, efficiency = dilution.shift_at(SIZES), dilution.efficiency
    return Loads(
        float(limit_cycles), float(sd_cycles), float(efficiency), tuple(zip(SIZES, shifts.tolist(), strict=True))
    )


@lru_cache(maxsize=1)
def _sums() -> NDArray[np.float64]:
    """Return log10 of the sum of the loads of 1, 2, ... infected, (infected, points)."""
    # Steps of the powers of the root of x^9 = x + 1 fill eight dimensions evenly.
    root = 1.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (_MOST_INFECTED + 1))
    at = (0.5 + np.arange(1, _N_POINTS + 1)[:, None] / root ** np.arange(1, _MOST_INFECTED + 1)) % 1.0
    at[:, 0] = (np.arange(_N_POINTS) + 0.5) / _N_POINTS
    copies = 10.0 ** log10_load_quantile(at)
    return np.asarray(np.log10(np.cumsum(copies, axis=1)).T, np.float64)


def one_infected() -> NDArray[np.float64]:
    """Return the log10 loads of one infected person that averages are taken over."""
    one: NDArray[np.float64] = _sums()[0]
    return one


@lru_cache(maxsize=64)
def _detected_each(loads: Loads, size: int) -> NDArray[np.float64]:
    each = loads.detected(_sums(), size)
    each.flags.writeable = False
    return each


@lru_cache(maxsize=64)
def detected_by_size(loads: Loads, largest: int) -> NDArray[np.float64]:
    """Return how likely a pool is detected, by its size from 1 (row 0) and its infected from 1 (column 0), to 8.

    Parameters
    ----------
    loads
        What detects it.
    largest
        Samples of the largest pool.

    Returns
    -------
    numpy.ndarray
        (largest, 8) averaged over the loads of infected people, each its own; the last column is for 8 and more.

    Notes
    -----
    One infected: the mean over 4,096 quantiles of the load. More: over as many points that fill the cube evenly. Cost
    is O(32,768 sizes).
    """
    sums = _sums()
    table = np.empty((largest, _MOST_INFECTED))
    for size in range(1, largest + 1):
        table[size - 1] = loads.detected(sums, size).mean(axis=1)
    table.flags.writeable = False
    return table

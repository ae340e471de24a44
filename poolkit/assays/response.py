"""`Assay`: how likely a pool is to react, by its size and by how many of its samples are infected."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poolkit.assays.loads import SIZES, Loads, detected_by_size, loads_of, one_infected
from poolkit.assays.shift import Dilution
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
    further : {"none", "independent", "loads"}
        What more infected samples add: nothing, or each a chance of its own, ``1 - (1 - sensitivity) ** k``, or its
        viral load.
    loads : Loads, optional
        The viral loads and the limit of detection that the sensitivity comes from, see `of_loads`.

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
    further: Literal["none", "independent", "loads"] = "none"
    loads: Loads | None = field(default=None, repr=False)

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
        if self.further not in ("none", "independent", "loads"):
            problems.append(Problem("further", f"must be none, independent or loads, found {self.further}"))
        elif (self.further == "loads") != (self.loads is not None):
            problems.append(Problem("loads", "go with further loads: take of_loads"))
        if problems:
            raise DesignError("not an assay", problems)

    @classmethod
    def of_loads(
        cls,
        *,
        specificity: float = 1.0,
        dilution: Dilution | None = None,
        limit_cycles: float = 40.0,
        sd_cycles: float = 0.6,
        efficiency: float = 1.0,
    ) -> "Assay":
        """Return the assay of published viral loads, a shift by dilution and a limit of detection.

        Parameters
        ----------
        specificity
            Probability that a specimen without an infected sample does not react.
        dilution
            What `fit_dilution` fitted; log2 of the pool size where not given.
        limit_cycles
            A curve that crosses later is read as negative; and whatever it is, one molecule has to be in the reaction.
        sd_cycles
            Standard deviation of a reading.
        efficiency
            Amplification efficiency, above 0 up to 1.

        Returns
        -------
        Assay
            Its sensitivity falls with the size of the pool. `characteristics` lets all tests of a sample see one load,
            so that who is missed in a pool would often be missed alone too.

        Notes
        -----
        An infected sample is detected with probability Phi((limit - Ct) / sd) (1 - exp(-molecules)), averaged over the
        loads of 4,344 people's first positive tests.

        References
        ----------
        Jones et al. 2021, Science 373, eabi5273 (loads); Verwilt et al. 2020 (the curve), see `expected_ct_cycles`.

        Examples
        --------
        >>> assay = Assay.of_loads()
        >>> assay.reactive(10)[[1, 5, 10], 1].round(3).tolist()
        [0.997, 0.97, 0.944]
        """
        loads = loads_of(dilution, limit_cycles=limit_cycles, sd_cycles=sd_cycles, efficiency=efficiency)
        found = detected_by_size(loads, 32)[:, 0].tolist()
        beyond = [float(loads.detected(one_infected(), size).mean()) for size in SIZES[32:]]
        points = tuple(zip(SIZES, [*found, *beyond], strict=True))
        return cls(points, specificity, "loads", loads)

    def _points(self) -> tuple[list[int], list[float]]:
        points = self.sensitivity if isinstance(self.sensitivity, tuple) else ((1, self.sensitivity),)
        return [size for size, _ in points], [value for _, value in points]

    def sensitivity_of(self, size: int) -> float:
        """Return how likely a pool of this size with one infected sample reacts.

        Examples
        --------
        >>> Assay(((1, 1.0), (11, 0.9))).sensitivity_of(6)
        0.95
        """
        return float(np.interp(size, *self._points()))

    def reactive(self, largest: int) -> NDArray[np.float64]:
        """Return the probability that a pool reacts, by its size (row, 0 to `largest`) and its infected (column)."""
        sizes, values = self._points()
        of_size = np.interp(np.arange(largest + 1), sizes, values)[:, None]
        infected = np.arange(largest + 1)[None, :]
        if self.loads is not None and largest:
            table = detected_by_size(self.loads, largest)
            column = np.clip(infected[0] - 1, 0, table.shape[1] - 1)
            of_infected = np.concatenate([table[:1], table])[:, column]
        else:
            of_infected = of_size if self.further == "none" else 1.0 - (1.0 - of_size) ** infected
        table = np.where(infected > 0, of_infected, 1.0 - self.specificity)
        # A pool of none has nobody who could make it react.
        table[0] = 1.0 - self.specificity
        table.flags.writeable = False
        return table

"""What the figures of any design are, and what holds of a sample that is tested alone."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.planning.accuracy import Stages, rates

Floats = NDArray[np.float64]
Overall = tuple[float, float, float, float]
Unmatched = Literal["clear", "lines", "retest"]


class Drawing(NamedTuple):
    """How to simulate.

    Attributes
    ----------
    n_drawn, seed : int
        Sets of infected samples, and the seed of their stream.
    sides : (int, int) or None
        Rows and columns, where the pools of the last stage are those of arrays.
    """

    n_drawn: int
    seed: int
    sides: tuple[int, int] | None


def alone(stages: Stages, last: NDArray[np.int64]) -> tuple[Floats | float, Floats | float]:
    """Return how likely samples alone react, infected and not, by the stage of their last pool; 0 for none."""
    if stages.alone_alike:
        return rates(stages.alone(0), 1)
    found = {stage: rates(stages.alone(stage + 1 if stage else 0), 1) for stage in set(last.tolist())}
    both = np.array([found[stage] for stage in last.tolist()]).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def ratio(part: float, other: float, empty: float) -> float:
    """Return the share of a part of a whole of two, or what it is where there is neither."""
    return empty if part + other <= 0.0 else part / (part + other)


def predictive(risk: Floats, sensitivity: Floats, false: Floats) -> tuple[Floats, Floats]:
    """Return how likely each sample called positive is infected, and each called negative is not; 1 where none is."""
    found, wrong = risk * sensitivity, (1.0 - risk) * false
    missed, right = risk * (1.0 - sensitivity), (1.0 - risk) * (1.0 - false)
    positive, negative = found + wrong, missed + right
    ppv = np.divide(found, positive, out=np.ones_like(found), where=positive > 0.0)
    return ppv, np.divide(right, negative, out=np.ones_like(right), where=negative > 0.0)


class Figures(ABC):
    """Figures of a design.

    Attributes
    ----------
    n_samples : int
        Samples.
    stages : tuple of float
        Expected tests of each stage, samples alone last.
    errors : mapping or None
        Standard errors where simulated.
    """

    n_samples: int
    stages: tuple[float, ...]
    errors: Mapping[str, float] | None = None

    @property
    @abstractmethod
    def risk(self) -> Floats:
        """How likely the sample at each place is infected."""

    @property
    def sample(self) -> NDArray[np.int64]:
        """Which sample stands at each place."""
        return np.arange(self.n_samples)

    @abstractmethod
    def each(self) -> tuple[Floats, Floats]:
        """Return how likely each sample is called positive: if infected, and if not."""

    def overall(self) -> Overall:
        """Return sensitivity, specificity and predictive values over all samples."""
        sensitivity, false = self.each()
        risk = self.risk
        healthy = 1.0 - risk
        infected, clean = float(np.add.reduce(risk)), float(np.add.reduce(healthy))
        found, wrong = float(risk @ sensitivity), float(healthy @ false)
        right, missed = float(healthy @ (1.0 - false)), float(risk @ (1.0 - sensitivity))
        return (
            min(found / infected, 1.0) if infected > 0.0 else float(sensitivity.mean()),
            min(right / clean, 1.0) if clean > 0.0 else float((1.0 - false).mean()),
            ratio(found, wrong, 1.0),
            ratio(right, missed, 1.0),
        )

    def n_correct(self) -> float:
        """Return how many samples are called rightly on average."""
        sensitivity, false = self.each()
        return float(self.risk @ sensitivity + (1.0 - self.risk) @ (1.0 - false))

    def variance(self) -> float | None:
        """Return the variance of all tests, None where unknown."""
        likely = self.distribution()
        if likely is None:
            return None
        # The first tests are certain, so that little is left to subtract.
        tests = np.arange(likely.size) - int(np.flatnonzero(likely)[0])
        mean = float(likely @ tests)
        return max(float(likely @ (tests - mean) ** 2), 0.0)

    def distribution(self) -> Floats | None:
        """Return how likely each number of tests is, None where unknown."""
        return None

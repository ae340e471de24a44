"""The exact figures of arrays."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import rectangles
from poolkit.planning.accuracy import Stages, rates
from poolkit.planning.arrangement import Arrange, arranged
from poolkit.planning.figures import Figures, Floats, Overall, ratio
from poolkit.planning.shapes import Rectangle


def errors_of(rectangle: Rectangle, stages: Stages, *, again: bool) -> rectangles.Errors:
    """Return how likely the specimens of an array react."""
    lines = 1 + rectangle.master
    by_row, by_column = stages.at(lines), stages.columns or stages.at(lines)
    whole = rates(stages.at(1), rectangle.n_rows * rectangle.n_columns) if rectangle.master else (1.0, 0.0)
    return rectangles.Errors(
        int(rectangle.master),
        int(again),
        *whole,
        *rates(by_row, rectangle.n_columns),
        *rates(by_column, rectangle.n_rows),
        *rates(stages.alone(lines + 1), 1),
    )


def of_rectangle(
    rectangle: Rectangle,
    prevalence: float | None,
    risks: Floats | None,
    arrange: Arrange,
    stages: Stages,
    *,
    again: bool,
) -> Figures:
    """Return the figures of an array whose assays do not count.

    Parameters
    ----------
    rectangle
        The array.
    prevalence, risks
        One for all samples, or one a sample.
    arrange
        Where samples of known risks stand.
    stages
        The assay of each stage.
    again
        Whether samples of reactive lines that no line crosses are tested alone.

    Returns
    -------
    Figures
        Exact.
    """
    errors = errors_of(rectangle, stages, again=again)
    if risks is None:
        return UniformArray(rectangle, float(prevalence or 0.0), errors)
    sample = arranged(risks, rectangle.n_rows, rectangle.n_columns, how=arrange)
    return AnyArray(rectangle, risks[sample], sample, errors)


class UniformArray(Figures):
    """An array whose samples are all as likely infected."""

    def __init__(self, rectangle: Rectangle, prevalence: float, errors: rectangles.Errors) -> None:
        self._rectangle, self._prevalence, self._errors = rectangle, prevalence, errors
        self.n_samples = rectangle.n_rows * rectangle.n_columns
        found = np.empty(6)
        rectangles.uniform(rectangle.n_rows, rectangle.n_columns, prevalence, errors, found)
        whole, lines, alone, self._found, self._wrong, _ = found.tolist()
        self.stages = (whole, lines, alone) if rectangle.master else (lines, alone)

    @property
    def risk(self) -> Floats:
        """How likely each sample is infected."""
        return np.full(self.n_samples, self._prevalence)

    def each(self) -> tuple[Floats, Floats]:
        """Return the same for every sample."""
        return np.full(self.n_samples, self._found), np.full(self.n_samples, self._wrong)

    def overall(self) -> Overall:
        """Return what holds for every sample."""
        p = self._prevalence
        ppv = ratio(p * self._found, (1.0 - p) * self._wrong, 1.0)
        npv = ratio((1.0 - p) * (1.0 - self._wrong), p * (1.0 - self._found), 1.0)
        return self._found, 1.0 - self._wrong, ppv, npv

    def distribution(self) -> Floats:
        """Return how likely each number of tests is."""
        n_rows, n_columns, master = self._rectangle
        likely = np.empty(master + n_rows + n_columns + n_rows * n_columns + 1)
        rectangles.distribution(n_rows, n_columns, self._prevalence, self._errors, likely)
        return likely


class AnyArray(Figures):
    """An array whose samples have risks of their own."""

    def __init__(
        self, rectangle: Rectangle, risk: Floats, sample: NDArray[np.int64], errors: rectangles.Errors
    ) -> None:
        self._risk, self._sample, self._errors = risk, sample, errors
        self.n_samples = risk.size
        tests, open_ = np.empty(3), np.empty((rectangle.n_rows, rectangle.n_columns, 2))
        # Samples fill an array column by column.
        grid = np.ascontiguousarray(risk.reshape(rectangle.n_columns, rectangle.n_rows).T)
        rectangles.each(grid, errors, tests, open_)
        self._open = open_.transpose(1, 0, 2).reshape(-1, 2)
        found = tuple(tests.tolist())
        self.stages = found if rectangle.master else found[1:]

    @property
    def risk(self) -> Floats:
        """How likely the sample at each place is infected."""
        return self._risk

    @property
    def sample(self) -> NDArray[np.int64]:
        """Which sample stands at each place."""
        return self._sample

    def each(self) -> tuple[Floats, Floats]:
        """Return what the last test makes of who is tested alone."""
        return self._open[:, 1] * self._errors.alone, self._open[:, 0] * self._errors.false_alone

"""Rows and columns of an array over households: how likely a sample of it is tested alone."""

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.planning.households import Floats, Household, by_chance

Mask = NDArray[np.bool_]


class Placed(NamedTuple):
    """Households in an array; columns of different stretches share no household.

    Attributes
    ----------
    labels : numpy.ndarray
        (rows, columns) the household of each sample; all 0 when they stand anywhere.
    heights, widths : tuple of tuple of int
        First and last, exclusive, of each stretch of rows and of columns that households fill.
    tables : tuple of numpy.ndarray
        How likely a set of samples is free of infection: of any one household by number of samples, beside an infected
        one, beside a healthy one; of the whole array when households stand anywhere.
    anywhere : bool
        Whether households stand anywhere.
    """

    labels: NDArray[np.int64]
    heights: tuple[tuple[int, int], ...]
    widths: tuple[tuple[int, int], ...]
    tables: tuple[Floats, Floats, Floats]
    anywhere: bool

    def turned(self) -> "Placed":
        """Return the array with its rows as columns."""
        return self._replace(labels=self.labels.T, heights=self.widths, widths=self.heights)

    def free(self, chosen: Mask, first: int, at: tuple[int, int], state: int) -> float:
        """Return how likely the chosen samples of a stretch of columns are free of infection.

        `first` is the first column of the stretch. The state of the sample `at` is known, 1 infected or 2
        healthy, and it is not among the chosen.
        """
        if self.anywhere:
            return float(self.tables[state][int(chosen.sum())])
        known = first <= at[1] < first + chosen.shape[1]
        own = int(self.labels[at]) if known else 0
        counts = np.bincount(self.labels[:, first : first + chosen.shape[1]][chosen], minlength=own + 1)
        beside = self.tables[state][counts[own]] if known else 1.0
        counts[own] *= not known
        return float(self.tables[0][counts].prod() * beside)


def placed(n_rows: int, n_columns: int, shape: tuple[int, int], arrangement: str, of: Household) -> Placed:
    """Return households of a shape in an array."""
    rows, columns = np.indices((n_rows, n_columns))
    if arrangement == "random":
        n_others = n_rows * n_columns // (of.nobody.size - 1) - 1
        n = n_rows * n_columns
        tables = (
            by_chance(of.nobody, of.nobody, n_others, n),
            by_chance(of.beside_infected, of.nobody, n_others, n - 1),
            by_chance(of.beside_healthy, of.nobody, n_others, n - 1),
        )
        return Placed(0 * rows, ((0, n_rows),), ((0, n_columns),), tables, anywhere=True)
    tall, wide = shape
    if arrangement == "diagonal":
        # In each square of m x m samples the m households are its broken diagonals.
        tall = wide = tall * wide
        inside = (columns - rows) % wide
    else:
        inside = 0 * rows
    n_wide = -(-n_columns // wide)
    labels = ((rows // tall) * n_wide + columns // wide) * max(int(inside.max()) + 1, 1) + inside
    return Placed(
        labels,
        tuple((at, min(at + tall, n_rows)) for at in range(0, n_rows, tall)),
        tuple((at, min(at + wide, n_columns)) for at in range(0, n_columns, wide)),
        (of.nobody, of.beside_infected, of.beside_healthy),
        anywhere=False,
    )


def tested_alone(array: Placed, assay: Assay, *, unmatched: bool) -> tuple[float, float]:
    """Return how likely a sample is tested alone when it is infected, and when it is healthy; means over the array."""
    n_rows, n_columns = array.labels.shape
    row, column = (float(assay.reactive(size)[size, 1]) for size in (n_columns, n_rows))
    false = 1.0 - assay.specificity
    infected = healthy = 0.0
    shapes = {(high - low, right - left): (low, left) for low, high in array.heights for left, right in array.widths}
    weights = dict.fromkeys(shapes, 0)
    for low, high in array.heights:
        for left, right in array.widths:
            weights[high - low, right - left] += (high - low) * (right - left)
    for shape, at in shapes.items():
        share = weights[shape] / (n_rows * n_columns)
        infected += share * row * column
        healthy += share * _crossing(array, at, (row, column), false)
        if not unmatched:
            continue
        for turned, here, seen, silent in (
            (array, at, row, column),
            (array.turned(), at[::-1], column, row),
        ):
            # The column of an infected sample is silent by mistake, whatever the others hold.
            infected += share * seen * (1.0 - silent) * _silent(turned, here, 1, silent, false, row=False)
            anybody = _silent(turned, here, 2, silent, false, row=False)
            nobody = _silent(turned, here, 2, silent, false, row=True)
            healthy += share * (seen * (anybody - nobody) + false * nobody)
    return infected, healthy


def _crossing(array: Placed, at: tuple[int, int], found: tuple[float, float], false: float) -> float:
    """Return how likely the row and the column of a healthy sample both react."""
    row, column = np.zeros(array.labels.shape, np.bool_), np.zeros(array.labels.shape, np.bool_)
    row[at[0]] = column[:, at[1]] = True
    row[at] = column[at] = False
    no_row, no_column, neither = (_over_stretches(array, each, at) for each in (row, column, row | column))
    return (
        neither * false**2
        + (no_row - neither) * false * found[1]
        + (no_column - neither) * found[0] * false
        + (1.0 - no_row - no_column + neither) * found[0] * found[1]
    )


def _over_stretches(array: Placed, chosen: Mask, at: tuple[int, int]) -> float:
    total = 1.0
    for left, right in array.widths:
        total *= array.free(chosen[:, left:right], left, at, 2)
    return total


def _silent(array: Placed, at: tuple[int, int], state: int, found: float, false: float, *, row: bool) -> float:
    """Return how likely no column reacts, its own apart where `at` is infected, and with `row` its row is free too.

    The factor of a column, 1 - Se + (Se + Sp - 1) free, is multiplied out; of the columns of a stretch, that of `at`
    apart, any s are alike.
    """
    total = 1.0
    gain = found - false
    for left, right in array.widths:
        here = left <= at[1] < right
        own = at[1] - left if here else -1
        others = [column for column in range(right - left) if column != own]
        summed = 0.0
        for s in range(len(others) + 1):
            weight = comb(len(others), s) * (1.0 - found) ** (len(others) - s) * gain**s
            for with_own in (False, True) if here and state == 2 else (False,):
                chosen = np.zeros((array.labels.shape[0], right - left), np.bool_)
                chosen[at[0]] = row
                chosen[:, others[:s]] = True
                factor = 1.0
                if here and state == 2:
                    factor = gain if with_own else 1.0 - found
                    chosen[:, own] |= with_own
                    chosen[at[0], own] = False
                summed += weight * factor * array.free(chosen, left, at, state)
        total *= summed
    return total

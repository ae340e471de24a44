"""Arrays of samples by their rows and columns: what is tested again and called positive, exactly."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel


class Errors(NamedTuple):
    """How likely each kind of specimen of an array reacts: with somebody infected and, ``false_``, without.

    master is 1 where a pool of all is tested first; unmatched is 1 where samples of reactive lines are tested alone
    when no line of the other direction reacts, 0 where they are then negative.
    """

    master: int
    unmatched: int
    whole: float
    false_whole: float
    row: float
    false_row: float
    column: float
    false_column: float
    alone: float
    false_alone: float


@kernel
def _line(reacts: float, false_reacts: float, none: float) -> float:
    """Say how likely a line stays negative that holds nobody infected with probability none."""
    return (1.0 - false_reacts) * none + (1.0 - reacts) * (1.0 - none)


@kernel
def uniform(n_rows: int, n_columns: int, prevalence: float, errors: Errors, found: NDArray[np.float64]) -> None:
    """Write the figures of an array whose samples are all as likely infected.

    found (6,): tests of the pool of all, of lines, alone; how likely an infected sample is found, how likely one that
    is not is called positive, and how likely the pool of all reacts.

    Given that a row holds nobody, and given nothing, columns are independent; so that all sums over the number of
    reactive columns are powers.
    """
    clean = 1.0 - prevalence
    row, column = clean**n_columns, clean**n_rows
    row_rest, column_rest = clean ** (n_columns - 1), clean ** (n_rows - 1)
    # A sample infected: its row and its column hold somebody.
    hit = errors.row * errors.column
    # A sample not infected: its lines hold somebody by what the rest of them holds.
    row_reacts = errors.row * (1.0 - row_rest) + errors.false_row * row_rest
    column_reacts = errors.column * (1.0 - column_rest) + errors.false_column * column_rest
    miss = row_reacts * column_reacts
    if errors.unmatched:
        column_silent = _line(errors.column, errors.false_column, column)
        row_silent = _line(errors.row, errors.false_row, row)
        own_column = _line(errors.column, errors.false_column, column_rest)
        own_row = _line(errors.row, errors.false_row, row_rest)
        others_columns, others_rows = column_silent ** (n_columns - 1), row_silent ** (n_rows - 1)
        hit += errors.row * (1.0 - errors.column) * others_columns + errors.column * (1.0 - errors.row) * others_rows
        # Of a row without anybody: the other columns by their other samples.
        with_row = own_column * row_rest * own_column ** (n_columns - 1)
        with_column = own_row * column_rest * own_row ** (n_rows - 1)
        miss += errors.false_row * with_row + errors.row * max(own_column * others_columns - with_row, 0.0)
        miss += errors.false_column * with_column + errors.column * max(own_row * others_rows - with_column, 0.0)
    found[0], found[5] = 0.0, 1.0
    if errors.master:
        none = clean ** (n_rows * n_columns)
        hit, miss = _behind_master(n_rows, n_columns, errors, clean ** (n_rows * n_columns - 1), hit, miss)
        found[0], found[5] = 1.0, errors.whole * (1.0 - none) + errors.false_whole * none
    found[1] = found[5] * (n_rows + n_columns)
    found[2] = n_rows * n_columns * (prevalence * hit + clean * miss)
    found[3] = hit * errors.alone
    found[4] = miss * errors.false_alone


@kernel
def _behind_master(
    n_rows: int, n_columns: int, errors: Errors, none: float, hit: float, miss: float
) -> tuple[float, float]:
    """Return how likely a sample is tested alone behind a pool of all, none being how likely all others are clean."""
    clean = errors.false_row * errors.false_column
    if errors.unmatched:
        clean += errors.false_row * (1.0 - errors.false_column) ** n_columns
        clean += errors.false_column * (1.0 - errors.false_row) ** n_rows
    return errors.whole * hit, errors.whole * miss + (errors.false_whole - errors.whole) * none * clean


@kernel
def _without(values: NDArray[np.float64], products: NDArray[np.float64]) -> None:
    """Write the product of all values but one, for each of them; without division, so that a value may be 0."""
    product = 1.0
    for k in range(values.size):
        products[k] = product
        product *= values[k]
    product = 1.0
    for k in range(values.size - 1, -1, -1):
        products[k] *= product
        product *= values[k]


@kernel
def _lines(clean: NDArray[np.float64], rest: NDArray[np.float64], whole: NDArray[np.float64]) -> None:
    """Write the products of rows without each sample, and of rows: clean and rest (rows, columns), whole (rows,)."""
    for j in range(clean.shape[0]):
        _without(clean[j], rest[j])
        whole[j] = rest[j, 0] * clean[j, 0]


@kernel
def _unmatched(
    clean: NDArray[np.float64],
    row_rest: NDArray[np.float64],
    column_rest: NDArray[np.float64],
    column: NDArray[np.float64],
    reacts: tuple[float, float, float, float],
    open_: NDArray[np.float64],
) -> None:
    """Add how likely a sample's row reacts and no column does.

    clean, row_rest and column_rest (rows, columns) are how likely a sample, the rest of its row and the rest of its
    column are clean, column (columns,) a whole column; reacts is row, false row, column, false column; open_ (rows,
    columns, 2) is added to.
    """
    row, false_row, one, false_one = reacts
    n_rows, n_columns = clean.shape
    silent, apart = np.empty(n_columns), np.empty(n_columns)
    others, others_apart = np.empty(n_columns), np.empty(n_columns)
    for k in range(n_columns):
        silent[k] = _line(one, false_one, column[k])
    _without(silent, others)
    for j in range(n_rows):
        # The columns when row j is known to be clean.
        for k in range(n_columns):
            apart[k] = _line(one, false_one, column_rest[j, k])
        _without(apart, others_apart)
        for k in range(n_columns):
            none = apart[k] * row_rest[j, k] * others_apart[k]
            some = max(apart[k] * others[k] - none, 0.0)
            open_[j, k, 0] += false_row * none + row * some
            open_[j, k, 1] += row * (1.0 - one) * others[k]


@kernel
def each(risk: NDArray[np.float64], errors: Errors, tests: NDArray[np.float64], open_: NDArray[np.float64]) -> None:
    """Write the figures of an array whose samples are infected each with its own probability.

    risk (rows, columns) is read; tests (3,) of the pool of all, of lines and alone, and open_ (rows, columns, 2) how
    likely a sample is tested alone, not infected first, are written. O(rows x columns).
    """
    n_rows, n_columns = risk.shape
    clean = 1.0 - risk
    turned = np.ascontiguousarray(clean.T)
    row_rest, row = np.empty((n_rows, n_columns)), np.empty(n_rows)
    turned_rest, column = np.empty((n_columns, n_rows)), np.empty(n_columns)
    _lines(clean, row_rest, row)
    _lines(turned, turned_rest, column)
    column_rest = np.ascontiguousarray(turned_rest.T)
    for j in range(n_rows):
        for k in range(n_columns):
            row_reacts = 1.0 - _line(errors.row, errors.false_row, row_rest[j, k])
            column_reacts = 1.0 - _line(errors.column, errors.false_column, column_rest[j, k])
            open_[j, k, 0] = row_reacts * column_reacts
            open_[j, k, 1] = errors.row * errors.column
    if errors.unmatched:
        reacts = (errors.row, errors.false_row, errors.column, errors.false_column)
        _unmatched(clean, row_rest, column_rest, column, reacts, open_)
        swapped = (errors.column, errors.false_column, errors.row, errors.false_row)
        further = np.zeros((n_columns, n_rows, 2))
        _unmatched(turned, turned_rest, np.ascontiguousarray(row_rest.T), row, swapped, further)
        for j in range(n_rows):
            for k in range(n_columns):
                open_[j, k, 0] += further[k, j, 0]
                open_[j, k, 1] += further[k, j, 1]
    tests[0], reached = 0.0, 1.0
    if errors.master:
        others = np.empty(n_rows)
        _without(row, others)
        none = others[0] * row[0]
        tests[0], reached = 1.0, errors.whole * (1.0 - none) + errors.false_whole * none
        for j in range(n_rows):
            for k in range(n_columns):
                rest = others[j] * row_rest[j, k]
                hit, miss = _behind_master(n_rows, n_columns, errors, rest, open_[j, k, 1], open_[j, k, 0])
                open_[j, k, 0], open_[j, k, 1] = miss, hit
    tests[1], tests[2] = reached * (n_rows + n_columns), 0.0
    for j in range(n_rows):
        for k in range(n_columns):
            tests[2] += risk[j, k] * open_[j, k, 1] + clean[j, k] * open_[j, k, 0]


@kernel
def _sums(n: int, reacts: float, false_reacts: float, likely: NDArray[np.float64]) -> None:
    """Write how many of n lines react: likely (n + 1, n + 1) by how many hold somebody (row) and react (column)."""
    for held in range(n + 1):
        likely[held, :] = 0.0
        likely[held, 0] = 1.0
        for line in range(n):
            one = reacts if line < held else false_reacts
            for k in range(line + 1, 0, -1):
                likely[held, k] = likely[held, k] * (1.0 - one) + likely[held, k - 1] * one
            likely[held, 0] *= 1.0 - one


@kernel
def held_lines(n_rows: int, n_columns: int, prevalence: float, held: NDArray[np.float64]) -> None:
    """Write how likely x rows and y columns hold somebody infected, each sample with the same probability.

    held (rows + 1, columns + 1) is written, column by column of the array: a new one that holds somebody adds rows to
    those that did. No term is subtracted. O(rows^2 columns^2).
    """
    clean = 1.0 - prevalence
    # adds[x, new]: of the rows that held nobody, so many new ones.
    adds = np.zeros((n_rows + 1, n_rows + 1))
    for x in range(n_rows + 1):
        adds[x, 0] = 1.0
        for k in range(n_rows - x):
            for new in range(k + 1, 0, -1):
                adds[x, new] = adds[x, new] * clean + adds[x, new - 1] * prevalence
            adds[x, 0] *= clean
    held[:, :] = 0.0
    held[0, 0] = 1.0
    for column in range(n_columns):
        for x in range(min(n_rows, n_rows * column), -1, -1):
            some = 1.0 - clean**x
            for y in range(column, -1, -1):
                was = held[x, y]
                if was == 0.0:
                    continue
                held[x, y] = was * (clean**x) * adds[x, 0]
                held[x, y + 1] += was * some * adds[x, 0]
                for new in range(1, n_rows - x + 1):
                    held[x + new, y + 1] += was * adds[x, new]


@kernel
def distribution(n_rows: int, n_columns: int, prevalence: float, errors: Errors, likely: NDArray[np.float64]) -> None:
    """Write how likely an array of equally likely infected samples takes t tests.

    likely (most tests + 1,) is written. O(rows^2 columns^2).
    """
    held = np.empty((n_rows + 1, n_columns + 1))
    held_lines(n_rows, n_columns, prevalence, held)
    rows, columns = np.empty((n_rows + 1, n_rows + 1)), np.empty((n_columns + 1, n_columns + 1))
    _sums(n_rows, errors.row, errors.false_row, rows)
    _sums(n_columns, errors.column, errors.false_column, columns)
    likely[:] = 0.0
    first = 1 if errors.master else 0
    for y in range(n_columns + 1):
        for a in range(n_rows + 1):
            joint, silent = 0.0, 0.0
            for x in range(n_rows + 1):
                reached = 1.0
                if errors.master:
                    reached = errors.false_whole if x == 0 else errors.whole
                joint += held[x, y] * reached * rows[x, a]
                silent += held[x, y] * (1.0 - reached) * rows[x, a]
            if errors.master:
                likely[1] += silent
            for b in range(n_columns + 1):
                alone = a * b
                if errors.unmatched and (a == 0 or b == 0):
                    alone = a * n_columns + b * n_rows
                likely[first + n_rows + n_columns + alone] += joint * columns[y, b]


class Sides(NamedTuple):
    """Arrays to try, and how likely their specimens react.

    reacts and false_reacts (largest size + 1,) are of a pool by its size, alone and false_alone of one sample; master
    and unmatched are as in `Errors`.
    """

    master: int
    unmatched: int
    reacts: NDArray[np.float64]
    false_reacts: NDArray[np.float64]
    alone: float
    false_alone: float


@kernel
def every(prevalence: float, longest: int, largest: int, sides: Sides, found: NDArray[np.float64]) -> None:
    """Write the figures of all arrays with sides from 2 to longest, with a pool of all of at most largest.

    found (longest + 1, longest + 1, 3): tests of the array, how likely an infected sample is found, and one that is not
    is called positive; tests are infinite where there is no such array.
    """
    of_one = np.empty(6)
    found[:, :, 0] = np.inf
    found[:, :, 1:] = 0.0
    for n_rows in range(2, longest + 1):
        for n_columns in range(2, longest + 1):
            n = n_rows * n_columns
            if sides.master and n > largest:
                break
            whole = n if sides.master else 1
            errors = Errors(
                sides.master,
                sides.unmatched,
                sides.reacts[whole],
                sides.false_reacts[whole],
                sides.reacts[n_columns],
                sides.false_reacts[n_columns],
                sides.reacts[n_rows],
                sides.false_reacts[n_rows],
                sides.alone,
                sides.false_alone,
            )
            uniform(n_rows, n_columns, prevalence, errors, of_one)
            found[n_rows, n_columns, 0] = of_one[0] + of_one[1] + of_one[2]
            found[n_rows, n_columns, 1] = of_one[3]
            found[n_rows, n_columns, 2] = of_one[4]

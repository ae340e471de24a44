"""Households that share their fate, by the definition: every truth and every outcome of every test."""

from itertools import permutations, product
from math import prod


def fate(infected, model, p, r):
    """Return how likely the members of a household are just so, infected (1) or not (0)."""
    q, size, k = 1 - p, len(infected), sum(infected)
    if model == "madsen":
        alike = p if k == size else q if k == 0 else 0.0
        return (1 - r) * p**k * q ** (size - k) + r * alike
    if model == "morel-neerchal":
        c = r**0.5
        total = 0.0
        for common, weight in ((1, p), (0, q)):
            one = (1 - c) * p + c * common
            total += weight * one**k * (1 - one) ** (size - k)
        return total
    if r == 1:
        return p if k == size else q if k == 0 else 0.0
    # One after another from an urn of p (1 - r) and q (1 - r), to which each adds r of its own kind.
    urn, total = [q * (1 - r), p * (1 - r)], 1.0
    for each in infected:
        total *= urn[each] / sum(urn)
        urn[each] += r
    return total


def truths(labels, model, p, r):
    """Give (probability, truth) of all samples, by the household of each."""
    households = sorted(set(labels))
    for truth in product((0, 1), repeat=len(labels)):
        of = [[truth[i] for i in range(len(labels)) if labels[i] == h] for h in households]
        yield prod(fate(each, model, p, r) for each in of), truth


def placements(n, household):
    """Return all ways in which households can stand, as the household of each sample."""
    return sorted(set(permutations([i // household for i in range(n)])))


def hierarchical(sizes, labels, model, p, r, se, sp):
    """Return (expected tests by stage, P(reported | infected), P(not reported | healthy)) of one first pool.

    Sensitivity by stage in `se`. Means over the samples that the sizes name; there may be more labels.
    """
    n = sizes[0]
    tests, right, wrong = [0.0] * len(sizes), 0.0, 0.0
    for weight, truth in truths(labels, model, p, r):
        for stage, size in enumerate(sizes):
            for start in range(0, n, size):
                tests[stage] += weight * _above(truth, start, sizes[:stage], se, sp)
        for i in range(n):
            reported = _above(truth, i, sizes, se, sp)
            right += weight * reported * truth[i]
            wrong += weight * reported * (1 - truth[i])
    return tests, right / (n * p), 1 - wrong / (n * (1 - p))


def _above(truth, i, sizes, se, sp):
    total = 1.0
    for stage, size in enumerate(sizes):
        start = i // size * size
        total *= se[stage] if any(truth[start : start + size]) else 1 - sp
    return total


def array(n_rows, n_columns, labels, model, p, r, se, sp, unmatched):
    """Return (expected tests alone, P(reported | infected), P(not | healthy)); se of rows, columns and samples."""
    alone = right = wrong = 0.0
    for weight, truth in truths(labels, model, p, r):
        rows = [any(truth[i * n_columns : (i + 1) * n_columns]) for i in range(n_rows)]
        columns = [any(truth[j::n_columns]) for j in range(n_columns)]
        react_row = [se[0] if each else 1 - sp for each in rows]
        react_column = [se[1] if each else 1 - sp for each in columns]
        no_row, no_column = (prod(1 - each for each in line) for line in (react_row, react_column))
        for i in range(n_rows):
            for j in range(n_columns):
                tested = react_row[i] * react_column[j]
                if unmatched:
                    tested += react_row[i] * no_column + react_column[j] * no_row
                ill = truth[i * n_columns + j]
                alone += weight * tested
                right += weight * tested * ill * se[2]
                wrong += weight * tested * (1 - ill) * (1 - sp)
    n = n_rows * n_columns
    return alone, right / (n * p), 1 - wrong / (n * (1 - p))

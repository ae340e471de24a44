"""`compare_designs`: every family of designs side by side for the same samples."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from poolkit.assays import Assay, dilution_cycles
from poolkit.errors import DesignError, Problem
from poolkit.planning import staged
from poolkit.planning.candidates import Wanted, candidates
from poolkit.planning.expected import at_most, independent, staged_tests
from poolkit.pooling.designs import Design, Layout, design
from poolkit.pooling.designs.remainders import SpecialRemainder

# Sets of infected samples that are tried one by one, and that are drawn where there are more: first of each design of a
# family, then of the best of them.
_COUNTED = (25_000, 100_000)
_DRAWN = (2_000, 10_000)
_BLOCKS_DRAWN = 16


class _Figures(NamedTuple):
    expected: float
    worst: float
    rounds: int
    exact: bool
    error: float | None


def compare_designs(
    n: int,
    *,
    max_positives: int | None = None,
    prevalence: float | None = None,
    max_pool: int | None = None,
    max_rounds: int | None = None,
    assay: Assay | None = None,
    designs: Sequence[str | Design] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what every family of designs would cost for these samples, fewest expected tests first.

    Parameters
    ----------
    n
        Samples to be tested, at least 2.
    max_positives
        It is promised that at most so many are infected; all such sets are equally likely.
    prevalence
        Or: each sample is infected by itself with this probability.
    max_pool
        Samples a pool at most; no limit where not given.
    max_rounds
        Rounds of tests at most, tests of samples alone included.
    assay
        How likely a pool reacts; perfect where not given.
    designs
        Names or designs to compare; the best sizes of every family where not given.
    seed
        Seed of what is simulated.

    Returns
    -------
    pandas.DataFrame
        One row a design: ``family``, ``design`` (its name), ``pools`` of the first round, ``expected_tests``,
        ``worst_tests``, ``rounds`` at most, ``largest_pool``, ``dilution_cycles`` of it, ``sensitivity``, ``exact`` and
        ``standard_error`` of the expected tests (missing where exact).

    Raises
    ------
    DesignError
        When not just one of max_positives and prevalence is given, one of them is out of range, or a design is unknown.

    Notes
    -----
    *max_positives*: pools are tested stage by stage; then all sets of at most so many samples that explain them are
    told apart by testing single samples in one more round, none where only one set is left (PoolPy's reading, which
    takes one test fewer than there are sets; Bondy's theorem says that is always enough, and often fewer are). The
    promise does the work: a design may look better here than a laboratory finds it when it is broken. Exact over all
    sets up to 100,000 of them, and where the design names so many for certain; else over 10,000 sets drawn at random,
    and then the worst tests are the worst of those. Tests are counted for a perfect assay.

    *prevalence*: every sample that is in no negative pool is tested alone after the last stage. Exact for a perfect
    assay by inclusion and exclusion (see `expected_tests`); else simulated. The worst case is everybody infected.

    *sensitivity* is the probability that a single infected sample is found: all its pools, and it alone where it is
    tested alone, have to react.

    References
    ----------
    Talamanca and Trouillon 2025, *PoolPy: Flexible Group Testing Design for Large-Scale Screening*, arXiv:2509.03481.

    Examples
    --------
    >>> table = compare_designs(96, prevalence=0.01, max_pool=10, max_rounds=2, designs=["two-stage-10", "array-8x12"])
    >>> table[["design", "expected_tests", "exact"]].round(2).values.tolist()
    [['two-stage-10', 18.96, True]]
    """
    _refuse(n, max_positives, prevalence, max_pool, max_rounds)
    some = at_most(n, max_positives) if max_positives is not None else independent(n, prevalence or 0.0)
    wanted = Wanted(n, some, max_positives, max_pool or n, max_rounds or n)
    of_family: dict[str, list[str | Design]]
    if designs is None:
        of_family = {family: [*names] for family, names in candidates(wanted).items()}
    else:
        of_family = {f"{place}": [each] for place, each in enumerate(designs)}
    assay = assay or Assay()
    quick, close = (_Sets(wanted, prevalence, assay, seed, close=each) for each in (False, True))
    rows = [_alone(n, assay)] if designs is None else []
    for family, names in of_family.items():
        if designs is None:
            best = _best(names, wanted, quick, close)
            rows += [] if best is None else [best | {"family": family}]
        else:
            row = _row(design(names[0]), wanted, close)
            rows += [] if row is None else [row]
    table = pd.DataFrame(rows, columns=list(_alone(n, assay)))
    table["standard_error"] = table["standard_error"].astype(float)
    return table.sort_values(["expected_tests", "rounds", "largest_pool", "design"], ignore_index=True)


def _refuse(
    n: int, max_positives: int | None, prevalence: float | None, max_pool: int | None, max_rounds: int | None
) -> None:
    problems = []
    if n < 2:
        problems.append(Problem("n", f"must be at least 2, found {n}"))
    if (max_positives is None) == (prevalence is None):
        problems.append(Problem("prevalence", "give either max_positives or a prevalence"))
    if max_positives is not None and not 0 <= max_positives <= n:
        problems.append(Problem("max_positives", f"must be from 0 to {n}, found {max_positives}"))
    if prevalence is not None and not 0.0 <= prevalence <= 1.0:
        problems.append(Problem("prevalence", f"must be from 0 to 1, found {prevalence:g}"))
    if max_pool is not None and max_pool < 1:
        problems.append(Problem("max_pool", f"must be at least 1, found {max_pool}"))
    if max_rounds is not None and max_rounds < 1:
        problems.append(Problem("max_rounds", f"must be at least 1, found {max_rounds}"))
    if problems:
        raise DesignError("nothing to compare", problems)


def _alone(n: int, assay: Assay) -> dict[str, Any]:
    """Return the row of testing every sample alone."""
    return {
        "family": "individual",
        "design": "individual",
        "pools": n,
        "expected_tests": float(n),
        "worst_tests": n,
        "rounds": 1,
        "largest_pool": 1,
        "dilution_cycles": 0.0,
        "sensitivity": float(assay.reactive(1)[1, 1]),
        "exact": True,
        "standard_error": None,
    }


class _Sets:
    """What designs are tried on; the sets of at most a few infected samples are made when first asked for."""

    def __init__(self, wanted: Wanted, prevalence: float | None, assay: Assay, seed: int, *, close: bool) -> None:
        self.wanted, self.prevalence, self.assay, self.seed = wanted, prevalence, assay, seed
        self.n_drawn = _DRAWN[close]
        most = wanted.max_positives
        self.counted = most is not None and staged.n_sets(wanted.n, most) <= _COUNTED[close]
        self._words: staged.Words | None = None

    def words(self) -> staged.Words:
        """Return the sets of at most so many infected samples as bits: every one, or some drawn."""
        if self._words is None:
            n, most = self.wanted.n, self.wanted.max_positives or 0
            if self.counted:
                self._words = staged.every_set(n, most)
            else:
                self._words = staged.random_sets(n, most, self.n_drawn, seed=self.seed)
        return self._words


def _best(names: Sequence[str | Design], wanted: Wanted, quick: _Sets, close: _Sets) -> dict[str, Any] | None:
    """Return the row of the best of a few designs, or None where none of them will do."""
    best: dict[str, Any] | None = None
    for name in names:
        try:
            found = design(name)
        except DesignError:
            # The formulas know less than the designs about which numbers go.
            continue
        row = _row(found, wanted, quick, below=np.inf if best is None else best["expected_tests"])
        if row is not None and (best is None or _order(row) < _order(best)):
            best = row
    if best is None or best["exact"]:
        return best
    return _row(design(best["design"]), wanted, close)


def _order(row: dict[str, Any]) -> tuple[float, int, int]:
    return row["expected_tests"], row["rounds"], row["largest_pool"]


def _row(found: Design, wanted: Wanted, sets: _Sets, *, below: float = np.inf) -> dict[str, Any] | None:
    """Return the row of a design, or None where it takes larger pools, more rounds or more tests at once."""
    layout = found.layout(wanted.n)
    sizes = np.diff(layout.offsets)
    largest = int(sizes.max(initial=1))
    n_stages = int(layout.stage.max(initial=0))
    n_first = int((layout.stage == 1).sum())
    if largest > wanted.max_pool or n_stages > wanted.max_rounds or n_first > below:
        return None
    if wanted.max_positives is None:
        figures = _by_prevalence(found, layout, wanted, sets)
    else:
        figures = _by_promise(found, layout, wanted, sets)
    if figures.rounds > wanted.max_rounds:
        return None
    return {
        "family": found.family,
        "design": found.name,
        "pools": n_first,
        "expected_tests": figures.expected,
        "worst_tests": figures.worst,
        "rounds": figures.rounds,
        "largest_pool": largest,
        "dilution_cycles": float(dilution_cycles(largest)),
        "sensitivity": _sensitivity(layout, sets.assay, alone=figures.rounds > n_stages),
        "exact": figures.exact,
        "standard_error": figures.error,
    }


def _by_prevalence(found: Design, layout: Layout, wanted: Wanted, sets: _Sets) -> _Figures:
    rounds = int(layout.stage.max(initial=0)) + 1
    worst = layout.stage.size + layout.n_samples
    perfect = sets.assay.sensitivity == 1.0 and sets.assay.specificity == 1.0
    expected, variance, exact = 0.0, 0.0, True
    # Blocks share no sample, so that one full block stands for all.
    n_full, n_left = divmod(wanted.n, found.block)
    for n, n_blocks in ((found.block, n_full), (n_left, 1)):
        if n == 0 or n_blocks == 0:
            continue
        block = found.layout(n)
        known = staged_tests(block, wanted.some[: n + 1]) if perfect else None
        if known is not None:
            expected += n_blocks * known.total
            continue
        # As many blocks are drawn as stand in so many sets of all samples, or nearly.
        n_drawn = sets.n_drawn * min(n_blocks, _BLOCKS_DRAWN)
        infected = staged.independent_sets(n, sets.prevalence or 0.0, n_drawn, seed=sets.seed)
        tests = staged.run(block, infected, assay=sets.assay, seed=sets.seed + 1).tests.sum(axis=1)
        expected += n_blocks * float(tests.mean())
        variance += (n_blocks * _error(tests)) ** 2
        exact = False
    return _Figures(expected, worst, rounds, exact=exact, error=None if exact else float(variance**0.5))


def _by_promise(found: Design, layout: Layout, wanted: Wanted, sets: _Sets) -> _Figures:
    most = wanted.max_positives or 0
    n_stages = int(layout.stage.max(initial=0))
    if n_stages == 1 and (_told_by_promise(found, most) or _names_for_certain(layout, most)):
        return _Figures(float(layout.stage.size), layout.stage.size, 1, exact=True, error=None)
    ran = staged.run(layout, sets.words())
    alone = staged.retests(layout, ran, max_positives=most)
    tests = ran.tests[:, :-1].sum(axis=1) + alone
    rounds = n_stages + bool(alone.any())
    error = None if sets.counted else _error(tests)
    return _Figures(float(tests.mean()), int(tests.max()), rounds, exact=sets.counted, error=error)


def _error(tests: staged.Counts) -> float:
    return float(tests.std(ddof=1) / np.sqrt(tests.size))


def _told_by_promise(found: Design, most: int) -> bool:
    return isinstance(found, SpecialRemainder) and most <= found.positives


def _names_for_certain(layout: Layout, most: int) -> bool:
    """Say whether so many infected samples never cover all pools of another: by pools a sample and shared pools."""
    own = np.bincount(layout.members, minlength=layout.n_samples)
    inside = np.zeros((layout.stage.size, layout.n_samples), np.float32)
    inside[np.repeat(np.arange(layout.stage.size), np.diff(layout.offsets)), layout.members] = 1.0
    # One sample tells of most designs that they do not.
    if own.min() <= most or not most * inside[inside[:, 0] > 0, 1:].sum(axis=0).max(initial=0.0) < own[0]:
        return False
    shared = inside.T @ inside
    np.fill_diagonal(shared, 0.0)
    return bool((most * shared.max(axis=1) < own).all())


def _sensitivity(layout: Layout, assay: Assay, *, alone: bool) -> float:
    """Return how likely a single infected sample is found, on average over the samples."""
    points = assay.sensitivity if isinstance(assay.sensitivity, tuple) else ((1, assay.sensitivity),)
    sizes = np.diff(layout.offsets)
    of_size = np.interp(sizes, [size for size, _ in points], [found for _, found in points])
    with np.errstate(divide="ignore"):
        logs = np.repeat(np.log(of_size), sizes)
    every = np.exp(np.bincount(layout.members, weights=logs, minlength=layout.n_samples))
    return float(every.mean() * (points[0][1] if alone else 1.0))

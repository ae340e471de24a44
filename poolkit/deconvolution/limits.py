"""How few tests pooling can take: the bound for capped pools, and what hierarchical and adaptive testing reach."""

import math
from functools import lru_cache

from poolkit.deconvolution.search import fresh_within, searched
from poolkit.errors import DesignError, Problem


def pooling_bound(prevalence: float, *, max_pool: int) -> float:
    """Return a number of tests per sample that no pooling can go below without an error.

    Parameters
    ----------
    prevalence
        Probability that a sample is infected, each by itself.
    max_pool
        Most samples in a pool.

    Returns
    -------
    float
        Tests per sample.

    Raises
    ------
    DesignError
        When the prevalence is outside 0 to 1 or a pool holds nobody.

    Notes
    -----
    For a perfect test, any number of samples and of rounds, and answers that are never wrong. Of n samples, let a n be
    the expected negative tests and b n the expected positive ones, p the prevalence and q = 1 - p.

    - Every sample that is not infected stands in a negative pool, or nothing tells it from an infected one; a negative
      pool has at most c members: a >= q / c.
    - Every infected sample is the only one of some pool, by the same reasoning: b >= p.
    - The outcomes tell the truth, so their entropy is at least n H(p). By the chain rule and because h is concave it is
      at most (a + b) n h(b / (a + b)), with h the entropy of one yes or no.

    The bound is the least a + b within the three. Where the first two do not bind it is H(p), the bound of Shannon.

    Examples
    --------
    >>> f"{pooling_bound(0.01, max_pool=10):.4f}"
    '0.1202'
    """
    _check(prevalence, max_pool)
    if prevalence in (0.0, 1.0):
        return prevalence + (1.0 - prevalence) / max_pool
    negative, positive = (1.0 - prevalence) / max_pool, prevalence
    needed = -prevalence * math.log2(prevalence) - (1.0 - prevalence) * math.log2(1.0 - prevalence)
    if _information(negative, positive) >= needed:
        return negative + positive
    # On the edge of the third condition the sum is least where both are alike, so only one of the others binds there.
    if max(negative, positive) <= needed / 2.0:
        return needed
    fixed, low = max(negative, positive), min(negative, positive)
    high = fixed
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (low, middle) if _information(fixed, middle) >= needed else (middle, high)
    return fixed + high


def _information(negative: float, positive: float) -> float:
    both = negative + positive
    return -sum(part * math.log2(part / both) for part in (negative, positive) if part > 0.0)


def hierarchical_tests(prevalence: float, *, max_pool: int, rounds: int | None = None) -> tuple[tuple[int, ...], float]:
    """Return the best equal splits of a pool, and the tests per sample that they take.

    Parameters
    ----------
    prevalence
        Probability that a sample is infected, each by itself.
    max_pool
        Most samples in a pool.
    rounds
        Most rounds of testing, the last of them on single samples; any number by default.

    Returns
    -------
    tuple of int
        Pool sizes from the first round to the last, each a divisor of the one before.
    float
        Tests per sample with a perfect test.

    Raises
    ------
    DesignError
        When the prevalence is outside 0 to 1, a pool holds nobody, or there is no round.

    Notes
    -----
    Sizes n1, n2, ..., 1 take ``1 / n1 + sum of (1 - q ** n[k]) / n[k + 1]`` tests per sample; all chains of divisors
    are tried.

    Examples
    --------
    >>> sizes, tests = hierarchical_tests(0.01, max_pool=10)
    >>> sizes, f"{tests:.4f}"
    ((10, 2, 1), '0.1677')
    """
    _check(prevalence, max_pool, rounds)
    stay = 1.0 - prevalence

    @lru_cache(None)
    def below(size: int, left: int) -> tuple[tuple[int, ...], float]:
        """Return the sizes after this one, and their tests per sample of it."""
        if size == 1:
            return (), 0.0
        best: tuple[tuple[int, ...], float] = ((), math.inf)
        for part in range(1, size):
            if size % part == 0 and left > 0 and (part == 1 or left > 1):
                sizes, tests = below(part, left - 1)
                if (1.0 - stay**size) / part + tests < best[1]:
                    best = (part, *sizes), (1.0 - stay**size) / part + tests
        return best

    best: tuple[tuple[int, ...], float] = ((1,), 1.0)
    for first in range(2, max_pool + 1):
        sizes, tests = below(first, max_pool if rounds is None else rounds - 1)
        if 1.0 / first + tests < best[1]:
            best = (first, *sizes), 1.0 / first + tests
    return best


def adaptive_tests(prevalence: float, *, max_pool: int, rounds: int | None = None) -> float:
    """Return the tests per sample that `next_pools` expects of its own search.

    Parameters
    ----------
    prevalence
        Probability that a sample is infected, each by itself.
    max_pool
        Most samples in a pool.
    rounds
        Most rounds of testing; any number by default.

    Returns
    -------
    float
        Tests per sample with a perfect test, many samples at once.

    Raises
    ------
    DesignError
        When the prevalence is outside 0 to 1, a pool holds nobody, or there is no round.

    Notes
    -----
    Without a number of rounds this is exact: the best nested search, solved by dynamic programming together with the
    tests that a sample takes which comes back from a pool in which an infected one was found. With a number of rounds
    truths of more than two infected in a first pool are left out (1.2 in 1000 pools of ten at 1 %), and two infected
    are taken to be resolved one sample at a time.

    References
    ----------
    .. [1] M. Sobel, P. A. Groll, "Group testing to eliminate efficiently all defectives in a binomial sample", Bell
       System Technical Journal 38 (1959).
    .. [2] F. K. Hwang, "A method for detecting all defective members in a population by group testing", Journal of the
       American Statistical Association 67 (1972).

    Examples
    --------
    >>> f"{adaptive_tests(0.01, max_pool=10):.4f}", f"{adaptive_tests(0.01, max_pool=10, rounds=2):.4f}"
    ('0.1385', '0.1956')
    """
    _check(prevalence, max_pool, rounds)
    if prevalence in (0.0, 1.0):
        return prevalence + (1.0 - prevalence) / max_pool if rounds is None or rounds > 1 else 1.0
    if rounds is None:
        return searched(prevalence, max_pool).fresh
    return fresh_within(prevalence, max_pool, rounds)


def _check(prevalence: float, max_pool: int, rounds: int | None = None) -> None:
    problems = []
    if not 0.0 <= prevalence <= 1.0:
        problems.append(Problem("prevalence", f"must be from 0 to 1, found {prevalence:g}"))
    if max_pool < 1:
        problems.append(Problem("max_pool", f"must be at least 1, found {max_pool}"))
    if rounds is not None and rounds < 1:
        problems.append(Problem("rounds", f"must be at least 1, found {rounds}"))
    if problems:
        raise DesignError("nothing can be tested so", problems)

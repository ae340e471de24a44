"""Prevalence from pools: the likelihood of pools of any sizes, its estimates, and the limits that its score gives.

All of it is written in t = -log(1 - prevalence), in which neither a rare nor a common infection loses digits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

# What a root is looked for of: the score, Firth's, and what the limits of an interval solve.
MLE, FIRTH, SCORE, SKEW, BIAS_SKEW, LRT = range(6)

# Logarithms of the smallest and the largest t: prevalences of 1e-100 and of 1, to all digits.
_FLOOR, _CEILING = -230.0, 3.688879454113936
_ROUNDS = 200


class Groups(NamedTuple):
    """Pools by group: rows offsets[g] to offsets[g + 1] are those of group g.

    offsets (groups + 1,); size, tested and positive (rows,) say how many samples a pool of the row holds, how many such
    pools were tested and how many reacted, which need not be whole numbers.
    """

    offsets: NDArray[np.int64]
    size: NDArray[np.float64]
    tested: NDArray[np.float64]
    positive: NDArray[np.float64]


class Errors(NamedTuple):
    """How a pool reacts: sensitivity, specificity, and c / (1 - c) for a correlation c of the members of a pool."""

    sensitivity: float
    specificity: float
    spread: float


class Moments(NamedTuple):
    """Of the likelihood in t: score, information, sum of n d1 d2 / v for the bias, third moment of the score."""

    score: float
    information: float
    bend: float
    third: float


@kernel
def _absent(size: float, spread: float, t: float) -> tuple[float, float, float]:
    """Return the log-probability that a pool holds nobody infected, and minus its first and its second derivative.

    The derivatives are relative to that probability: of the first by t, of the second by the prevalence times (1-p)^2.
    """
    if spread == 0.0:
        return -size * t, size, size * (size - 1.0)
    p, q = -np.expm1(-t), np.exp(-t)
    log_absent, first, second = 0.0, 0.0, 0.0
    for j in range(int(size)):
        log_absent += np.log1p(-p / (1.0 + j * spread))
        share = q / (q + j * spread)
        first += share
        second += share * share
    return log_absent, first, first * first - second


@kernel
def moments(pools: Groups, group: int, errors: Errors, t: float) -> Moments:
    """Return the moments of the score of a group at t."""
    score, information, bend, third = 0.0, 0.0, 0.0, 0.0
    gain = errors.sensitivity + errors.specificity - 1.0
    for row in range(pools.offsets[group], pools.offsets[group + 1]):
        tested = pools.tested[row]
        if tested == 0.0:
            continue
        log_absent, first, second = _absent(pools.size[row], errors.spread, t)
        absent = np.exp(log_absent)
        reacts = -np.expm1(log_absent) * gain + (1.0 - errors.specificity)
        quiet = absent * gain + (1.0 - errors.sensitivity)
        rise = gain * absent * first
        # Kept as a ratio: a sensitivity of 1 leaves no pool quiet that holds anybody, however rare such pools are.
        pull = first if errors.sensitivity == 1.0 else rise / quiet
        score += (pools.positive[row] / reacts - tested) * pull
        information += tested * rise * pull / reacts
        if errors.sensitivity == 1.0:
            bend += tested * gain * absent * first * second / reacts
        else:
            bend += tested * pull * gain * absent * second / reacts
        third += tested * pull * pull * rise * (quiet - reacts) / (reacts * reacts)
    return Moments(score, information, bend, third)


@kernel
def log_likelihood(pools: Groups, group: int, errors: Errors, t: float) -> float:
    """Return the log-likelihood of a group at t, without the binomial coefficients."""
    total = 0.0
    gain = errors.sensitivity + errors.specificity - 1.0
    for row in range(pools.offsets[group], pools.offsets[group + 1]):
        positive = pools.positive[row]
        negative = pools.tested[row] - positive
        log_absent, _, _ = _absent(pools.size[row], errors.spread, t)
        if positive > 0.0:
            total += positive * np.log(-np.expm1(log_absent) * gain + (1.0 - errors.specificity))
        if negative > 0.0:
            if errors.sensitivity == 1.0:
                total += negative * (log_absent + np.log(gain))
            else:
                total += negative * np.log(np.exp(log_absent) * gain + (1.0 - errors.sensitivity))
    return total


class Rule(NamedTuple):
    """What is solved: its kind, the normal quantile, its sign (1 for a lower limit), the best log-likelihood."""

    kind: int
    z: float
    side: float
    best: float


@kernel
def _value(pools: Groups, group: int, errors: Errors, rule: Rule, log_t: float) -> float:
    """Return what is 0 at the estimate or limit: it is above 0 below and below 0 above."""
    t = np.exp(log_t)
    if rule.kind == LRT:
        return float(rule.side * (2.0 * (rule.best - log_likelihood(pools, group, errors, t)) - rule.z * rule.z))
    found = moments(pools, group, errors, t)
    if rule.kind == MLE:
        return found.score
    if found.information < 1e-280:
        return -np.inf if found.score < 0.0 else 0.0
    if rule.kind == FIRTH:
        return found.score - 0.5 * found.bend / found.information
    root = np.sqrt(found.information)
    value = found.score / root - rule.side * rule.z
    if rule.kind != SCORE:
        value -= found.third / (found.information * root) * (rule.z * rule.z - 1.0) / 6.0
    if rule.kind == BIAS_SKEW:
        value -= 0.5 * np.exp(-t) * found.bend / (found.information * found.information)
    return float(value)


@kernel
def _root(pools: Groups, group: int, errors: Errors, rule: Rule, low: float, high: float) -> float:
    """Return where the value crosses 0 between two places of opposite signs, by Chandrupatla's method."""
    a, b = high, low
    fa, fb = _value(pools, group, errors, rule, a), _value(pools, group, errors, rule, b)
    c, fc = a, fa
    step = 0.5
    for _ in range(_ROUNDS):
        at = a + step * (b - a)
        f = _value(pools, group, errors, rule, at)
        if (f > 0.0) == (fa > 0.0):
            c, fc = a, fa
        else:
            c, fc = b, fb
            b, fb = a, fa
        a, fa = at, f
        near = a if abs(fa) < abs(fb) else b
        wide = abs(b - c) if b == a else abs(b - a)
        least = (2e-15 * abs(near) + 2e-15) / wide if wide > 0.0 else 1.0
        if least > 0.5 or fa == 0.0:
            return near
        step = 0.5
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        if 1.0 - np.sqrt(1.0 - xi) < phi < np.sqrt(xi):
            step = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            if not 0.0 < step < 1.0:
                step = 0.5
        step = min(max(step, least), 1.0 - least)
    return a


@kernel
def _ceiling(pools: Groups, group: int) -> float:
    """Return the logarithm of the largest t that leaves a pool of the smallest size some chance to be negative."""
    smallest = np.inf
    for row in range(pools.offsets[group], pools.offsets[group + 1]):
        if pools.tested[row] > 0.0:
            smallest = min(smallest, pools.size[row])
    return float(min(_CEILING, np.log(600.0 / smallest))) if smallest < np.inf else _CEILING


@kernel
def _walk(pools: Groups, group: int, errors: Errors, rule: Rule, start: float, step: float) -> float:
    """Return the crossing nearest to a start, above it where the step is above 0; no crossing is -inf or inf."""
    ceiling = _ceiling(pools, group)
    inside = start
    for _ in range(_ROUNDS):
        outside = min(max(inside + step, _FLOOR), ceiling)
        value = _value(pools, group, errors, rule, outside)
        if (step > 0.0 and value <= 0.0) or (step < 0.0 and value >= 0.0):
            return _root(pools, group, errors, rule, min(inside, outside), max(inside, outside))
        if outside in (_FLOOR, ceiling):
            break
        inside, step = outside, 1.7 * step
    return np.inf if step > 0.0 else -np.inf


@kernel
def _likeliest(pools: Groups, group: int, errors: Errors) -> float:
    """Return the logarithm of t where the score is 0: -inf where it falls everywhere, inf where it rises."""
    tested, positive, samples, n_rows = 0.0, 0.0, 0.0, 0
    last = 0
    for row in range(pools.offsets[group], pools.offsets[group + 1]):
        tested += pools.tested[row]
        positive += pools.positive[row]
        samples += pools.tested[row] * pools.size[row]
        if pools.tested[row] > 0.0:
            n_rows += 1
            last = row
    if tested == 0.0:
        return -np.inf
    gain = errors.sensitivity + errors.specificity - 1.0
    reacts = positive / tested
    share = (reacts - (1.0 - errors.specificity)) / gain
    if n_rows == 1:
        if share <= 0.0:
            return -np.inf
        if share >= 1.0 or reacts >= errors.sensitivity:
            return np.inf
        if errors.spread == 0.0:
            return float(np.log(-np.log1p(-share) / pools.size[last]))
    rule = Rule(MLE, 0.0, 1.0, 0.0)
    share = min(max(share, 1e-6), 1.0 - 1e-6)
    start = np.log(-np.log1p(-share) * tested / samples)
    value = _value(pools, group, errors, rule, start)
    if value == 0.0:
        return float(start)
    return _walk(pools, group, errors, rule, start, 0.3 if value > 0.0 else -0.3)


@kernel
def _firth(pools: Groups, group: int, errors: Errors) -> float:
    """Return the logarithm of t where Firth's score is 0: of several places, the next below the likeliest one."""
    best = _likeliest(pools, group, errors)
    if best == -np.inf:
        return best
    rule = Rule(FIRTH, 0.0, 1.0, 0.0)
    best = min(best, _ceiling(pools, group))
    if _value(pools, group, errors, rule, best) >= 0.0:
        return best
    return _walk(pools, group, errors, rule, best, -0.05)


@kernel
def _prevalence(log_t: float) -> float:
    """Return the prevalence of a logarithm of t."""
    return float(-np.expm1(-np.exp(log_t)))


@kernel
def estimates(pools: Groups, errors: Errors, kind: int, found: NDArray[np.float64]) -> None:
    """Write the maximum-likelihood or Firth's estimate of each group; found (groups,) is written."""
    for group in range(found.size):
        if kind == FIRTH:
            found[group] = _prevalence(_firth(pools, group, errors))
        else:
            found[group] = _prevalence(_likeliest(pools, group, errors))


@kernel
def variances(pools: Groups, errors: Errors, found: NDArray[np.float64], about: NDArray[np.float64]) -> None:
    """Write what the likelihood says about estimates found (groups,): about (groups, 4) is written.

    Its columns are the standard error, the bias of first order, and what the prevalence changes by sensitivity and by
    specificity; these are 0 at 1. The standard error is 0 for a prevalence of 0 by a specific test, and at most 1.
    """
    for group in range(found.size):
        p = found[group]
        about[group, :] = 0.0
        if p <= 0.0 and errors.specificity == 1.0:
            continue
        t = -np.log1p(-p) if p < 1.0 else 700.0 / 600.0 * np.exp(_ceiling(pools, group))
        t = max(t, 1e-100)
        at = moments(pools, group, errors, t)
        q = np.exp(-t)
        if at.information < 1e-280:
            about[group, 0] = 1.0
            continue
        about[group, 0] = min(q / np.sqrt(at.information), 1.0)
        if p >= 1.0:
            continue
        about[group, 1] = 0.5 * q * at.bend / (at.information * at.information)
        gain = errors.sensitivity + errors.specificity - 1.0
        for row in range(pools.offsets[group], pools.offsets[group + 1]):
            log_absent, first, _ = _absent(pools.size[row], errors.spread, t)
            absent = np.exp(log_absent)
            reacts = -np.expm1(log_absent) * gain + (1.0 - errors.specificity)
            quiet = absent * gain + (1.0 - errors.sensitivity)
            pull = first if errors.sensitivity == 1.0 else gain * absent * first / quiet
            weight = pools.tested[row] * pull / reacts * q / at.information
            about[group, 2] = min(max(about[group, 2] + weight * np.expm1(log_absent), -1e100), 1e100)
            about[group, 3] = min(max(about[group, 3] + weight * absent, -1e100), 1e100)


@kernel
def limits(pools: Groups, errors: Errors, kind: int, tails: tuple[float, float], found: NDArray[np.float64]) -> None:
    """Write the limits of each group that the score, with or without its corrections, or the likelihood ratio gives.

    tails are the normal quantiles of the lower and the upper limit, 0 for none; found (groups, 2) is written. Where a
    specific test finds every pool negative, the upper limit is Wilson's for as many samples tested alone.
    """
    for group in range(found.shape[0]):
        found[group, 0], found[group, 1] = 0.0, 1.0
        positive, samples, tested = 0.0, 0.0, 0.0
        for row in range(pools.offsets[group], pools.offsets[group + 1]):
            positive += pools.positive[row]
            tested += pools.tested[row]
            samples += pools.tested[row] * pools.size[row]
        if tested == 0.0:
            continue
        if positive == 0.0 and errors.specificity == 1.0 and errors.spread == 0.0:
            if tails[1] > 0.0:
                found[group, 1] = tails[1] ** 2 / (samples + tails[1] ** 2)
            continue
        centre = _likeliest(pools, group, errors)
        ceiling = _ceiling(pools, group)
        best = log_likelihood(pools, group, errors, np.exp(min(max(centre, _FLOOR), ceiling)))
        if tails[0] > 0.0 and centre > -np.inf:
            rule = Rule(kind, tails[0], 1.0, best)
            found[group, 0] = _prevalence(_search(pools, group, errors, rule, centre))
        if tails[1] > 0.0 and centre < np.inf:
            rule = Rule(kind, tails[1], -1.0, best)
            found[group, 1] = _prevalence(_search(pools, group, errors, rule, centre))


@kernel
def _search(pools: Groups, group: int, errors: Errors, rule: Rule, centre: float) -> float:
    """Return the logarithm of t at a limit, from where the likelihood is best."""
    ceiling = _ceiling(pools, group)
    start = min(max(centre, _FLOOR), ceiling)
    if centre == -np.inf:
        # The best is 0: what the upper limit solves may be beyond it from the start.
        if _value(pools, group, errors, rule, start) <= 0.0:
            return -np.inf
        start = -25.0
        if _value(pools, group, errors, rule, start) <= 0.0:
            start = _FLOOR
        return _walk(pools, group, errors, rule, start, 2.0)
    if centre == np.inf:
        if errors.sensitivity == 1.0 and rule.kind in (SKEW, BIAS_SKEW):
            # The correction is beyond bounds where no pool can be negative; it is smallest where this many would be.
            want = max((rule.z * rule.z - 1.0) / 6.0, 0.25)
            while start > _FLOOR:
                quiet = 0.0
                for row in range(pools.offsets[group], pools.offsets[group + 1]):
                    log_absent, _, _ = _absent(pools.size[row], errors.spread, np.exp(start))
                    quiet += pools.tested[row] * np.exp(log_absent)
                if quiet >= want:
                    break
                start -= 0.05
        elif _value(pools, group, errors, rule, start) >= 0.0:
            return np.inf
        return _walk(pools, group, errors, rule, start, -0.3)
    t = np.exp(start)
    step = rule.z / (t * np.sqrt(moments(pools, group, errors, t).information))
    return _walk(pools, group, errors, rule, start, -rule.side * min(max(step, 0.01), 2.0))

"""Prevalence from pools by its definitions: plain Python, in the prevalence itself, roots by halving."""

from math import comb, exp, log, sqrt

# A kind of pool: size, tested, positive. A test: sensitivity, specificity, correlation of the members of a pool.
Pools = list[tuple[int, int, int]]
PERFECT = (1.0, 1.0, 0.0)


def absent(p, size, correlation=0.0):
    """Return the probability that a pool holds nobody infected, its first and its second derivative."""
    spread = correlation / (1.0 - correlation)
    value, one, two = 1.0, 0.0, 0.0
    for j in range(size):
        value *= (1.0 - p + j * spread) / (1.0 + j * spread)
        one += 1.0 / (1.0 - p + j * spread)
        two += 1.0 / (1.0 - p + j * spread) ** 2
    return value, -value * one, value * (one * one - two)


def reacts(p, size, test=PERFECT):
    """Return the probability that a pool reacts, that it does not, and the first's two derivatives."""
    sensitivity, specificity, correlation = test
    gain = sensitivity + specificity - 1.0
    value, first, second = absent(p, size, correlation)
    return sensitivity - gain * value, 1.0 - sensitivity + gain * value, -gain * first, -gain * second


def log_likelihood(p, pools, test=PERFECT):
    total = 0.0
    for size, tested, positive in pools:
        share, quiet, _, _ = reacts(p, size, test)
        total += (positive * log(share) if positive else 0.0) + (
            (tested - positive) * log(quiet) if tested > positive else 0.0
        )
    return total


def moments(p, pools, test=PERFECT):
    """Return score, information, bias of first order and third moment of the score."""
    score = information = bend = third = 0.0
    for size, tested, positive in pools:
        share, quiet, first, second = reacts(p, size, test)
        spread = share * quiet
        score += (positive - tested * share) * first / spread
        information += tested * first**2 / spread
        bend -= tested * first * second / spread
        third += tested * first**3 * (1.0 - 2.0 * share) / spread**2
    bias = bend / (2.0 * information**2) if information > 1e-140 else 0.0
    return score, information, bias, third


def halve(value, low, high):
    """Return where a function that is above 0 at `low` and not at `high` crosses it."""
    for _ in range(100):
        middle = 0.5 * (low + high)
        if value(middle) > 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def mle(pools, test=PERFECT):
    return halve(lambda p: moments(p, pools, test)[0], 1e-12, 1.0 - 1e-6)


def firth(pools, test=PERFECT):
    def value(p):
        score, information, bias, _ = moments(p, pools, test)
        return score - information * bias

    # Of several solutions the next below the likeliest prevalence.
    best = mle(pools, test)
    odds = log(best / (1.0 - best))
    while value(1.0 / (1.0 + exp(-odds))) <= 0.0 and odds > -30.0:
        odds -= 0.02
    low = 1.0 / (1.0 + exp(-odds))
    return halve(value, low, min(low * exp(0.02), best)) if odds > -30.0 else 0.0


def gart(pools, test=PERFECT):
    p = mle(pools, test)
    return p - moments(p, pools, test)[2]


def statistic(kind, p, z, pools, test=PERFECT):
    """Return what a normal distribution is supposed of."""
    score, information, bias, third = moments(p, pools, test)
    if information < 1e-100:
        return float("-inf") if score < 0.0 else 0.0
    value = score / sqrt(information)
    if kind in ("skew-score", "bc-skew-score"):
        value -= third / information**1.5 * (z * z - 1.0) / 6.0
    if kind == "bc-skew-score":
        value -= bias
    return value


def limits(kind, z, pools, test=PERFECT):
    """Return the limits that are found going from the maximum-likelihood estimate down and up."""
    best = mle(pools, test)
    top = log_likelihood(best, pools, test)

    def inside(p, side):
        if kind == "lrt":
            return 2.0 * (top - log_likelihood(p, pools, test)) < z * z
        value = statistic(kind, p, z, pools, test)
        return value < z if side < 0 else value > -z

    found = []
    for side, end in ((-1, 0.0), (1, 1.0)):
        # On the scale of the odds, in small steps.
        odds, step = log(best / (1.0 - best)), 0.04 * side
        limit = end
        while abs(odds) < 18.0:
            if not inside(1.0 / (1.0 + exp(-(odds + step))), side):
                a, b = odds, odds + step
                for _ in range(45):
                    middle = 0.5 * (a + b)
                    a, b = (middle, b) if inside(1.0 / (1.0 + exp(-middle)), side) else (a, middle)
                limit = 1.0 / (1.0 + exp(-0.5 * (a + b)))
                break
            odds += step
        found.append(limit)
    return tuple(found)


def binomial(k, n, p):
    return comb(n, k) * p**k * (1.0 - p) ** (n - k)


def at_least(k, n, p):
    return sum(binomial(j, n, p) for j in range(max(k, 0), n + 1))


def at_most(k, n, p):
    return sum(binomial(j, n, p) for j in range(min(k, n) + 1))


def clopper_pearson(x, n, outside=0.05):
    low = 0.0 if x == 0 else halve(lambda p: outside / 2.0 - at_least(x, n, p), 0.0, 1.0)
    high = 1.0 if x == n else halve(lambda p: at_most(x, n, p) - outside / 2.0, 0.0, 1.0)
    return low, high


def acceptability(x, n, p):
    """Return Blaker's: the smaller tail of x, and the largest other tail that is not more likely."""
    high, low = at_least(x, n, p), at_most(x, n, p)
    if high < low:
        other = max((at_most(k, n, p) for k in range(-1, n + 1) if at_most(k, n, p) <= high), default=0.0)
        return min(high + other, 1.0)
    other = max((at_least(k, n, p) for k in range(n + 2) if at_least(k, n, p) <= low), default=0.0)
    return min(low + other, 1.0)


def second_order(x, n, z):
    """Return Cai's limits, with eta of the quantile that is used."""
    eta = z * z / 3.0 + 1.0 / 6.0
    share = x / n
    spread = share * (1.0 - share)
    bend = (-13.0 / 18.0 * z * z - 17.0 / 18.0) * spread + z * z / 18.0 + 7.0 / 36.0
    middle = (x + eta) / (n + 2.0 * eta)
    width = z * sqrt(max(spread + bend / n, 0.0)) / sqrt(n)
    return max(middle - width, 0.0), min(middle + width, 1.0)


def outcomes(plan):
    """Return every outcome of pools (size, tested)."""
    every = [[]]
    for size, tested in plan:
        every = [[*before, (size, tested, positive)] for before in every for positive in range(tested + 1)]
    return every


def chance(pools, p, test=PERFECT):
    value = 1.0
    for size, tested, positive in pools:
        value *= binomial(positive, tested, reacts(p, size, test)[0])
    return value


def posterior_below(limit, pools, test=PERFECT, n=4000):
    """Return Jeffreys' posterior probability below a prevalence, by Simpson's rule in the logarithm of -log(1 - p)."""

    def mass(low, high):
        width = (high - low) / n
        total = 0.0
        for i in range(n + 1):
            t = exp(low + i * width)
            p = -(exp(-t) - 1.0) if t > 1e-5 else t - t * t / 2.0
            density = exp(log_likelihood(p, pools, test) - top) * sqrt(moments(p, pools, test)[1]) * exp(-t) * t
            total += density * (1 if i in (0, n) else 4 if i % 2 else 2)
        return total * width / 3.0

    top = max(log_likelihood(k / 1000.0, pools, test) for k in range(1, 1000))
    cut = log(-log(1.0 - limit))
    below, above = mass(-16.0, cut), mass(cut, 2.5)
    return below / (below + above)


def contrast_statistic(kind, measure, value, z, first, second, test=PERFECT):
    """Return the statistic of a difference, or of the logarithm of a ratio, at the likeliest pair so far apart."""

    def pair(p2):
        return (p2 + value, p2) if measure == "difference" else (p2 * value, p2)

    def scaled(p, pools):
        score, information, bias, third = moments(p, pools, test)
        if measure == "difference":
            return score, 1.0 / information, third, bias
        variance = 1.0 / (information * p * p)
        return score * p, variance, third * p**3, bias / p - variance / 2.0

    low, high = (max(0.0, -value), min(1.0, 1.0 - value)) if measure == "difference" else (0.0, min(1.0, 1.0 / value))
    edge = 1e-9 * (high - low)
    p2 = halve(lambda p2: scaled(pair(p2)[0], first)[0] + scaled(p2, second)[0], low + edge, high - 1e-4 * (high - low))
    p1, p2 = pair(p2)
    if kind == "lrt":
        best = log_likelihood(mle(first, test), first, test) + log_likelihood(mle(second, test), second, test)
        return sqrt(max(2.0 * (best - log_likelihood(p1, first, test) - log_likelihood(p2, second, test)), 0.0))
    s1, v1, m1, b1 = scaled(p1, first)
    s2, v2, m2, b2 = scaled(p2, second)
    root = sqrt(v1 + v2)
    found = (v1 * s1 - v2 * s2) / root
    if kind != "score":
        found -= (v1**3 * m1 - v2**3 * m2) / root**3 * (z * z - 1.0) / 6.0
    if kind == "bc-skew-score":
        found -= (v2 * b1 - v1 * b2) / root**3
    return found


def sites_pass(p, need=13, of=15, both=26):
    """Return how likely three sites pass, or two and the third with as many more, by every pair of counts."""
    once = at_least(need, of, p)
    again = sum(binomial(k, of, p) * binomial(j, of, p) for k in range(need) for j in range(of + 1) if k + j >= both)
    return once**3 + 3.0 * once**2 * again

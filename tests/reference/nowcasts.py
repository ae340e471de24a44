"""What is still to be reported, by the definition: plain Python over rows."""

from math import comb, exp, lgamma


def share_reported(rows, as_of, longest):
    """Return the share reported after 0 to `longest` days; rows are (sampled, reported)."""
    share = [1.0] * (longest + 1)
    for d in range(longest, 0, -1):
        old = [reported - sampled for sampled, reported in rows if sampled + d <= as_of]
        exactly, at_most = sum(each == d for each in old), sum(each <= d for each in old)
        share[d - 1] = share[d] * (1 - exactly / at_most if at_most else 0.5)
    return share


def beta_binomial(m, a, b):
    """Return the probabilities of 0 to m."""

    def beta(x, y):
        return lgamma(x) + lgamma(y) - lgamma(x + y)

    return [comb(m, k) * exp(beta(k + a, m - k + b) - beta(a, b)) for k in range(m + 1)]

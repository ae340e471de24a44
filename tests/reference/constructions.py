"""Pool designs and what they guarantee, written from their papers' definitions; slow, and nothing of poolkit."""

from itertools import combinations, product


def remainder_of_polynomials(a, b, modulus):
    """Multiply two numbers as polynomials over the field of two, and take the rest by a polynomial."""
    total = 0
    while b:
        if b & 1:
            total ^= a
        b >>= 1
        a <<= 1
        if a.bit_length() == modulus.bit_length():
            a ^= modulus
    return total


def p_best():
    """Return P-BEST's 384 samples: values of polynomials of degree 2 over the field of 8 at its first six elements."""
    pools = []
    for sample in range(384):
        low, middle, high = sample % 8, sample // 8 % 8, sample // 64
        for_sample = []
        for point in range(6):
            square = remainder_of_polynomials(point, point, 0b1011)
            value = low ^ remainder_of_polynomials(middle, point, 0b1011)
            for_sample.append(8 * point + (value ^ remainder_of_polynomials(high, square, 0b1011)))
        pools.append(for_sample)
    return pools


def shifted_transversal(n, q, k):
    """Return the pools of each sample of STD(n; q; k), from the formula in Thierry-Mieg 2006, Methods."""
    compression = 0
    while q ** (compression + 1) < n:
        compression += 1
    pools = []
    for i in range(n):
        for_sample = []
        for j in range(k):
            layer = sum(j**c * (i // q**c) for c in range(compression + 1)) if j < q else i // q**compression
            for_sample.append(j * q + layer % q)
        pools.append(for_sample)
    return pools


def largest_overlap(pools):
    """Return the most pools that two samples share."""
    sets = [set(each) for each in pools]
    return max(len(a & b) for a, b in combinations(sets, 2))


def is_disjunct(pools, d):
    """Say whether no d samples are together in all pools of another one."""
    sets = [set(each) for each in pools]
    for positives in combinations(range(len(sets)), d):
        reactive = set().union(*(sets[k] for k in positives))
        if any(each <= reactive for k, each in enumerate(sets) if k not in positives):
            return False
    return True


def is_separable(pools, d):
    """Say whether no two sets of at most d samples make the same pools reactive."""
    sets = [frozenset(each) for each in pools]
    seen = set()
    for size in range(d + 1):
        for positives in combinations(range(len(sets)), size):
            reactive = frozenset().union(*(sets[k] for k in positives))
            if reactive in seen:
                return False
            seen.add(reactive)
    return True


def cheapest_coprime_powers(bound, product_least):
    """Return the least sum of powers of different primes whose product reaches a number, by trying all."""
    primes = [p for p in range(2, bound) if all(p % k for k in range(2, p))]
    choices = [[1, *(p**e for e in range(1, 12) if p**e <= bound)] for p in primes]
    best = None
    for powers in product(*choices):
        total, reached = sum(each for each in powers if each > 1), 1
        for each in powers:
            reached *= each
        if reached >= product_least and (best is None or total < best):
            best = total
    return best


def eliminated(pools, positives):
    """Return the samples that are in no pool without a positive."""
    reactive = {pool for k in positives for pool in pools[k]}
    return [k for k, each in enumerate(pools) if set(each) <= reactive]


def even_order(blocks, n_wanted):
    """Return which blocks are taken: fewest pairs met before, then the lowest top load, the lowest loads, the first."""
    load, met, order = {}, {}, []
    for _ in range(n_wanted):
        left = [k for k in range(len(blocks)) if k not in order]
        keys = {}
        for k in left:
            loads = [load.get(point, 0) for point in blocks[k]]
            again = sum(met.get(frozenset(pair), 0) for pair in combinations(blocks[k], 2))
            keys[k] = (again, max(loads), sum(loads), k)
        order.append(min(left, key=keys.get))
        for point in blocks[order[-1]]:
            load[point] = load.get(point, 0) + 1
        for pair in combinations(blocks[order[-1]], 2):
            met[frozenset(pair)] = met.get(frozenset(pair), 0) + 1
    return order


def apart_order(factors, n_wanted):
    """Return which factors are taken: each time the one whose pairs of points have met least, the first of equals."""
    met, order = {}, []
    for _ in range(n_wanted):
        left = [k for k in range(len(factors)) if k not in order]
        pairs = {k: [frozenset(p) for block in factors[k] for p in combinations(block, 2)] for k in left}
        order.append(min(left, key=lambda k, pairs=pairs: (sum(met.get(pair, 0) for pair in pairs[k]), k)))
        for pair in pairs[order[-1]]:
            met[pair] = met.get(pair, 0) + 1
    return order

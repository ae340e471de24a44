"""Pool designs, each written from its definition in plain Python; slow, and nothing of poolkit."""

from fractions import Fraction
from itertools import combinations, product


def pools(name, n):
    """Return the pools of n samples as (stage, samples), blocks one behind the other, in order of stage."""
    of_block, block = _family(name)
    found = []
    for first in range(0, n, block):
        size = min(block, n - first)
        found += [(stage, [first + each for each in pool]) for stage, pool in kept(of_block(size))]
    return sorted(found, key=lambda each: each[0])


def kept(given):
    """Leave out pools of one sample and pools that hold what one before them holds."""
    found = []
    for stage, pool in given:
        if len(pool) > 1 and all(set(pool) != set(other) for _, other in found):
            found.append((stage, pool))
    return found


def _family(name):
    family, _, rest = name.partition("-")
    if family == "two":
        size = int(rest.split("-")[1])
        return lambda n: [(1, list(range(n)))], size
    if family == "hierarchical":
        sizes = [int(each) for each in rest.split("-")]
        return lambda n: _split(list(range(n)), sizes[1:-1], 1), sizes[0]
    master = rest.endswith("-master")
    rest = rest.removesuffix("-master")
    stage = 2 if master else 1

    def with_master(sliced):
        return lambda n: ([(1, list(range(n)))] if master else []) + [(stage, pool) for pool in sliced(n)]

    if family == "array":
        rows, columns = map(int, rest.split("x"))
        return with_master(lambda n: _array(rows, columns, n)), rows * columns
    if family == "hypercube":
        side, dimensions = map(int, rest.split("-"))
        return with_master(lambda n: _cube(side, n)), side**dimensions
    number, size = map(int, rest.split("x"))
    return lambda n: [(1, pool) for pool in _partitions(number, size, n)], size * _rows(number, size)


def _split(pool, sizes, stage):
    """Return a pool and its parts, those of one stage side by side."""
    found = [(stage, pool)]
    level = [pool]
    for deeper, size in enumerate(sizes, stage + 1):
        level = [each[k : k + size] for each in level for k in range(0, len(each), size)]
        found += [(deeper, each) for each in level]
    return found


def _array(rows, columns, n):
    well = {}
    for sample, (column, row) in zip(range(n), product(range(columns), range(rows)), strict=False):
        well[sample] = row, column
    return [[s for s in well if well[s][0] == row] for row in range(rows)] + [
        [s for s in well if well[s][1] == column] for column in range(columns)
    ]


def _cube(side, n):
    dimensions = 2
    while side**dimensions < n:
        dimensions += 1
    # The last coordinate of a product changes fastest, of the cube the first.
    corners = [corner[::-1] for corner in product(range(side), repeat=dimensions)][:n]
    return [[s for s, corner in enumerate(corners) if corner[d] == at] for d in range(dimensions) for at in range(side)]


def _lines(number, size, rows):
    """Return how many slopes are used, all but that of the columns of a square."""
    return number - 1 if rows == size and number > 1 else number


def _rows(number, size):
    rows = size
    while any(rows % factor == 0 for factor in range(2, _lines(number, size, rows))):
        rows += 1
    return rows


def _partitions(number, size, n):
    rows = -(-n // size)
    place = {s: divmod(s, size) for s in range(n)}
    found = []
    for slope in range(_lines(number, size, rows)):
        on = {s: (row + slope * column) % rows for s, (row, column) in place.items()}
        found += [[s for s in place if on[s] == at] for at in range(rows)]
    if _lines(number, size, rows) < number:
        found += [[s for s in place if place[s][1] == column] for column in range(size)]
    return found


def pools_of(given, n):
    """Return the pools of each sample."""
    return [{number for number, (_, pool) in enumerate(given) if sample in pool} for sample in range(n)]


def disjunct(given, n):
    """Return the most infected that never hide a healthy sample, wherever they are; samples in no pool do not count."""
    inside = pools_of(given, n)
    if not any(inside):
        return n
    for d in range(n + 1):
        for sample in range(n):
            others = [each for each in range(n) if each != sample]
            for infected in combinations(others, min(d + 1, n - 1)):
                if inside[sample] and inside[sample] <= set().union(*(inside[each] for each in infected)):
                    return d
    raise AssertionError("a pool of two has a cover")


def open_samples(given, n, infected):
    """Return the pooled samples that no pool without an infected one clears."""
    negative = [pool for _, pool in given if not set(pool) & set(infected)]
    pooled = {each for _, pool in given for each in pool}
    return pooled - {each for pool in negative for each in pool}


def rated_load(given, n):
    """Return the most infected for which half of the open are infected and half of the healthy cleared, on average."""
    for k in range(1, n):
        sets = list(combinations(range(n), k))
        healthy = Fraction(sum(len(open_samples(given, n, each) - set(each)) for each in sets), len(sets))
        if healthy > min(k, Fraction(n - k, 2)):
            return k - 1
    return n


def following(given, order, still_open, reached):
    """Return the next pools of one block as (stage, number, samples), and the open samples to test alone.

    given are its pools as (stage, places), order its samples by place, reached the stage that was mixed last.
    """
    number = {}
    later = []
    for stage, pool in given:
        number[stage] = number.get(stage, 0) + 1
        held = [order[place] for place in pool if order[place] in still_open]
        if stage > reached and len(held) > 1:
            later.append((stage, number[stage], held))
    first = min((stage for stage, _, _ in later), default=0)
    in_later = {each for _, _, held in later for each in held}
    return [each for each in later if each[0] == first], {each for each in order if each in still_open} - in_later

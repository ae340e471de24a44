"""Pooling of single tubes, written from the sentence in the docstring of `pool_tubes`; slow, and nothing of poolkit."""


def pooled(samples, size, n_open):
    """Return the pools, each a list of rows; samples are (site, kind, group or None) in order of arrival."""
    groups = {}
    for row, (site, kind, group) in enumerate(samples):
        name = ("alone", row) if group is None else ("group", group)
        groups.setdefault((site, kind, name), []).append(row)
    pools = []
    standing = {}
    for (site, kind, _), rows in groups.items():
        waiting = list(rows)
        opened = standing.setdefault((site, kind), [])
        while len(waiting) > size:
            pools.append(waiting[:size])
            waiting = waiting[size:]
        fitting = [pool for pool in opened if len(pools[pool]) + len(waiting) <= size]
        if fitting:
            pool = min(fitting, key=lambda pool: (size - len(pools[pool]), pool))
            pools[pool].extend(waiting)
        else:
            pools.append(waiting)
            opened.append(len(pools) - 1)
        opened[:] = [pool for pool in opened if len(pools[pool]) < size]
        if len(opened) > n_open:
            opened.remove(min(opened, key=lambda pool: (-len(pools[pool]), pool)))
    return pools

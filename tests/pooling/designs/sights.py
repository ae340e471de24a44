"""What the tests of combinatorial designs look at: pools of each sample, sizes, overlaps."""

import numpy as np


def pools_of(layout):
    """Return the set of pools of each sample of a layout."""
    found = [set() for _ in range(layout.n_samples)]
    for pool in range(layout.stage.size):
        for sample in layout.members[layout.offsets[pool] : layout.offsets[pool + 1]].tolist():
            found[sample].add(pool)
    return found


def together(codes, n_pools):
    """Return how many pools each two samples share, 0 on the diagonal."""
    inside = np.zeros((len(codes), n_pools), np.float32)
    sample, place = np.nonzero(codes >= 0)
    inside[sample, codes[sample, place]] = 1
    shared = (inside @ inside.T).astype(int)
    np.fill_diagonal(shared, 0)
    return shared


def widest_spread(codes, n_pools):
    """Return the most by which pool sizes differ, over the first 1, 2, 3, ... samples."""
    inside = np.zeros((len(codes), n_pools), int)
    inside[np.arange(len(codes))[:, None], codes] = 1
    sizes = inside.cumsum(axis=0)
    return int((sizes.max(axis=1) - sizes.min(axis=1)).max())

"""How likely pools and the retests of their members are, by prevalence, the test's errors and over-dispersion."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel


@kernel
def log_likelihood(
    points: NDArray[np.float64],
    sizes: NDArray[np.int64],
    pool_looks: NDArray[np.int64],
    offsets: NDArray[np.int64],
    member_looks: NDArray[np.int64],
    counts: NDArray[np.float64],
    total: NDArray[np.float64],
) -> None:
    """Write the log-likelihood of a tally of pools at each point.

    points (points, 4) are prevalence, sensitivity, specificity and over-dispersion. Kinds of pool: sizes and counts
    (kinds,), pool_looks (kinds, 2) how often reactive and negative; member_looks (rows, 3), kind by kind as offsets
    (kinds + 1,) says, how often reactive and negative alone and how many members so; total (points,) is written.
    """
    largest = np.int64(1)
    for kind in range(sizes.size):
        largest = max(largest, sizes[kind])
    ways = np.empty(largest + 1)
    for point in range(points.shape[0]):
        prevalence, sensitivity, specificity = points[point, 0], points[point, 1], points[point, 2]
        # The beta distribution's a and b are prevalence and its complement divided by this.
        spread = points[point, 3] / (1.0 - points[point, 3])
        total[point] = 0.0
        for kind in range(sizes.size):
            size = sizes[kind]
            # ways[k]: over all choices of k infected members, how likely the looks at members alone are.
            ways[0] = 1.0
            done = 0
            for row in range(offsets[kind], offsets[kind + 1]):
                reactive, negative = member_looks[row, 0], member_looks[row, 1]
                yes = sensitivity**reactive * (1.0 - sensitivity) ** negative
                no = (1.0 - specificity) ** reactive * specificity**negative
                for _ in range(member_looks[row, 2]):
                    ways[done + 1] = ways[done] * yes
                    for k in range(done, 0, -1):
                        ways[k] = ways[k] * no + ways[k - 1] * yes
                    ways[0] *= no
                    done += 1
            reactive, negative = pool_looks[kind, 0], pool_looks[kind, 1]
            yes = sensitivity**reactive * (1.0 - sensitivity) ** negative
            no = (1.0 - specificity) ** reactive * specificity**negative
            # Beta-binomial: the chance that these k members and no others are infected.
            chosen = 1.0
            for i in range(size):
                chosen *= (1.0 - prevalence + i * spread) / (1.0 + i * spread)
            likelihood = chosen * ways[0] * no
            for k in range(1, size + 1):
                chosen *= (prevalence + (k - 1) * spread) / (1.0 - prevalence + (size - k) * spread)
                likelihood += chosen * ways[k] * yes
            total[point] += counts[kind] * np.log(max(likelihood, 1e-300))

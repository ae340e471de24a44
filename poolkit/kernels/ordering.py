"""The order in which the blocks of a design are taken, so that the first few of them are even already."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel


@kernel
def even_order(
    blocks: NDArray[np.int64], load: NDArray[np.int64], met: NDArray[np.int64], order: NDArray[np.int64]
) -> None:
    """Take blocks one by one: that with the fewest pairs met before, then the lowest top load, then the lowest loads.

    blocks (blocks, points of a block) is read; load (points,) and met (points, points) start at 0 and are written;
    order (wanted,) is written, wanted <= blocks. Of equal blocks the first is taken.
    """
    n_blocks, width = blocks.shape
    taken = np.zeros(n_blocks, np.uint8)
    for step in range(order.size):
        best, best_top, best_met, best_sum = -1, 0, 0, 0
        for block in range(n_blocks):
            if taken[block]:
                continue
            top, total, again = 0, 0, 0
            for a in range(width):
                point = blocks[block, a]
                total += load[point]
                top = max(top, load[point])
                for b in range(a):
                    again += met[point, blocks[block, b]]
            if (
                best < 0
                or again < best_met
                or (again == best_met and (top < best_top or (top == best_top and total < best_sum)))
            ):
                best, best_top, best_met, best_sum = block, top, again, total
        order[step] = best
        taken[best] = 1
        for a in range(width):
            load[blocks[best, a]] += 1
            for b in range(width):
                met[blocks[best, a], blocks[best, b]] += 1


@kernel
def apart_order(factors: NDArray[np.int64], met: NDArray[np.int64], order: NDArray[np.int64]) -> None:
    """Take factors one by one, each time the one whose pairs of points have met least.

    factors (factors, blocks, points of a block) is read; met (points, points) starts at 0 and is written; order
    (wanted,) is written, wanted <= factors. Of equal factors the first is taken.
    """
    n_factors, n_blocks, width = factors.shape
    taken = np.zeros(n_factors, np.uint8)
    for step in range(order.size):
        best, fewest = -1, 0
        for factor in range(n_factors):
            if taken[factor]:
                continue
            again = 0
            for block in range(n_blocks):
                for a in range(width):
                    for b in range(a):
                        again += met[factors[factor, block, a], factors[factor, block, b]]
            if best < 0 or again < fewest:
                best, fewest = factor, again
        order[step] = best
        taken[best] = 1
        for block in range(n_blocks):
            for a in range(width):
                for b in range(width):
                    met[factors[best, block, a], factors[best, block, b]] += 1

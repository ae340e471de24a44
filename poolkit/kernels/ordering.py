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

"""Array testing: samples stand in a rectangle, and its rows and columns are the pools."""

from typing import Self

import numpy as np

from poolkit.errors import Problem
from poolkit.pooling.designs.layout import Layout, of_pools
from poolkit.pooling.designs.model import Design, impossible, numbers_in

_MASTER = "-master"
# Without and with a pool of all, which is held to the slots of a pool: 181 by 181 is the largest square below them.
_LARGEST_SIDE = (8192, 181)


class Array(Design):
    """Rows and columns of a rectangle; the samples where a reactive row crosses a reactive column are open.

    Parameters
    ----------
    rows, columns
        Sides of the rectangle, each at least 2.
    master
        Whether one pool of all is tested first, and the rows and columns only where it reacts.

    Notes
    -----
    Samples fill the rectangle column by column, as an eight-channel pipette fills a plate and as `layout_plates` does:
    the samples of ``array-8x12`` in order are the wells A01, B01, ... H01, A02, ... of a plate of 96. Fewer samples
    than a block fill its first columns, so that every column pool but the last is full.

    References
    ----------
    .. [1] R. M. Phatarfod, A. Sudbury, "The use of a square array scheme in blood testing", Statistics in Medicine
       13 (1994), 2337-2343; [2] H.-Y. Kim et al., "Comparison of group testing algorithms for case identification in
       the presence of test error", Biometrics 63 (2007), 1152-1163, for the master pool.
    """

    family = "array"
    form = "array-ROWSxCOLUMNS[-master]"
    about = "Samples in a rectangle, filled column by column; rows and columns are pools, with or without one of all."

    def __init__(self, rows: int, columns: int, *, master: bool = False) -> None:
        self.rows, self.columns, self.master = rows, columns, master
        last = _MASTER if master else ""
        self.name = f"array-{rows}x{columns}{last}"
        self.block = rows * columns
        largest = _LARGEST_SIDE[master]
        problems = [
            Problem(side, f"must be from 2 to {largest}, found {found}")
            for side, found in (("rows", rows), ("columns", columns))
            if not 2 <= found <= largest
        ]
        if problems:
            sides = "x".join(f"{min(max(found, 2), largest)}" for found in (rows, columns))
            raise impossible(self.name, problems, [f"array-{sides}{last}"])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``8x12`` or ``8x12-master``."""
        numbers = numbers_in(r"(\d+)x(\d+)", text.removesuffix(_MASTER))
        return None if numbers is None else cls(*numbers, master=text.endswith(_MASTER))

    def full_block(self) -> Layout:
        """Return the rows and the columns, behind the pool of all if there is one."""
        places = np.arange(self.block).reshape(self.columns, self.rows)
        sides = [*places.T, *places]
        return of_pools(self.block, [places.ravel()], sides) if self.master else of_pools(self.block, sides)

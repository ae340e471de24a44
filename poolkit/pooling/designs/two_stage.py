"""Two-stage testing: pools, then every sample of a reactive pool alone."""

from typing import Self

import numpy as np

from poolkit.errors import Problem
from poolkit.pooling.designs.layout import Layout, of_pools
from poolkit.pooling.designs.model import LARGEST, Design, impossible, numbers_in


class TwoStage(Design):
    """Pools of one size; the samples of a reactive pool are tested alone.

    Parameters
    ----------
    size
        Samples in a pool, at least 2.

    References
    ----------
    .. [1] R. Dorfman, "The detection of defective members of large populations", Annals of Mathematical Statistics
       14 (1943), 436-440.
    """

    family = "two-stage"
    form = "two-stage-SIZE"
    about = "Pools of SIZE, then every sample of a reactive pool alone (Dorfman)."

    def __init__(self, size: int) -> None:
        self.size = size
        self.name = f"two-stage-{size}"
        self.block = size
        if not 2 <= size <= LARGEST:
            problem = Problem("size", f"must be from 2 to {LARGEST}, found {size}")
            raise impossible(self.name, [problem], [f"two-stage-{min(max(size, 2), LARGEST)}"])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``10``."""
        numbers = numbers_in(r"(\d+)", text)
        return None if numbers is None else cls(*numbers)

    def full_block(self) -> Layout:
        """Return one pool of all."""
        return of_pools(self.size, [np.arange(self.size)])

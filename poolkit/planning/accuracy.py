"""How likely each specimen of a design reacts: an assay for all stages or one a stage, by pool size and by infected."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.errors import Problem

Assays = Assay | Sequence[Assay] | None
_PERFECT = Assay()


class Stages(NamedTuple):
    """The assay of each stage.

    Attributes
    ----------
    assays : tuple of Assay
        One for all stages, or one a stage, samples alone last.
    columns : Assay or None
        Of the columns of an array, where they are read otherwise than its rows.
    single : Assay or None
        Of samples alone, where it is the same in every stage.
    """

    assays: tuple[Assay, ...]
    columns: Assay | None
    single: Assay | None

    @property
    def counted(self) -> bool:
        """Whether it matters how many of a pool are infected, beyond one."""
        for each in self.assays:
            if each.further != "none":
                return True
        return self.columns is not None and self.columns.further != "none"

    @property
    def shared(self) -> bool:
        """Whether tests of one sample see the same load, so that they do not err each for itself."""
        return any(each is not None and each.loads is not None for each in (*self.assays, self.columns, self.single))

    @property
    def alone_alike(self) -> bool:
        """Whether samples alone are read alike, whatever the stage of their last pool."""
        return self.single is not None or len(self.assays) == 1

    def alone(self, stage: int) -> Assay:
        """Return the assay of samples alone in a stage; 0 is the last."""
        return self.single or self.at(stage)

    def at(self, stage: int) -> Assay:
        """Return the assay of a stage, counted from 1; 0 is the last."""
        return self.assays[stage - 1] if len(self.assays) > 1 else self.assays[0]


def stages_of(
    assay: Assays, columns: Assay | None, alone: Assay | None, n_stages: int, problems: list[Problem]
) -> Stages:
    """Return the assay of each stage; the stages of pools and one of samples alone.

    Parameters
    ----------
    assay
        What was given.
    columns, alone
        Of columns and of samples alone, where given apart.
    n_stages
        Stages of the design, samples alone included.
    problems
        What is wrong is added.

    Returns
    -------
    Stages
        One assay, or as many as stages.
    """
    if assay is None or isinstance(assay, Assay):
        return Stages((assay or _PERFECT,), columns, alone)
    assays = tuple(assay)
    if len(assays) not in (1, n_stages):
        problems.append(Problem("assay", f"must be one or {n_stages}, one a stage, found {len(assays)}"))
        return Stages((_PERFECT,), columns, alone)
    return Stages(assays, columns, alone)


@lru_cache(maxsize=8192)
def rates(assay: Assay, size: int) -> tuple[float, float]:
    """Return how likely a specimen of so many samples reacts with one infected and with none.

    Examples
    --------
    >>> rates(Assay(((1, 0.99), (11, 0.94)), 0.75), 3)
    (0.98, 0.25)
    """
    return assay.sensitivity_of(size), 1.0 - assay.specificity


@lru_cache(maxsize=1024)
def _by_count(assay: Assay, size: int) -> NDArray[np.float64]:
    return np.ascontiguousarray(assay.reactive(size)[size])


@lru_cache(maxsize=256)
def by_size(assay: Assay, largest: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how likely pools of 0 to so many samples react, with one infected and with none; not to be written."""
    both = np.array([rates(assay, size) for size in range(largest + 1)])
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


@lru_cache(maxsize=256)
def reactions(stages: Stages, sizes: tuple[int, ...], of_stage: tuple[int, ...], n_columns: int) -> NDArray[np.float64]:
    """Return how likely each pool reacts, by how many of it are infected.

    Parameters
    ----------
    stages
        The assay of each stage.
    sizes, of_stage
        Samples and stage of each pool.
    n_columns
        2 where only somebody or nobody matters, else more than the largest size.

    Returns
    -------
    numpy.ndarray
        (pools, columns) by infected samples; the last column stands for so many or more. Kept: not to be written.
    """
    table = np.zeros((len(sizes), n_columns))
    for pool, (size, stage) in enumerate(zip(sizes, of_stage, strict=True)):
        if n_columns == 2:
            table[pool, 1], table[pool, 0] = rates(stages.at(stage), size)
        else:
            table[pool, : size + 1] = _by_count(stages.at(stage), size)
    return table

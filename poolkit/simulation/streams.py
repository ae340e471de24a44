"""One independent random stream for each purpose, so that a change of one thing leaves the others as they were."""

from typing import NamedTuple

import numpy as np

from poolkit.errors import DesignError, Problem


class Streams(NamedTuple):
    """The random streams of a simulated day; new ones go to the end."""

    households: np.random.Generator
    infections: np.random.Generator
    loads: np.random.Generator
    names: np.random.Generator
    arrivals: np.random.Generator
    tubes: np.random.Generator
    plates: np.random.Generator
    runs: np.random.Generator
    readings: np.random.Generator


def streams(seed: int, part: int) -> Streams:
    """Return the streams of one part of a day: 0 the day itself, 1 its evening.

    Parameters
    ----------
    seed
        The caller's seed, not negative.
    part
        Which part.

    Returns
    -------
    Streams
        PCG64 generators, spawned from the seed.

    Raises
    ------
    DesignError
        When the seed is negative.

    References
    ----------
    O'Neill 2014, *PCG: a family of simple fast space-efficient statistically good algorithms*, HMC-CS-2014-0905.
    """
    if seed < 0:
        raise DesignError("not a simulation", [Problem("seed", f"must not be negative, found {seed}")])
    children = np.random.SeedSequence(seed, spawn_key=(part,)).spawn(len(Streams._fields))
    return Streams(*(np.random.Generator(np.random.PCG64(child)) for child in children))

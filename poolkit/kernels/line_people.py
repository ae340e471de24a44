"""What the line means for each person: when the result is there, and by which way."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

WAITING, FIRST_PASS, RETESTED = 0, 1, 2


class Answers(NamedTuple):
    """Tubes site by site in the order in which they were opened (tubes,), and their members alone (singles,): minutes.

    single (tubes,) is the first of a reactive tube's members, or -1; reported and alone are infinite without a report.
    """

    members: NDArray[np.int32]
    reported: NDArray[np.float64]
    single: NDArray[np.int64]
    alone: NDArray[np.float64]


@kernel
def answer(
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    answers: Answers,
    swabs: int,
    width: float,
    resulted: NDArray[np.float64],
    way: NDArray[np.int8],
    counts: NDArray[np.int64],
) -> None:
    """Write the minute at which each person has a result, how it came, and how many have one in each bin of time.

    first (sites + 1,) is the first person of each site and count (sites,) its tubes; each has `swabs` specimens when
    its tube reacted, and its result with the last of them. resulted and way (people,) are written, counts (bins,) too.
    """
    tube = 0
    for site in range(count.size):
        person = first[site]
        for _ in range(count[site]):
            for k in range(answers.members[tube]):
                t = answers.reported[tube]
                kind = FIRST_PASS
                if answers.single[tube] >= 0:
                    kind, t = RETESTED, 0.0
                    start = answers.single[tube] + k * swabs
                    for single in range(start, start + swabs):
                        t = max(t, answers.alone[single])
                resulted[person] = t
                way[person] = kind if t < np.inf else WAITING
                if t < counts.size * width:
                    counts[min(int(t / width), counts.size - 1)] += 1
                person += 1
            tube += 1
        while person < first[site + 1]:
            resulted[person] = np.inf
            way[person] = WAITING
            person += 1

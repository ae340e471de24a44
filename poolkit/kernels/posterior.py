"""The posterior of each component, by the cheapest method that is exact for it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import Evidence, Graph, Parts
from poolkit.kernels.enumeration import Beliefs, enumerate_all, localise

# How a component was decided; certain: by elimination, alone: nothing that was read ties its samples together.
CERTAIN, ALONE, NESTED, ENUMERATED, SEARCHED, PROPAGATED, UNCONVERGED, IMPOSSIBLE = range(8)


class Effort(NamedTuple):
    """How much is tried."""

    n_enumerated: int  # samples of the largest component that is enumerated


@kernel
def solve(
    graph: Graph,
    evidence: Evidence,
    odds: NDArray[np.float64],
    state: NDArray[np.int8],
    parts: Parts,
    effort: Effort,  # noqa: ARG001
    span: tuple[int, int],
    beliefs: Beliefs,
) -> None:
    """Write what is believed of the components from ``span[0]`` up to ``span[1]``, each for itself."""
    place = np.empty(state.size, np.int32)
    for part in range(span[0], span[1]):
        local = localise(graph, state, parts, part, place)
        beliefs.method[part] = ENUMERATED if enumerate_all(local, odds, evidence, parts, part, beliefs) else IMPOSSIBLE

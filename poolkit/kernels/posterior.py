"""The posterior of each component, by the cheapest method that is exact for it."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.bounds import MOST_POOLS
from poolkit.kernels.components import Evidence, Graph, Parts
from poolkit.kernels.enumeration import Beliefs, enumerate_all, localise
from poolkit.kernels.search import Effort, search

# How a component was decided; certain: by elimination, alone: nothing that was read ties its samples together.
CERTAIN, ALONE, NESTED, ENUMERATED, SEARCHED, PROPAGATED, UNCONVERGED, IMPOSSIBLE = range(8)


@kernel
def solve(
    graph: Graph,
    evidence: Evidence,
    odds: NDArray[np.float64],
    state: NDArray[np.int8],
    parts: Parts,
    effort: Effort,
    span: tuple[int, int],
    beliefs: Beliefs,
) -> None:
    """Write what is believed of the components from ``span[0]`` up to ``span[1]``, each for itself."""
    place = np.empty(state.size, np.int32)
    for part in range(span[0], span[1]):
        local = localise(graph, state, parts, part, place)
        n, n_pools = local.starts.size - 1, local.low.size
        if n <= effort.n_enumerated:
            weighed = enumerate_all(local, odds, evidence, parts, part, beliefs)
            beliefs.method[part] = ENUMERATED if weighed else IMPOSSIBLE
        elif n_pools <= MOST_POOLS:
            weighed = search(local, odds, evidence, parts, part, effort, beliefs)
            beliefs.method[part] = SEARCHED if weighed else IMPOSSIBLE
        else:
            beliefs.method[part] = UNCONVERGED

"""The posterior of each component, by the cheapest method that is exact for it."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.belief import propagate
from poolkit.kernels.bounds import MOST_POOLS
from poolkit.kernels.components import Evidence, Graph, Parts
from poolkit.kernels.enumeration import Beliefs, enumerate_all, localise
from poolkit.kernels.frontier import new_sweep, plan_sweep, run_sweep
from poolkit.kernels.likely import search_likely
from poolkit.kernels.nested import climb, new_tree, plant
from poolkit.kernels.search import Effort, search

# How a component was decided; certain: by elimination, alone: nothing that was read ties its samples together.
CERTAIN, ALONE, NESTED, SWEPT, ENUMERATED, SEARCHED, APPROXIMATED, PROPAGATED, UNCONVERGED, IMPOSSIBLE = range(10)
# A probability that moves less than this in a round stands still.
_AT_REST = 1e-7
# Places of the largest table of pool states.
_LARGEST_SWEEP = 4_000_000


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
        tree = new_tree(local)
        if n_pools <= effort.n_nested and plant(local, tree):
            weighed = climb(local, tree, odds, evidence, parts, part, beliefs)
            beliefs.method[part] = NESTED if weighed else IMPOSSIBLE
            continue
        sweep = new_sweep(local)
        width = plan_sweep(local, evidence, parts, part, effort.n_open, sweep) if effort.n_open > 0 else -1
        if width >= 0 and n << width <= _LARGEST_SWEEP and (n > effort.n_enumerated or n << width < 1 << n):
            weighed = run_sweep(sweep, width, odds, parts, part, beliefs)
            beliefs.method[part] = SWEPT if weighed else IMPOSSIBLE
        elif n <= effort.n_enumerated:
            weighed = enumerate_all(local, odds, evidence, parts, part, beliefs)
            beliefs.method[part] = ENUMERATED if weighed else IMPOSSIBLE
        elif n_pools <= MOST_POOLS:
            weighed = False
            if n <= effort.n_proved:
                weighed = search(local, odds, evidence, parts, part, effort, beliefs)
                beliefs.method[part] = SEARCHED
            if not weighed or beliefs.error[part] > effort.error:
                ended = search_likely(local, odds, evidence, parts, part, effort, beliefs)
                beliefs.method[part] = APPROXIMATED if ended else UNCONVERGED
        else:
            beliefs.method[part] = UNCONVERGED
        if beliefs.method[part] == UNCONVERGED and propagate(
            local, odds, evidence, parts, part, (effort.n_rounds, _AT_REST), beliefs
        ):
            beliefs.method[part] = PROPAGATED

"""Slow twin of the candidates' weights: every set of candidates, its loads by a general optimiser, from the definition.

Loads are natural logarithms. A set weighs prior times likelihood, its loads integrated out by Laplace's method with the
expected curvature of the reactive pools (Gauss and Newton's).
"""

import math
from itertools import combinations

import numpy as np
from scipy.optimize import minimize


def candidates(pools: list[set[int]], heights: list[float | None], n_samples: int) -> list[int]:
    """Samples of a reactive pool (a height) and of no negative one (None)."""
    return [
        sample
        for sample in range(n_samples)
        if any(sample in pool for pool in pools)
        and all(height is not None for pool, height in zip(pools, heights, strict=True) if sample in pool)
    ]


def log_weight(
    chosen: tuple[int, ...], pools: list[set[int]], heights: list[float | None], sd: float, beliefs: dict[str, float]
) -> float:
    """Log weight of a set: minus infinity when a reactive pool holds none of it."""
    reactive = [(pool, height) for pool, height in zip(pools, heights, strict=True) if height is not None]
    if any(not pool & set(chosen) for pool, _ in reactive):
        return -math.inf
    n = len(chosen)
    holds = np.array([[sample in pool for sample in chosen] for pool, _ in reactive], float).reshape(len(reactive), n)
    read = np.array([height for _, height in reactive], float)
    odds, mean, spread, outlier, wide = (beliefs[name] for name in ("odds", "mean", "sd", "outlier", "wide"))

    def parts(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        load = np.exp(theta)
        share = holds * load
        total = share.sum(axis=1, keepdims=True)
        off = read - np.log(total[:, 0])
        inlier = math.log(1.0 - outlier) - 0.5 * (off / sd) ** 2 - math.log(sd)
        stray = (math.log(outlier) if outlier else -math.inf) - 0.5 * (off / wide) ** 2 - math.log(wide)
        both = np.logaddexp(inlier, stray)
        own = np.exp(inlier - both)
        return both, off, own / sd**2 + (1.0 - own) / wide**2, share / total

    def minus(theta: np.ndarray) -> tuple[float, np.ndarray]:
        likelihood, off, bend, share = parts(theta)
        far = (theta - mean) / spread
        value = likelihood.sum() - 0.5 * len(read) * math.log(2.0 * math.pi)
        value += n * odds - 0.5 * (far**2).sum() - n * math.log(spread)
        return -float(value), -((off * bend) @ share - far / spread)

    if n == 0:
        return 0.0
    highest = np.array([min(height for pool, height in reactive if sample in pool) for sample in chosen])
    starts = [highest, highest - 1.0, np.minimum(highest, mean)]
    # No load is further out than this; bounds keep the line search from overflowing.
    bounds = [(mean - 20.0 * spread, mean + 20.0 * spread)] * n
    options = {"ftol": 1e-13, "gtol": 1e-9, "maxiter": 2000}
    every = [minimize(minus, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for start in starts]
    found = min(every, key=lambda each: each.fun)
    _, _, bend, share = parts(found.x)
    curvature = (share * bend[:, None]).T @ share + np.eye(n) / spread**2
    return -float(found.fun) - 0.5 * float(np.linalg.slogdet(curvature)[1])


def every_set(
    pools: list[set[int]], heights: list[float | None], n_samples: int, sd: float, beliefs: dict[str, float]
) -> dict[tuple[int, ...], float]:
    """Log weight of every set of candidates that explains the reactive pools."""
    open_ = candidates(pools, heights, n_samples)
    weights = {
        chosen: log_weight(chosen, pools, heights, sd, beliefs)
        for size in range(len(open_) + 1)
        for chosen in combinations(open_, size)
    }
    return {chosen: weight for chosen, weight in weights.items() if weight > -math.inf}


def integral(
    chosen: tuple[int, ...], pools: list[set[int]], heights: list[float | None], sd: float, beliefs: dict[str, float]
) -> float:
    """Log weight of a set of one or two, its loads integrated on a grid, not by Laplace's method."""
    odds, mean, spread, outlier, wide = (beliefs[name] for name in ("odds", "mean", "sd", "outlier", "wide"))
    axis = np.arange(mean - 6.0 * spread, mean + 6.0 * spread, sd / 8.0)
    grids = np.meshgrid(*[axis] * len(chosen), indexing="ij")
    value = np.full(grids[0].shape, len(chosen) * odds)
    for grid in grids:
        value += -0.5 * ((grid - mean) / spread) ** 2 - math.log(spread) - 0.5 * math.log(2.0 * math.pi)
    for pool, height in zip(pools, heights, strict=True):
        inside = [grid for sample, grid in zip(chosen, grids, strict=True) if sample in pool]
        if height is not None and inside:
            off = height - np.log(sum(np.exp(grid) for grid in inside))
            inlier = math.log(1.0 - outlier) - 0.5 * (off / sd) ** 2 - math.log(sd)
            stray = (math.log(outlier) if outlier else -math.inf) - 0.5 * (off / wide) ** 2 - math.log(wide)
            value += np.logaddexp(inlier, stray) - 0.5 * math.log(2.0 * math.pi)
    peak = value.max()
    return float(peak + math.log(np.exp(value - peak).sum()) + len(chosen) * math.log(sd / 8.0))

"""Samples to pools: which single tubes are mixed in the laboratory."""

from poolkit.pooling.tubes import Pooled, pool_tubes

__all__ = ["Pooled", "pool_tubes"]

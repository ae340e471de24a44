"""Samples to pools: which single tubes are mixed in the laboratory."""

from poolkit.pooling.designs import design, design_names
from poolkit.pooling.tubes import Pooled, pool_tubes

__all__ = ["Pooled", "design", "design_names", "pool_tubes"]

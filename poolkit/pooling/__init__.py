"""Samples to pools: which single tubes are mixed in the laboratory."""

from poolkit.pooling.assignment import pool_samples
from poolkit.pooling.designs import design, design_names
from poolkit.pooling.following import NextStage, next_stage_pools
from poolkit.pooling.mixing import Pooled
from poolkit.pooling.tubes import pool_tubes

__all__ = ["NextStage", "Pooled", "design", "design_names", "next_stage_pools", "pool_samples", "pool_tubes"]

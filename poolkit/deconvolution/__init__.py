"""Calls to results: where every sample stands, what has to be done, and how sure it is."""

from poolkit.deconvolution.candidates import Candidates, rank_candidates
from poolkit.deconvolution.decode import Decoded, decode
from poolkit.deconvolution.discordant import find_discordant
from poolkit.deconvolution.estimate import Estimate, Estimated, estimate
from poolkit.deconvolution.limits import adaptive_tests, hierarchical_tests, pooling_bound
from poolkit.deconvolution.next_pools import NextPools, next_pools
from poolkit.deconvolution.orders import open_orders
from poolkit.deconvolution.results import Resolved, resolve

__all__ = [
    "Candidates",
    "Decoded",
    "Estimate",
    "Estimated",
    "NextPools",
    "Resolved",
    "adaptive_tests",
    "decode",
    "estimate",
    "find_discordant",
    "hierarchical_tests",
    "next_pools",
    "open_orders",
    "pooling_bound",
    "rank_candidates",
    "resolve",
]

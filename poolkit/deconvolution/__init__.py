"""Calls to results: where every sample stands, what has to be done, and how sure it is."""

from poolkit.deconvolution.orders import open_orders
from poolkit.deconvolution.results import Resolved, resolve

__all__ = ["Resolved", "open_orders", "resolve"]

"""Calls to results: where every sample stands, what has to be done, and how sure it is."""

from poolkit.deconvolution.decode import Decoded, decode
from poolkit.deconvolution.orders import open_orders
from poolkit.deconvolution.results import Resolved, resolve

__all__ = ["Decoded", "Resolved", "decode", "open_orders", "resolve"]

"""Beside the line: what is kept, in which order it came, and who became what."""

from poolkit.trace.record import Commit
from poolkit.trace.store import Store

__all__ = ["Commit", "Store"]

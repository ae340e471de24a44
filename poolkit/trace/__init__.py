"""Beside the line: what is kept, in which order it came, and who became what."""

from poolkit.trace.ledger import Commit
from poolkit.trace.store import Store

__all__ = ["Commit", "Store"]

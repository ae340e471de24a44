"""Beside the line: what is kept, in which order it came, who became what, and the proof of it."""

from poolkit.trace.keys import KeyRing
from poolkit.trace.prove import check_proof
from poolkit.trace.record import Commit
from poolkit.trace.store import Store

__all__ = ["Commit", "KeyRing", "Store", "check_proof"]

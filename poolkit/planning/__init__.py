"""Planning: what a design costs and finds before it is run, and which one to take."""

from poolkit.planning.expected import Expected, expected_tests

__all__ = ["Expected", "expected_tests"]

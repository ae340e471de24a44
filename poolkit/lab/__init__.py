"""`Lab`: a store that takes in days, and answers for every sample in it."""

from poolkit.lab.lab import Lab
from poolkit.lab.summary import counts
from poolkit.lab.upcoming import Upcoming

__all__ = ["Lab", "Upcoming", "counts"]

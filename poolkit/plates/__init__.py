"""Pools to wells: the geometry of a plate, its controls, and where each specimen stands."""

from poolkit.plates.geometry import well_names, well_numbers
from poolkit.plates.layout import layout_plates, plates_needed

__all__ = ["layout_plates", "plates_needed", "well_names", "well_numbers"]

"""Pools to wells: the geometry of a plate, its controls, and where each specimen stands."""

from poolkit.plates.geometry import well_names, well_numbers
from poolkit.plates.layout import layout_plates, plates_needed
from poolkit.plates.waiting import waiting_specimens

__all__ = ["layout_plates", "plates_needed", "waiting_specimens", "well_names", "well_numbers"]

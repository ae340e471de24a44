"""Pool designs: which samples share which pool, one design a file."""

from poolkit.pooling.designs.description import Description
from poolkit.pooling.designs.layout import Layout
from poolkit.pooling.designs.model import Design
from poolkit.pooling.designs.names import FAMILIES, Family, design, design_names

__all__ = ["FAMILIES", "Description", "Design", "Family", "Layout", "design", "design_names"]

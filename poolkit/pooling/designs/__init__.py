"""Pool designs: which samples share which pool, one design a file."""

from poolkit.pooling.designs.model import Design, Layout

__all__ = ["Design", "Layout"]

"""Files to tables and back; vendor words stop here."""

from poolkit.formats.day import content_key, read_day, write_day, write_table
from poolkit.formats.instruments import InstrumentRun, read_instrument

__all__ = ["InstrumentRun", "content_key", "read_day", "read_instrument", "write_day", "write_table"]

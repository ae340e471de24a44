"""Instrument exports: the file that came off the cycler becomes a run and its readings."""

from poolkit.formats.instruments.read import InstrumentRun, read_instrument

__all__ = ["InstrumentRun", "read_instrument"]

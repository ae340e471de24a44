"""The command line: one module a verb."""

from poolkit.cli.app import main

__all__ = ["main"]

"""Imported by the process that others are forked from: everything is loaded when they start."""

from tests.trace import writer

writer.warm()

"""What a programme decided: thresholds, controls, time limits and what a positive pool asks for.

A protocol is a versioned value with a source for each of its numbers; nothing in poolkit holds such a number in code.
"""

from poolkit.protocols.load import load_protocol, protocol_names, recorded_protocol
from poolkit.protocols.model import VALUE_FIELDS, ControlRule, Protocol, Source

__all__ = ["VALUE_FIELDS", "ControlRule", "Protocol", "Source", "load_protocol", "protocol_names", "recorded_protocol"]

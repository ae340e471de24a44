"""Campaigns as dated records, kinds of laboratories and official norms, each value with its source."""

from poolkit.planning.scenarios.fields import FIELDS
from poolkit.planning.scenarios.load import scenario, scenario_names
from poolkit.planning.scenarios.records import Point, Scenario, Trace, Value, read_changes
from poolkit.planning.scenarios.tables import lab_kind, lab_kinds, machine_tubes_a_day, norms

__all__ = [
    "FIELDS",
    "Point",
    "Scenario",
    "Trace",
    "Value",
    "lab_kind",
    "lab_kinds",
    "machine_tubes_a_day",
    "norms",
    "read_changes",
    "scenario",
    "scenario_names",
]

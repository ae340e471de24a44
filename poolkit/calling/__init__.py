"""Readings to calls: plate acceptance, then every specimen well."""

from poolkit.calling.reconcile import check_runs
from poolkit.calling.wells import call_wells

__all__ = ["call_wells", "check_runs"]

"""`complete`: what a scenario does not tell, by norm, by computing or by assumption, each said so."""

from collections.abc import Mapping
from math import ceil

from poolkit.errors import DesignError, Problem
from poolkit.planning.scenarios.load import scenario
from poolkit.planning.scenarios.records import CHANGED, Scenario, Value
from poolkit.planning.scenarios.tables import lab_kind, norm

DEFAULT = "dalian-like"
_SMALL_CITY = 5_000_000
# Taken from the default scenario where nobody tells.
_COPIED = (
    "prevalence",
    "hours_open",
    "sampling_seconds",
    "courier_minutes",
    "transport_minutes",
    "inactivation_minutes",
    "extraction_minutes",
    "pcr_minutes",
    "tubes_a_plate",
    "linger_minutes",
)
# What says how much the laboratories manage, the most telling first.
_CAPACITIES = ("labs", "tubes_a_day", "people_a_day")


def complete(what: Scenario) -> dict[str, Value]:
    """Return all values that a line needs, those that the scenario does not tell filled in.

    Parameters
    ----------
    what
        The scenario.

    Returns
    -------
    dict of str to Value
        Its own values first; what was filled in is not verified and says how it came about. The laboratories are
        ``labs`` of one kind, that share all ``extractors`` and ``cyclers`` evenly; one laboratory stands for all where
        only the capacity of all is told.

    Raises
    ------
    DesignError
        When nobody tells how many persons are to be tested, or the kind of laboratory is unknown.

    Examples
    --------
    >>> from poolkit.planning import scenario
    >>> values = complete(scenario("qingdao-2020-10"))
    >>> values["cyclers"].value, values["cyclers"].source
    (309, 'computed from people_a_day and pcr_minutes')
    """
    values = dict(what.values)
    typical = scenario(DEFAULT)
    for name in _COPIED:
        if name not in values:
            values[name] = Value(
                typical[name], f"assumed as in {DEFAULT}: {typical.values[name].source}", verified=False
            )
    if "people" not in values:
        raise DesignError(f"not a plan: {what.name}", [Problem("people", "missing: how many are to be tested?")])
    people = float(values["people"].value)
    if "pool_size" not in values:
        values["pool_size"] = Value(typical["pool_size"], f"assumed as in {DEFAULT}", verified=False)
    if "days_planned" not in values:
        rule = norm(f"days of a round, {'below' if people < _SMALL_CITY else 'above'} 5 million (2nd)")
        took = values.get("days")
        values["days_planned"] = (
            Value(took.value, f"assumed: as long as it took; {took.source}", verified=False)
            if took
            else Value(float(rule["high"]), f"assumed: {rule['applies']}, {rule['source']}", verified=False)
        )
    days = float(values["days_planned"].value)
    if "deadline_hours" not in values or values["days_planned"].source == CHANGED != values["deadline_hours"].source:
        values["deadline_hours"] = Value(24.0 * days, "computed: the days planned", verified=False)
    if "sampling_days" not in values or values["days_planned"].source == CHANGED != values["sampling_days"].source:
        half = "assumed: the last half day is left for the last results"
        values["sampling_days"] = Value(max(0.5, days - 0.5), half, verified=False)
    for name, rule_name in (("sites", "persons a site"), ("tables", "persons a table")):
        if name not in values:
            rule = norm(rule_name)
            source = f"computed: one for {rule['high']} persons, {rule['source']}"
            values[name] = Value(ceil(people / rule["high"]), source, verified=False)
    return values | _laboratories(values, typical)


def _laboratories(values: dict[str, Value], typical: Scenario) -> dict[str, Value]:
    """Return laboratories and their machines, from what the planner changed, or else from what is told."""
    told = [name for name in _CAPACITIES if name in values]
    if "labs" in told and "lab_kind" not in values and values["labs"].source != CHANGED and len(told) > 1:
        # So many laboratories of unknown kinds: the capacity of all says more.
        told.remove("labs")
    told.sort(key=lambda name: values[name].source != CHANGED)
    by = told[0] if told else "labs"
    if "lab_kind" in values and values["lab_kind"].source == CHANGED and by != "labs" and values[by].source != CHANGED:
        by = "labs"
    found: dict[str, Value] = {}
    if by == "labs":
        found["lab_kind"] = values.get("lab_kind") or _assumed(typical["lab_kind"])
        found["labs"] = values.get("labs") or _assumed(1 if "lab_kind" in values else typical["labs"])
        kind = lab_kind(str(found["lab_kind"].value))
        tubes, hours = float(kind["quoted_tubes_a_day"]), float(kind["hours_a_day"])
        source = f"quoted for a laboratory of kind {found['lab_kind'].value}"
        machines = {name: kind.get(name) for name in ("extractors", "cyclers")}
    else:
        found["labs"] = Value(1, "assumed: one laboratory stands for all", verified=False)
        share = float(values["pool_size"].value) if by == "people_a_day" else 1.0
        tubes, hours, source = float(values[by].value) / share, 24.0, f"computed from {by}"
        machines = {"extractors": None, "cyclers": None}
    # Machines that a record tells go with its own laboratories.
    new = any(name in values and values[name].source == CHANGED for name in (by, "lab_kind"))
    found["lab_hours"] = Value(hours, source, verified=False)
    labs = int(found["labs"].value)
    for name, minutes in (("extractors", "extraction_minutes"), ("cyclers", "pcr_minutes")):
        if name in values and (values[name].source == CHANGED or not new):
            found[name] = values[name]
        elif (each := machines[name]) is not None:
            found[name] = Value(labs * int(each), source, verified=True)
        else:
            needed = machines_for(tubes, values, minutes, hours_a_day=hours)
            how = source if source.startswith("computed") else "computed from the tubes a day " + source
            found[name] = Value(labs * needed, f"{how} and {minutes}", verified=False)
    return found


def machines_for(tubes_a_day: float, values: Mapping[str, Value], minutes: str, *, hours_a_day: float) -> int:
    """Return the machines that take so many tubes a day, one at least; `minutes` names the value of their run."""
    a_run, plate = float(values[minutes].value), float(values["tubes_a_plate"].value)
    return max(1, ceil(tubes_a_day * a_run / (60.0 * hours_a_day * plate) - 1e-9))


def _assumed(value: int | str) -> Value:
    return Value(value, f"assumed as in {DEFAULT}", verified=False)

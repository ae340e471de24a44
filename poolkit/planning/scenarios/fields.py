"""What may stand in a scenario: each value's kind, unit and range, in one place."""

from typing import Any, NamedTuple

from poolkit.planning.scenarios.coming import WHAT, read_coming


class Field(NamedTuple):
    """What one value of a scenario is.

    Attributes
    ----------
    kind : type
        ``int``, ``float`` (whole numbers are taken too) or ``str``.
    unit : str
        Of a number; empty for a name.
    about : str
        One sentence.
    low, high : float
        Least and largest value that makes sense, both allowed.
    """

    kind: type
    unit: str
    about: str
    low: float = 0.0
    high: float = 1e12


FIELDS = {
    "people": Field(int, "persons", "Persons to be tested once.", 1),
    "days_planned": Field(float, "days", "Days in which everybody was to be tested.", 0.01, 1000),
    "sampling_days": Field(float, "days", "Days from the first swab to the last.", 0.01, 1000),
    "days": Field(float, "days", "Days that it took.", 0.01, 1000),
    "deadline_hours": Field(float, "h", "Hours asked for from the first swab to the last result.", 0.1, 20_000),
    "samples": Field(int, "samples", "Samples counted in all, over all rounds."),
    "samples_a_day": Field(int, "samples/day", "Samples taken on the best day."),
    "pool_size": Field(int, "persons/tube", "Persons that share a tube.", 1, 100),
    "prevalence": Field(float, "share", "Share of the persons that is infected.", 0.0, 1.0),
    "positives": Field(int, "persons", "Infected persons that were found."),
    "sites": Field(int, "sites", "Places where swabs are taken.", 1),
    "tables": Field(int, "tables", "Tables or sampling units at all sites.", 1),
    "samplers": Field(int, "persons", "Persons who take swabs.", 1),
    "site_staff": Field(int, "persons", "All persons who work at the sites.", 1),
    "hours_open": Field(float, "h/day", "Hours a day in which swabs are taken.", 0.5, 24.0),
    "sampling_seconds": Field(float, "s/person", "Seconds from one person to the next at a table.", 1.0, 3600.0),
    "courier_minutes": Field(float, "min", "Minutes from one courier to the next at a site.", 1.0, 1440.0),
    "transport_minutes": Field(float, "min", "Minutes from a site to its laboratory.", 0.0, 2880.0),
    "lab_kind": Field(str, "", "Kind of the laboratories, one of `lab_kinds`."),
    "lab_hours": Field(float, "h/day", "Hours a day in which a laboratory works.", 0.5, 24.0),
    "labs": Field(int, "labs", "Laboratories that work.", 1, 100_000),
    "people_a_day": Field(int, "persons/day", "Persons a day whose tubes the laboratories say they can test.", 1),
    "tubes_a_day": Field(int, "tubes/day", "Tubes a day that the laboratories say they can test.", 1),
    "extractors": Field(int, "machines", "Extraction machines of all laboratories.", 1, 1_000_000),
    "cyclers": Field(int, "machines", "PCR cyclers of all laboratories.", 1, 1_000_000),
    "lab_staff": Field(int, "persons", "Persons who work in the laboratories.", 1),
    "inactivation_minutes": Field(float, "min", "Minutes of a run at 56 to 60 °C.", 0.0, 1440.0),
    "extraction_minutes": Field(float, "min", "Minutes of an extraction run, loading included.", 1.0, 1440.0),
    "pcr_minutes": Field(float, "min", "Minutes of a PCR run, loading included.", 1.0, 1440.0),
    "tubes_a_plate": Field(int, "tubes/plate", "Wells of a plate of 96 that are left beside the controls.", 1, 96),
    "linger_minutes": Field(float, "min", "Minutes that a plate waits to be full.", 0.0, 1440.0),
    "mobile_labs": Field(str, "", "Laboratories that come, by kind and hour, e.g. 2 van-shaoxing from 12."),
    "support": Field(str, "", "Machines of the laboratories, or tables, that come, e.g. 20 cyclers from 24 to 72."),
    "stock": Field(str, "", "Tests in stock and delivered, no limit where not told, e.g. 40,000 PCR tests from 36."),
    "support_teams": Field(int, "teams", "Teams of laboratory staff sent from elsewhere."),
    "support_people": Field(int, "persons", "Laboratory staff sent from elsewhere."),
    "support_instruments": Field(int, "machines", "Instruments sent from elsewhere."),
    "support_kits": Field(int, "kits", "Reagent kits sent from elsewhere."),
    "rounds": Field(int, "rounds", "Rounds in which everybody was tested.", 1, 1000),
}

# What happened or who was there, kept for the record: no plan changes with it.
RECORDED = frozenset(
    {
        "days",
        "samples",
        "samples_a_day",
        "positives",
        "samplers",
        "site_staff",
        "lab_staff",
        "support_teams",
        "support_people",
        "support_instruments",
        "support_kits",
        "rounds",
    }
)


def out_of_range(name: str, value: Any) -> str:
    """Say what is wrong with a value, or nothing.

    Examples
    --------
    >>> out_of_range("pool_size", 0), out_of_range("pool_size", 10)
    ('must be from 1 to 100 persons/tube, found 0', '')
    """
    field = FIELDS[name]
    if name in WHAT and isinstance(value, str):
        return "; ".join(read_coming(name, value)[1])
    if field.kind is str:
        return "" if isinstance(value, str) and value else f"must be text, found {value!r}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and (field.kind is int or not isinstance(value, float)):
        return f"must be a {'whole ' if field.kind is int else ''}number, found {value!r}"
    if not field.low <= value <= field.high:
        return f"must be from {field.low:g} to {field.high:g} {field.unit}, found {value:g}"
    return ""

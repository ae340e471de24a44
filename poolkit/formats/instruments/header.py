"""What the header lines say of a run: its plate, its instrument, when it began and ended."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from poolkit.errors import Problem
from poolkit.formats.instruments.export import as_text
from poolkit.formats.instruments.times import span, to_utc

BARCODE = ("experiment barcode", "plate barcode", "barcode")
INSTRUMENT = ("instrument serial number", "instrument name", "instrument type")
START = ("experiment run start time", "plate run start date/time", "run start date/time")
# "Data/Time" is what Design & Analysis 2.7 itself writes; "Stop" is the ViiA 7's.
END = (
    "experiment run end time",
    "experiment run stop time",
    "plate run end date/time",
    "run end date/time",
    "run end data/time",
)
DURATION = ("run duration",)
_NOTHING = frozenset({"", "na", "n/a", "null", "none", "-", "not started"})


@dataclass(frozen=True, slots=True)
class Facts:
    """The plate barcode (None when blank), the instrument and the times of a run."""

    barcode: str | None
    instrument: str
    started_at: datetime
    ended_at: datetime


def read_header(
    header: dict[str, object], *, zone: ZoneInfo | None, ended_at: datetime | None, problems: list[Problem]
) -> Facts | None:
    """Read the facts of a run; None when one is missing or contradicts itself, which is added to the problems."""
    barcode = _first(header, BARCODE)
    instrument = _first(header, INSTRUMENT)
    if instrument is None:
        problems.append(Problem("header", f"names no instrument, looked for {_named(INSTRUMENT)}"))
    times = _times(header, zone, ended_at, problems)
    if instrument is None or times is None:
        return None
    return Facts(as_text(barcode[1]) if barcode else None, as_text(instrument[1]), *times)


def _times(
    header: dict[str, object], zone: ZoneInfo | None, given: datetime | None, problems: list[Problem]
) -> tuple[datetime, datetime] | None:
    n_before = len(problems)
    start = _moment(header, START, zone, problems)
    end = _moment(header, END, zone, problems)
    took = _duration(header, problems)
    if end is None and start is not None and took is not None:
        end = start + took
    if end is None and given is not None:
        end = given.astimezone(UTC)
    if end is None:
        if len(problems) == n_before:
            looked = f"{_named(END)}, or {_named(START)} with {_named(DURATION)}"
            problems.append(Problem("header", f"does not say when the run ended, looked for {looked}: give ended_at="))
        return None
    if start is None:
        start = end - (took or timedelta(0))
    if start > end:
        what = f"the run ends at {end:%Y-%m-%d %H:%M:%S} UTC, before its start at {start:%Y-%m-%d %H:%M:%S} UTC"
        problems.append(Problem("header", what))
        return None
    return start, end


def _first(header: dict[str, object], keys: tuple[str, ...]) -> tuple[str, object] | None:
    """Return the first of the keys that the file fills, with its value."""
    for key in keys:
        if as_text(header.get(key)).casefold() not in _NOTHING:
            return key, header[key]
    return None


def _moment(
    header: dict[str, object], keys: tuple[str, ...], zone: ZoneInfo | None, problems: list[Problem]
) -> datetime | None:
    found = _first(header, keys)
    if found is None:
        return None
    try:
        return to_utc(found[1], zone)
    except ValueError as reason:
        problems.append(Problem(f"header, {found[0]}", str(reason)))
        return None


def _duration(header: dict[str, object], problems: list[Problem]) -> timedelta | None:
    found = _first(header, DURATION)
    if found is None:
        return None
    took = span(found[1])
    if took is None:
        problems.append(
            Problem(f"header, {found[0]}", f"expected such as '112 minutes 22 seconds', found {found[1]!r}")
        )
    return took


def _named(keys: tuple[str, ...]) -> str:
    return ", ".join(repr(key) for key in keys)

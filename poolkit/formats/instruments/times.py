"""When a run began and ended: the clock times of an export, in UTC."""

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

# Hours from UTC of the abbreviations that the software (Java) prints and that name one offset. EST, PST and CDT also
# name rarer zones; they are read as North American, which is what the family's own exports mean by them.
OFFSETS_HOURS = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MET": 1, "MEST": 2, "EET": 2, "EEST": 3,
    "MSK": 3, "WAT": 1, "CAT": 2, "SAST": 2, "EAT": 3, "PKT": 5, "NPT": 5.75, "ICT": 7, "WIB": 7, "WITA": 8, "WIT": 9,
    "HKT": 8, "SGT": 8, "MYT": 8, "AWST": 8, "JST": 9, "KST": 9, "ACST": 9.5, "ACDT": 10.5, "AEST": 10, "AEDT": 11,
    "NZST": 12, "NZDT": 13, "NST": -3.5, "NDT": -2.5, "ADT": -3, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7,
    "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "BRT": -3, "ART": -3,
}  # fmt: skip
# Each of these is two or more zones hours apart (CST: Chicago and Shanghai); only the caller can tell.
AMBIGUOUS = frozenset({"AST", "BST", "CST", "IST", "SST"})

_TIME = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?"
    r"(?:\s*(AM|PM|上午|下午))?(?:\s*(\S.*))?",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(hour|hr|minute|min|second|sec)s?", re.IGNORECASE)
_SECONDS = {"hour": 3600, "hr": 3600, "minute": 60, "min": 60, "second": 1, "sec": 1}


def to_utc(shown: object, zone: ZoneInfo | None) -> datetime:
    """Return the moment that a header time names, or say in a ValueError why it cannot be known."""
    if isinstance(shown, datetime):
        return shown.astimezone(UTC) if shown.tzinfo else _in_zone(shown, zone, "")
    match = _TIME.fullmatch(str(shown).strip())
    if match is None:
        raise ValueError(f"expected a time such as '2020-04-18 09:00:39 PM PDT', found {str(shown)!r}")
    year, month, day, hour, minute, second = (int(match[part] or 0) for part in range(1, 7))
    try:
        clock = datetime(year, month, day, _hour(hour, match[7]), minute, second)  # noqa: DTZ001 - the zone comes next
    except ValueError as reason:
        raise ValueError(f"{reason}, found {str(shown)!r}") from None
    return _in_zone(clock, zone, match[8] or "")


def span(shown: object) -> timedelta | None:
    """Return a duration such as '112 minutes 22 seconds'; None when it is not one."""
    parts = _SPAN.findall(str(shown))
    if not parts:
        return None
    return timedelta(seconds=sum(float(number) * _SECONDS[unit.casefold()] for number, unit in parts))


def _hour(hour: int, half: str | None) -> int:
    """Return the hour of the day; the 7500 writes '21:11:24 PM', an hour of 24 with a needless PM."""
    if half is None:
        return hour
    if half.upper() in ("AM", "上午"):
        if hour > 12:
            raise ValueError("an hour above 12 cannot be AM")
        return hour % 12
    if hour == 0:
        raise ValueError("hour 0 cannot be PM")
    return hour if hour >= 12 else hour + 12


def _in_zone(clock: datetime, zone: ZoneInfo | None, word: str) -> datetime:
    """Give a clock time its zone: the caller's when the file's word agrees with it, else the word's own."""
    word = word.strip()
    offset = _OFFSET.fullmatch(word)
    if offset:
        size = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return clock.replace(tzinfo=timezone(-size if offset[1] == "-" else size)).astimezone(UTC)
    word = word.upper()
    moments = _moments(clock, zone) if zone else []
    named = [moment for moment in moments if moment.tzname() == word]
    if named:
        return named[0].astimezone(UTC)
    if word in OFFSETS_HOURS:
        return clock.replace(tzinfo=timezone(timedelta(hours=OFFSETS_HOURS[word]))).astimezone(UTC)
    if zone is None:
        what = f"the zone {word!r} is not one offset" if word else "has no time zone"
        raise ValueError(f"{what}: give zone=, e.g. zone='Asia/Shanghai' (found '{clock} {word}')".replace(" ')", "')"))
    # A zone without letters of its own (+06) cannot contradict the file's word.
    if word in AMBIGUOUS and all(str(moment.tzname()).isalpha() for moment in moments):
        raise ValueError(f"the file says {word}, which {zone.key} is not at {clock}")
    if len(moments) != 1:
        times = "twice" if moments else "never"
        raise ValueError(f"{clock} comes {times} in {zone.key}: give a zone of one offset, e.g. zone='Etc/GMT-8'")
    return moments[0].astimezone(UTC)


def _moments(clock: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the moments at which the zone's clocks show this: one, two in autumn's hour, none in spring's."""
    both = [clock.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    real = [each for each in both if each.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == clock]
    return real[:1] if len({each.utcoffset() for each in real}) < 2 else real

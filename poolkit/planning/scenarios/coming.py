"""`read_coming`: what comes in the course of a campaign, laboratories, support and stock, as a planner writes it."""

import re
from typing import NamedTuple

# What may come under each name of a scenario; a mobile laboratory is of one of `lab_kinds`.
SUPPORT = ("cyclers", "extractors", "tables")
STOCKED = {"extraction tests": "extraction", "PCR tests": "amplification"}
WHAT: dict[str, tuple[str, ...]] = {"mobile_labs": (), "support": SUPPORT, "stock": tuple(STOCKED)}
_LIKE = {
    "mobile_labs": "2 van-shaoxing from 12 and 1 falcon from 36",
    "support": "20 cyclers from 24 to 72 and 10 extractors from 24",
    "stock": "100,000 PCR tests and 50,000 PCR tests from 36",
}
_LATEST = 20_000.0
_HOUR = r"(\d+(?:\.\d+)?)(?: ?h)?"
_ENTRY = re.compile(rf"(?P<count>\d[\d_,]*) (?P<what>[A-Za-z].*?)(?: from {_HOUR}(?: to {_HOUR})?)?")


class Coming(NamedTuple):
    """So many of something, there from an hour on.

    Attributes
    ----------
    number : int
        How many.
    what : str
        Of what.
    from_hour, to_hour : float
        Hours since the first swab; it stays to the end where nothing else is told.
    """

    number: int
    what: str
    from_hour: float = 0.0
    to_hour: float = float("inf")


def read_coming(name: str, text: str) -> tuple[list[Coming], list[str]]:
    """Return what a text says that comes, and what is wrong with it.

    Parameters
    ----------
    name
        ``mobile_labs``, ``support`` or ``stock``.
    text
        Entries joined by ``and``, each a count, what it is, and where it is not there at the first swab ``from HOUR``,
        support also ``to HOUR``; or ``none``.

    Returns
    -------
    list of Coming, list of str
        In the order written; one sentence a wrong entry.

    Examples
    --------
    >>> read_coming("support", "20 cyclers from 24 to 72 and 1 extractor")[0]
    [Coming(number=20, what='cyclers', from_hour=24.0, to_hour=72.0), Coming(number=1, what='extractors', ...)]
    >>> read_coming("stock", "9 swabs")[1]
    ['must be of extraction tests, PCR tests, found 9 swabs']
    """
    found: list[Coming] = []
    wrong: list[str] = []
    if text.strip() == "none":
        return found, wrong
    for entry in re.split(r"\s+and\s+", " ".join(text.split())):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            wrong.append(f"must be like '{_LIKE[name]}', found '{entry}'")
            continue
        _, what, start, end = match.groups()
        known = WHAT[name]
        what = what if not known or what in known else f"{what}s"
        each = Coming(
            int(re.sub("[_,]", "", match["count"])),
            what,
            float(start or 0.0),
            float("inf") if end is None else float(end),
        )
        if known and what not in known:
            wrong.append(f"must be of {', '.join(known)}, found {entry}")
        elif each.number < 1:
            wrong.append(f"must be at least 1, found {entry}")
        elif end is not None and name != "support":
            wrong.append(f"only support leaves again, found {entry}")
        elif each.from_hour > _LATEST or not each.to_hour > each.from_hour:
            wrong.append(f"must come by hour {_LATEST:,.0f} and leave later, found {entry}")
        else:
            found.append(each)
    return found, wrong

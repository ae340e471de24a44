"""`lab_kinds` and `norms`: what laboratories are said to manage, and what guidelines ask for."""

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from poolkit.errors import DesignError, Problem
from poolkit.planning.line.typical import TYPICAL
from poolkit.planning.scenarios.load import read_toml

_HERE = Path(__file__).parent / "tables"
# Minutes of a day.
_DAY = 1440.0


def lab_kinds() -> pd.DataFrame:
    """Return the kinds of laboratories with the capacities they are quoted with and their machines.

    Returns
    -------
    pandas.DataFrame
        One row a kind: ``kind``, ``what``, ``quoted_tubes_a_day``, ``chambers``, ``extractors``, ``cyclers``,
        ``staff``, ``set_up_hours``, ``hours_a_day``, ``extraction_minutes``, ``pcr_minutes``, ``machine_tubes_a_day``,
        ``binding`` (the machine that limits it), ``difference`` (of the machines' capacity to the quoted one, as a
        share), ``source``, ``verified`` (the quoted figures) and ``assumed`` (what is not from the source). Missing
        where nobody tells.

    Notes
    -----
    Tubes a day of machines are ``machines * 96 * 60 * hours_a_day / minutes a run``, the least over extraction and
    amplification where both are known; the press counts 96 wells a plate and no controls.

    References
    ----------
    The source of each row; the minutes of a run are 110 for PCR, as 64 cyclers and 80,000 tubes a day imply, and 45
    for an extraction of 96 (Stabroek News, 16 Oct 2020) where the row says nothing else.

    Examples
    --------
    >>> table = lab_kinds().set_index("kind")
    >>> table.loc[["falcon", "van-yutu"], "machine_tubes_a_day"].round().tolist()
    [80431.0, 3142.0]
    >>> table.loc["van-shaoxing", "binding"]
    'extraction'
    """
    rows = []
    for kind in _read("labs"):
        entry = lab_kind(kind)
        physical, binding = machine_tubes_a_day(
            entry.get("extractors"),
            entry.get("cyclers"),
            hours_a_day=entry["hours_a_day"],
            extraction_minutes=entry["extraction_minutes"],
            pcr_minutes=entry["pcr_minutes"],
        )
        quoted = entry.get("quoted_tubes_a_day")
        rows.append(
            {
                "kind": kind,
                **{name: entry.get(name) for name in _COLUMNS},
                "machine_tubes_a_day": physical,
                "binding": binding,
                "difference": None if physical is None or quoted is None else physical / quoted - 1.0,
                **{name: entry[name] for name in ("source", "verified", "assumed")},
            }
        )
    table = pd.DataFrame(rows)
    numbers = [name for name in (*_COLUMNS, "machine_tubes_a_day", "difference") if name != "what"]
    return table.astype(dict.fromkeys(numbers, float))


_COLUMNS = (
    "what",
    "quoted_tubes_a_day",
    "chambers",
    "extractors",
    "cyclers",
    "staff",
    "set_up_hours",
    "hours_a_day",
    "extraction_minutes",
    "pcr_minutes",
)


def machine_tubes_a_day(
    extractors: float | None,
    cyclers: float | None,
    *,
    hours_a_day: float = 24.0,
    extraction_minutes: float,
    pcr_minutes: float,
    tubes_a_plate: float = 96.0,
) -> tuple[float | None, str | None]:
    """Return how many tubes a day machines take, and which of them is the limit; None where none is known.

    Examples
    --------
    >>> machine_tubes_a_day(3, 11, extraction_minutes=45.0, pcr_minutes=110.0)
    (9216.0, 'extraction')
    """
    plates = hours_a_day / 24.0 * _DAY * tubes_a_plate
    known = {}
    if extractors is not None:
        known["extraction"] = extractors * plates / extraction_minutes
    if cyclers is not None:
        known["amplification"] = cyclers * plates / pcr_minutes
    if not known:
        return None, None
    binding = min(known, key=lambda stage: known[stage])
    return known[binding], binding


def lab_kind(name: str) -> dict[str, Any]:
    """Return what is known of a kind of laboratory.

    Raises
    ------
    DesignError
        When there is no such kind.

    Examples
    --------
    >>> lab_kind("van-yutu")["cyclers"]
    3
    """
    kinds = _read("labs")
    if name not in kinds:
        raise DesignError("not a kind of laboratory", [Problem("lab_kind", f"unknown; there are {', '.join(kinds)}")])
    return {**{minutes: TYPICAL[minutes].value for minutes in ("extraction_minutes", "pcr_minutes")}, **kinds[name]}


def norms() -> pd.DataFrame:
    """Return what official guidelines ask of mass testing.

    Returns
    -------
    pandas.DataFrame
        One row a rule: ``norm``, ``edition``, ``dated``, ``low`` and ``high`` (equal where it is one number), ``unit``,
        ``applies`` (to whom), ``source``, ``verified``.

    References
    ----------
    China's guideline for organising mass nucleic-acid testing, editions of February 2021, September 2021 and March
    2022, as quoted by the source of each row.

    Examples
    --------
    >>> table = norms().set_index("norm")
    >>> table.loc["persons a site", ["low", "high"]].tolist()
    [2000.0, 3000.0]
    >>> round(7_450_000 / table.loc["persons a sampler", "high"])
    20694
    """
    rows = [{"norm": each.pop("name"), **each} for each in (dict(row) for row in _read("norms")["norm"])]
    table = pd.DataFrame(rows)[["norm", "edition", "dated", "low", "high", "unit", "applies", "source", "verified"]]
    return table.astype({"low": float, "high": float})


def norm(name: str) -> dict[str, Any]:
    """Return one of the norms, by its name.

    Examples
    --------
    >>> norm("persons a table")["high"]
    800
    """
    return dict(next(each for each in _read("norms")["norm"] if each["name"] == name))


@cache
def _read(name: str) -> dict[str, Any]:
    return read_toml(_HERE / f"{name}.toml")

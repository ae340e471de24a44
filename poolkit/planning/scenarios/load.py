"""`scenario`: a campaign by its name, or from a TOML file of the planner's own."""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from poolkit.errors import DesignError, FormatError, Problem
from poolkit.planning.line.typical import TYPICAL
from poolkit.planning.scenarios.records import Point, Scenario, Trace, Value, check

_HERE = Path(__file__).parent
_TEXTS = ("name", "title", "place", "description")
_PLACE = re.compile(r"\s*\(at line (?P<line>\d+), column \d+\)$")


def scenario_names() -> tuple[str, ...]:
    """Name the scenarios that come with poolkit.

    Returns
    -------
    tuple of str
        In alphabetical order.

    Examples
    --------
    >>> [name for name in scenario_names() if name.startswith("dalian")]
    ['dalian-2020-07', 'dalian-2020-12', 'dalian-2021-11', 'dalian-2022-03', 'dalian-like']
    """
    return tuple(sorted(each.stem for each in _HERE.glob("*.toml")))


def scenario(what: Scenario | str | os.PathLike[str]) -> Scenario:
    """Return the scenario of that name, or the one in that file.

    Parameters
    ----------
    what
        One of `scenario_names`, or the path of a ``.toml`` file, or a scenario, which is returned as it is.

    Returns
    -------
    Scenario
        Every value in its range, every value with a source.

    Raises
    ------
    DesignError
        When no scenario has the name, or the file's fields are missing, unknown, out of range or without a source;
        every one is named.
    FormatError
        When the file cannot be read or is not TOML; the line is named.

    Notes
    -----
    A file holds ``name``, ``title``, ``place``, ``begins`` and ``description``; a table ``[sources]`` of texts; a table
    ``[values]``, each ``{ value = ..., source = "key of a source", verified = true }``, or ``{ typical = true }`` for
    a time of the bench or of the road that poolkit takes where nobody tells it; and any number of
    ``[[traces]]`` with ``name``, ``source``, ``stages`` and ``points``, each a time with its offset, ``at``, and
    persons by stage, increasing. The files in the wheel are examples.

    Examples
    --------
    >>> found = scenario("dalian-2020-12")
    >>> found.title, found["people_a_day"]
    ('Dalian, December 2020', 2000000)
    >>> scenario("dalian-2020")
    Traceback (most recent call last):
    poolkit.errors.DesignError: no scenario is called 'dalian-2020'; did you mean dalian-20...?
    """
    if isinstance(what, Scenario):
        return what
    if isinstance(what, str):
        if what in scenario_names():
            return _kept(what)
        if not what.endswith(".toml"):
            near = get_close_matches(what, scenario_names(), n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(scenario_names())}"
            raise DesignError(f"no scenario is called {what!r}; {hint}")
    return _scenario(Path(what))


def read_toml(path: Path) -> dict[str, Any]:
    """Return what stands in a TOML file; the line is named where it is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as reason:
        place = _PLACE.search(str(reason))
        where = f"{path.name}:{place['line']}" if place else path.name
        raise FormatError(f"{path} is not TOML", [Problem(where, _PLACE.sub("", str(reason)))]) from None
    except UnicodeDecodeError:
        raise FormatError(f"{path} is not TOML", [Problem(path.name, "must be UTF-8")]) from None
    except OSError as reason:
        raise FormatError(f"{path} cannot be read: {reason.strerror}") from None


@cache
def _kept(name: str) -> Scenario:
    found = _scenario(_HERE / f"{name}.toml")
    assert found.name == name, (found.name, name)
    return found


def _scenario(path: Path) -> Scenario:
    content = read_toml(path)
    problems: list[Problem] = []
    texts = {name: content.pop(name, None) for name in _TEXTS}
    problems += [
        Problem(name, f"must be text, found {text!r}") for name, text in texts.items() if not isinstance(text, str)
    ]
    begins = content.pop("begins", "")
    if not isinstance(begins, str) or not re.fullmatch(r"|\d{4}-\d\d(-\d\d)?", begins):
        problems.append(Problem("begins", f'must be like "2020-10" or "2020-10-13", found {begins!r}'))
    sources = _table(content, "sources", problems)
    problems += [
        Problem(f"sources.{key}", f"must be text, found {text!r}")
        for key, text in sources.items()
        if not isinstance(text, str)
    ]
    given = _table(content, "values", problems)
    values = {name: each for name, entry in given.items() if (each := value_of(name, entry, sources, problems))}
    problems += [each for name, value in values.items() for each in check(name, value.value)]
    traces = content.pop("traces", [])
    read = [_trace(f"traces[{n}]", each, sources, problems) for n, each in enumerate(traces)]
    problems += [Problem(name, "unknown") for name in content]
    if problems:
        raise DesignError(f"not a scenario: {path}", problems)
    return Scenario(**texts, begins=begins, values=values, traces=tuple(each for each in read if each))


def _table(content: dict[str, Any], name: str, problems: list[Problem]) -> dict[str, Any]:
    found = content.pop(name, None)
    if isinstance(found, dict):
        return found
    problems.append(Problem(name, "missing, expected a table"))
    return {}


def value_of(where: str, entry: Any, sources: Mapping[str, Any], problems: list[Problem]) -> Value | None:
    """Return a value with its source, or None where it is not laid out as it should be; each reason is noted."""
    if not isinstance(entry, dict):
        problems.append(Problem(where, f"must be a table of value, source and verified, found {entry!r}"))
        return None
    if entry.get("typical") is True and len(entry) == 1 and where in TYPICAL:
        return typical(where)
    wrong = [Problem(f"{where}.{key}", "unknown") for key in entry if key not in ("value", "source", "verified")]
    if "value" not in entry:
        wrong.append(Problem(f"{where}.value", "missing"))
    wrong += _source_of(where, entry, sources)
    if not isinstance(entry.get("verified"), bool):
        wrong.append(Problem(f"{where}.verified", "must be true or false"))
    problems += wrong
    return None if wrong else Value(entry["value"], sources[entry["source"]], entry["verified"])


def typical(name: str) -> Value:
    """Return a figure of `TYPICAL` as a value; verified where its source says it."""
    _, _, source, told = figure = TYPICAL[name]
    return Value(figure.value, source if told == "read" else f"{told}: {source}", verified=told == "read")


def _source_of(where: str, entry: Mapping[str, Any], sources: Mapping[str, Any]) -> list[Problem]:
    source = entry.get("source")
    if isinstance(source, str) and source in sources:
        return []
    return [Problem(f"{where}.source", f"must be a key of [sources], found {source!r}")]


def _trace(where: str, entry: Any, sources: Mapping[str, Any], problems: list[Problem]) -> Trace | None:
    if not isinstance(entry, dict):
        problems.append(Problem(where, f"must be a table, found {entry!r}"))
        return None
    wrong = [Problem(f"{where}.{key}", "unknown") for key in entry if key not in ("name", "source", "stages", "points")]
    wrong += _source_of(where, entry, sources)
    if not isinstance(entry.get("name"), str):
        wrong.append(Problem(f"{where}.name", "must be text"))
    stages, points = entry.get("stages"), entry.get("points")
    if not (isinstance(stages, list) and len(stages) > 1 and all(isinstance(each, str) for each in stages)):
        wrong.append(Problem(f"{where}.stages", f"must name at least two stages, found {stages!r}"))
        stages = []
    if not isinstance(points, list) or not points:
        wrong.append(Problem(f"{where}.points", "must hold at least one point"))
        points = []
    if not wrong:
        for n, point in enumerate(points):
            wrong += _point_problems(f"{where}.points[{n}]", point, stages)
    if not wrong:
        wrong += _order_problems(where, points, stages)
    problems += wrong
    if wrong:
        return None
    read = tuple(
        Point(each["at"], {stage: each[stage] for stage in stages if stage in each}, each.get("verified", True))
        for each in points
    )
    return Trace(entry["name"], tuple(stages), read, sources[entry["source"]])


def _point_problems(where: str, point: Any, stages: list[str]) -> list[Problem]:
    if not isinstance(point, dict):
        return [Problem(where, f"must be a table, found {point!r}")]
    at = point.get("at")
    found = [Problem(f"{where}.{key}", "unknown") for key in point if key not in ("at", "verified", *stages)]
    if not isinstance(at, datetime) or at.tzinfo is None:
        found.append(Problem(f"{where}.at", f"must be a time with its offset, found {at!s}"))
    if not isinstance(point.get("verified", True), bool):
        found.append(Problem(f"{where}.verified", "must be true or false"))
    for stage in stages:
        count = point.get(stage, 0)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            found.append(Problem(f"{where}.{stage}", f"must be a number of persons, found {count!r}"))
    return found


def _order_problems(where: str, points: list[Any], stages: list[str]) -> list[Problem]:
    """Say where time or a count runs backwards, or more left a stage than entered it."""
    found = []
    latest: dict[str, int] = {}
    for n, point in enumerate(points):
        if n and point["at"] <= points[n - 1]["at"]:
            found.append(Problem(f"{where}.points[{n}].at", "must be later than the point before"))
        told = [stage for stage in stages if stage in point]
        for stage in told:
            if point[stage] < latest.get(stage, 0):
                found.append(Problem(f"{where}.points[{n}].{stage}", "must not be less than before"))
            latest[stage] = point[stage]
        for before, after in pairwise(told):
            if point[after] > point[before]:
                found.append(Problem(f"{where}.points[{n}].{after}", f"must not be more than {before}"))
    return found

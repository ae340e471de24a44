"""`load_protocol`: a protocol by its name, or from a TOML file of the laboratory's own."""

import json
import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from poolkit.errors import FormatError, Problem, ProtocolError
from poolkit.protocols.model import VALUE_FIELDS, Protocol, Source

_PRESETS = Path(__file__).parent / "presets"
_PLACE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)$")
_ENTRY = ("value", "source", "verified")


def protocol_names() -> tuple[str, ...]:
    """Name the protocols that come with poolkit.

    Returns
    -------
    tuple of str
        In alphabetical order.

    Examples
    --------
    >>> protocol_names()
    ('cn-10in1-2020', 'cn-20in1-2022', 'de-lolli', 'us-fda-media-pool', 'us-fda-swab-pool')
    """
    return tuple(sorted(each.stem for each in _PRESETS.glob("*.toml")))


def load_protocol(what: Protocol | str | os.PathLike[str]) -> Protocol:
    """Return the protocol of that name, or the one in that file.

    Parameters
    ----------
    what
        One of `protocol_names`, or the path of a ``.toml`` file, or a protocol, which is returned as it is.

    Returns
    -------
    Protocol
        Complete and free of contradictions.

    Raises
    ------
    ProtocolError
        When no protocol has the name, or the file's fields are missing, unknown, of a wrong type, without a
        source, or contradict each other; every one is named.
    FormatError
        When the file cannot be read or is not TOML; the line is named.

    Notes
    -----
    The layout is ``name``, ``version`` and ``description``, then one table a value with ``value``, ``source`` and
    ``verified``; a value that may be null is null by leaving out ``value``. A protocol by name is read once.

    Examples
    --------
    >>> load_protocol("cn-20in1-2022").max_pool_size
    20
    >>> load_protocol("cn-30in1")
    Traceback (most recent call last):
    poolkit.errors.ProtocolError: no protocol is called 'cn-30in1'; there are cn-10in1-2020, cn-20in1-2022, ...
    """
    if isinstance(what, Protocol):
        return what
    if isinstance(what, str):
        if what in protocol_names():
            return _preset(what)
        if not what.endswith(".toml"):
            known = ", ".join(protocol_names())
            raise ProtocolError(f"no protocol is called {what!r}; there are {known}, or give the path of a .toml file")
    return _read(Path(what))


def recorded_protocol(text: str) -> Protocol:
    """Return the protocol whose values were written down by `Protocol.canonical`.

    Parameters
    ----------
    text
        One line of JSON, as a store keeps it with every commit.

    Returns
    -------
    Protocol
        With the same values; where they came from is not written down there.

    Raises
    ------
    ProtocolError
        When these are no values of a protocol.

    Examples
    --------
    >>> recorded_protocol(load_protocol("cn-10in1-2020").canonical()).label
    'cn-10in1-2020@1'
    """
    try:
        values = json.loads(text)
    except ValueError as reason:
        raise ProtocolError("no protocol was recorded", [Problem("values", f"expected JSON: {reason}")]) from None
    recorded = Source(text="as recorded by a store", verified=False)
    return Protocol(**{"description": "", **values, "sources": dict.fromkeys(VALUE_FIELDS, recorded)})


@cache
def _preset(name: str) -> Protocol:
    protocol = _read(_PRESETS / f"{name}.toml")
    assert protocol.name == name, (protocol.name, name)
    return protocol


def _read(path: Path) -> Protocol:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as reason:
        raise FormatError(f"{path} is not TOML", [_decode_problem(path, reason)]) from None
    except UnicodeDecodeError as reason:
        line = reason.object[: reason.start].count(b"\n") + 1
        raise FormatError(f"{path} is not TOML", [Problem(f"{path.name}:{line}", "must be UTF-8")]) from None
    except OSError as reason:
        raise FormatError(f"{path} cannot be read: {reason.strerror}") from None
    values, problems = _untie(content)
    try:
        protocol = Protocol(**values)
    except ProtocolError as reason:
        noted = {each.where for each in problems} | {f"sources.{each.where.split('.')[0]}" for each in problems}
        more = [each for each in reason.problems if each.where not in noted]
        raise ProtocolError(f"{path}: {reason.title}", [*problems, *more]) from None
    if problems:
        raise ProtocolError(f"{path}: protocol {protocol.name} is not complete", problems)
    return protocol


def _decode_problem(path: Path, reason: tomllib.TOMLDecodeError) -> Problem:
    text = str(reason)
    place = _PLACE.search(text)
    what = _PLACE.sub("", text)
    what = what[:1].lower() + what[1:]
    if place and place["line"]:
        return Problem(f"{path.name}:{place['line']}", what)
    last = path.read_text(encoding="utf-8").count("\n") + 1
    return Problem(f"{path.name}:{last}", f"{what} at the end of the file")


def _untie(content: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Part each value from its source; note what is not laid out as it should be."""
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for field, entry in content.items():
        if field not in VALUE_FIELDS:
            if field == "sources":
                problems.append(Problem(field, "unknown field; a source stands in the table of its value"))
            else:
                values[field] = entry
            continue
        if not isinstance(entry, dict):
            problems.append(Problem(field, f"must be a table of {', '.join(_ENTRY)}, found {entry!r}"))
            continue
        problems += [Problem(f"{field}.{key}", "unknown field") for key in entry if key not in _ENTRY]
        values |= _value(field, entry, problems)
        source, verified = entry.get("source"), entry.get("verified")
        if not isinstance(source, str):
            problems.append(Problem(f"{field}.source", "missing or not text: every value has a source"))
        if not isinstance(verified, bool):
            problems.append(Problem(f"{field}.verified", "missing or not true or false"))
        if isinstance(source, str) and isinstance(verified, bool):
            sources[field] = Source(text=source, verified=verified)
    return values | {"sources": sources}, problems


def _value(field: str, entry: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    if "value" in entry:
        return {field: entry["value"]}
    if field in ("internal_control", "ct_internal"):
        return {field: None}
    problems.append(Problem(field, "missing: the table has no value"))
    return {}

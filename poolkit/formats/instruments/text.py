"""Text exports: the RT-PCR software's ``.txt`` with its sections, and Design & Analysis' ``.csv``."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence

from poolkit.errors import some
from poolkit.formats.instruments.export import Export, Grid, as_key, grid, refuse

_SECTION = re.compile(r"^\[([^\[\]\n]+)\][\t, ]*$", re.MULTILINE)
_SHOWN = 60


def read_text(data: bytes) -> Export:
    """Read a text export: RT-PCR sections when there are any, Design & Analysis otherwise."""
    text = _decode(data).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise refuse("file", "is empty, expected a header and a table of results")
    at, first = next((at, line) for at, line in enumerate(text.split("\n"), 1) if line.strip())
    if first[0] not in "*#":
        raise refuse(
            f"line {at}",
            "expected header lines '* Key = value' (RT-PCR software) or '# Key: value' (Design & Analysis), "
            f"found {first[:_SHOWN]!r}",
        )
    if not text.endswith("\n"):
        n_lines = text.count("\n") + 1
        raise refuse(f"line {n_lines}", "the last line has no line break: the file is cut, export it again")
    sections = _sections(text)
    mark = first[0]
    header = _header(text, mark, "=" if mark == "*" else ":")
    return _sectioned(text, header, sections) if mark == "*" or sections else _flat(text, header)


def _decode(data: bytes) -> str:
    """Decode UTF-8 or UTF-16 by their marks, else UTF-8, else GBK, which Chinese Windows writes.

    GBK is tried last and strictly. It never takes a digit, tab, comma or quote for half of a character, so even
    text wrongly taken for GBK keeps its columns and its Ct.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    elif b"\0" in data:
        raise refuse("file", "is neither text nor an Excel workbook (or is UTF-16 without a byte order mark)")
    else:
        encodings = ("utf-8-sig", "gbk")
    reasons = []
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as reason:
            reasons.append((reason.start, encoding))
            continue
        if "\0" in text:
            break
        return text
    if not reasons:
        raise refuse("file", "is neither text nor an Excel workbook")
    start, encoding = reasons[0]
    line = data.count(b"\n", 0, start) + 1
    names = "UTF-16" if encoding == "utf-16" else "UTF-8 or GBK"
    raise refuse(f"line {line}", f"cannot be read as {names} text (byte {start}): save the file as UTF-8, or it is cut")


def _sections(text: str) -> dict[str, list[tuple[int, int]]]:
    """Return where the body of each section starts and ends; a name may stand more than once."""
    marks = list(_SECTION.finditer(text))
    found: dict[str, list[tuple[int, int]]] = {}
    for at, mark in enumerate(marks):
        end = marks[at + 1].start() if at + 1 < len(marks) else len(text)
        found.setdefault(as_key(mark[1]), []).append((min(mark.end() + 1, len(text)), end))
    return found


def _sectioned(text: str, header: dict[str, object], sections: dict[str, list[tuple[int, int]]]) -> Export:
    if "results" not in sections:
        found = some(f"[{name}]" for name in sections) or "none"
        raise refuse(
            "section [Results]",
            f"missing (sections found: {found}): the file is cut or was exported without results",
        )
    if len(sections["results"]) > 1:
        raise refuse("section [Results]", f"expected once, found {len(sections['results'])} times: one file is one run")
    results = _body_grid(text, "[Results]", sections["results"][0])
    if results is None:
        raise refuse("section [Results]", "has no table: the file is cut or was exported without results")
    planned = None
    for name in ("sample setup", "amplification data"):
        if planned is None and name in sections:
            planned = _body_grid(text, f"[{name.title()}]", sections[name][0])
    return Export(header, results, planned)


def _flat(text: str, header: dict[str, object]) -> Export:
    lines = text.split("\n")
    at = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    start = sum(len(line) + 1 for line in lines[:at])
    results = _body_grid(text, "", (min(start, len(text)), len(text)), exact=True)
    if results is None:
        raise refuse("file", "has header lines and no table of results: it is cut, export it again")
    return Export(header, results)


def _header(text: str, mark: str, between: str) -> dict[str, object]:
    """Read the lines of one key and one value; of a key that stands twice the first counts."""
    header: dict[str, object] = {}
    for line in text.split("\n"):
        if line.startswith(mark):
            key, _, value = line.lstrip(mark).partition(between)
            # A spreadsheet that saved the file again pads every line with commas or tabs.
            header.setdefault(as_key(key), value.rstrip(", \t").strip())
        elif line.strip():
            break
    return header


def _body_grid(text: str, name: str, span: tuple[int, int], *, exact: bool = False) -> Grid | None:
    body = text[span[0] : span[1]]
    where = f"section {name}" if name else ""
    first = text.count("\n", 0, span[0])
    names = next((line for line in body.split("\n") if line.strip()), "")
    delimiter = "\t" if "\t" in names else ","
    return grid(where, _records(body, delimiter, where, first), exact=exact)


def _records(body: str, delimiter: str, where: str, first: int) -> Iterator[tuple[int, Sequence[str]]]:
    """Give each record with the line that it begins on."""
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    line = first + 1
    try:
        for record in reader:
            yield line, record
            line = first + reader.line_num + 1
    except csv.Error as reason:
        place = f"{where}, line {line}" if where else f"line {line}"
        raise refuse(place, f"cannot be split into fields ({reason}): the file is cut or was edited") from None

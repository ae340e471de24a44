"""`read_instrument`: one export of a cycler becomes one run, its readings and its sample names."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa

from poolkit.errors import FormatError, Problem
from poolkit.formats.instruments.excel import is_workbook, read_workbook
from poolkit.formats.instruments.export import Export
from poolkit.formats.instruments.header import read_header
from poolkit.formats.instruments.results import read_results
from poolkit.formats.instruments.text import read_text
from poolkit.schemas import READINGS, RUNS, conform

NAMES = pa.schema([pa.field("well", pa.string(), nullable=False), pa.field("sample_name", pa.string())])


@dataclass(frozen=True, slots=True)
class InstrumentRun:
    """What one export file says: one run, its readings, and the sample names that its wells carry.

    Parameters
    ----------
    runs
        Exactly one row of the table ``runs``.
    readings
        Rows of the table ``readings``, in the file's order; a key that the file repeats stays repeated, for
        reconciliation to find.
    names
        Columns ``well`` and ``sample_name`` (null when blank): each pair that the file shows once, in its order,
        unused and omitted wells included.
    """

    runs: pa.Table
    readings: pa.Table
    names: pa.Table


def read_instrument(
    path: str | PathLike[str],
    *,
    plate_id: str | None = None,
    zone: str | None = None,
    ended_at: datetime | None = None,
) -> InstrumentRun:
    r"""Read the file that a QuantStudio or ABI 7500 exported: which plate, when, and each well's Ct.

    Parameters
    ----------
    path
        A text export of the RT-PCR software (``.txt``), a ``.csv`` or ``.xlsx`` of Design & Analysis 2, or an
        ``.xls`` / ``.xlsx`` of a QuantStudio 3, 5, 6, 7 or ABI 7500. The content decides, not the name's ending.
    plate_id
        Barcode of the plate; otherwise the file's own barcode, otherwise the file's name without its ending.
    zone
        IANA name of the instrument's time zone, e.g. ``Asia/Shanghai``. Needed when the file's times carry no zone,
        or one that names several (CST, IST, BST); where the file's zone is plain, the file's counts.
    ended_at
        End of the run, with a time zone; used when the file does not say it.

    Returns
    -------
    InstrumentRun
        ``runs`` of one row, ``readings`` of one row a well and target in use, ``names`` of one row a well (and
        sample name). ``run_id`` is the plate and the start of the file's SHA-256, so the same file read again is the
        same run. Ct in cycles, null where the file says Undetermined (or nothing, NaN, N/A, -); times in UTC.

    Raises
    ------
    FormatError
        The file cannot be opened, is no export of this family, is cut, or holds cells that cannot be understood: a Ct
        that is no number or not within 0 to 60 cycles, a well off the plate, a well number that contradicts its
        position, times without a zone. Every such cell is named at once with sheet or section, line and value.

    Notes
    -----
    O(bytes). Rows whose Omit is true give no reading, as the analyst set them aside: downstream their target is
    missing, which never becomes a negative. Rows without a target (unused wells) give none either.

    A file is held to be cut when its last line has no line break, a row has too few fields, a quote stays open,
    the results are absent or empty, its workbook cannot be opened, or its table Sample Setup (or, without one,
    Amplification Data of a text export) has wells and targets that the results lack. A ``.csv``, or a ``.txt``
    exported with its results alone, that is cut exactly between two rows carries no sign of it; the wells it
    lost are unread wells of the plate's map downstream. A workbook of Design & Analysis cannot be cut unseen,
    but one edited by hand can: its sheet Results is read as it stands, not compared with its other sheets. (The
    published KRISP workbook is such a one: its Results hold 3 wells, its Target Call the 12 that were run.)

    Text may be UTF-8 or UTF-16 (with its mark); other text is read as GBK if it is that.

    References
    ----------
    Names of header lines and columns are those of exports published in CERI-KRISP
    efficient-SARS-CoV-2-pooled-testing-strategy-code, Opentrons covid19 and Benchling allotropy.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> lines = [
    ...     "# Barcode: PLATE7",
    ...     "# Block Type: 96-Well 0.2-mL Block",
    ...     "# Instrument Serial Number: 272511234",
    ...     "# Plate Run Start Date/Time: 2020-04-18 07:08:17 PM PDT",
    ...     "# Plate Run End Date/Time: 2020-04-18 09:00:39 PM PDT",
    ...     '"Well","Well Position","Sample","Target","Cq","Omit"',
    ...     '"1","A1","T001","N","Undetermined","false"',
    ...     '"2","A2","T002","N","24.5","false"',
    ... ]
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "morning run.csv")
    ...     _ = path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    ...     run = read_instrument(path)
    >>> run.runs["plate_id"][0].as_py(), run.runs["ended_at"][0].as_py().isoformat()
    ('PLATE7', '2020-04-19T04:00:39+00:00')
    >>> run.readings.select(["well", "target", "ct_cycles"]).to_pylist()
    [{'well': 'A01', 'target': 'N', 'ct_cycles': None}, {'well': 'A02', 'target': 'N', 'ct_cycles': 24.5}]
    """
    file = Path(path)
    try:
        data = _bytes(file)
        export = read_workbook(data) if is_workbook(data) else read_text(data)
        return _run(export, file, data, plate_id=plate_id, zone=zone, ended_at=ended_at)
    except FormatError as fault:
        raise FormatError(f"cannot read {file} as a QuantStudio export", fault.problems) from None


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as reason:
        what = f"cannot be opened ({reason.strerror})"
        raise FormatError("not a file", [Problem("file", what)]) from None


def _run(
    export: Export, file: Path, data: bytes, *, plate_id: str | None, zone: str | None, ended_at: datetime | None
) -> InstrumentRun:
    problems: list[Problem] = []
    if ended_at is not None and ended_at.tzinfo is None:
        problems.append(Problem("ended_at", f"must carry a time zone, found {ended_at}"))
        ended_at = None
    results = read_results(export, problems)
    facts = read_header(export.header, zone=_zone(zone, problems), ended_at=ended_at, problems=problems)
    if problems or facts is None:
        raise FormatError("not a QuantStudio export", problems)
    digest = hashlib.sha256(data).hexdigest()
    plate = plate_id or facts.barcode or file.stem
    run_id = f"{plate}:{digest[:12]}"
    runs = {
        "run_id": [run_id],
        "plate_id": [plate],
        "instrument_id": [facts.instrument],
        "started_at": pa.array([facts.started_at], pa.timestamp("us", tz="UTC")),
        "ended_at": pa.array([facts.ended_at], pa.timestamp("us", tz="UTC")),
        "source_file": [file.name],
        "source_sha256": [digest],
    }
    readings = {
        "run_id": [run_id] * len(results.wells),
        "well": results.wells,
        "target": results.targets,
        "ct_cycles": pa.array(results.ct_cycles, pa.float64()),
    }
    wells, samples = zip(*results.names, strict=True)
    return InstrumentRun(
        conform(pa.table(runs), RUNS),
        conform(pa.table(readings), READINGS, keys=False),
        pa.table([pa.array(wells, pa.string()), pa.array(samples, pa.string())], schema=NAMES),
    )


def _zone(name: str | None, problems: list[Problem]) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(Problem("zone", f"expected an IANA time zone such as 'Asia/Shanghai', found {name!r}"))
        return None

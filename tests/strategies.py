"""Random days of a laboratory, with every mistake that the field has shown, small enough to read when one fails."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
from hypothesis import strategies as st

from poolkit.protocols import Protocol
from poolkit.schemas import CALLS, MEMBERS, ORDERS, POOLS, READINGS, RUNS, SAMPLES, WELLS, Day, History

MORNING = datetime(2024, 5, 6, 8, tzinfo=UTC)
TARGETS = ("N", "ORF1ab")
INTERNAL = "IC"
HALF_HOUR = timedelta(minutes=30)
MOST_SAMPLES = 12

# What one well can read, target by target; the limits of `protocols` are 37, 40 and (internal) 35.
READ = {
    "negative": [("N", None), ("ORF1ab", 40.5), ("IC", 28.0)],
    "positive": [("N", 21.0), ("ORF1ab", 22.0), ("IC", 29.0)],
    "single target": [("N", 30.0), ("ORF1ab", None), ("IC", 29.0)],
    "grey": [("N", None), ("ORF1ab", 38.0), ("IC", 29.0)],
    "single target and grey": [("N", 36.5), ("ORF1ab", 39.0), ("IC", None)],
    "at the limits": [("N", 37.0), ("ORF1ab", 40.0), ("IC", 35.0)],
    "no internal control": [("N", None), ("ORF1ab", None), ("IC", None)],
    "late internal control": [("N", None), ("ORF1ab", None), ("IC", 35.5)],
    "internal control not read": [("N", None), ("ORF1ab", None)],
    "one target not read": [("N", None), ("IC", 28.0)],
    "detected, other not read": [("N", 25.0), ("IC", 28.0)],
    "twice the same": [("N", None), ("N", None), ("ORF1ab", None), ("IC", 28.0)],
    "conflicting": [("N", None), ("N", 25.0), ("ORF1ab", None), ("IC", 28.0)],
    "internal control conflicting": [("N", 25.0), ("ORF1ab", 25.0), ("IC", 28.0), ("IC", None)],
    "unknown target": [("N", None), ("ORF1ab", None), ("IC", 28.0), ("RdRP", 20.0)],
    "only an unknown target": [("RdRP", 20.0)],
    "nothing": [],
}
# Negative and positive wells are most of a day, and what shrinking ends at.
LIKELY = ["negative"] * 8 + ["positive"] * 3 + list(READ)
CONTROLS = {
    "negative_control": "negative",
    "blank": "no internal control",
    "positive_control": "positive",
    "weak_positive_control": "positive",
}


class RandomDay(NamedTuple):
    """The tables of one day as lists of rows (`runs` may be None), and the moment it is computed (may be None)."""

    tables: dict
    at: datetime | None


class RandomDays(NamedTuple):
    """A protocol and one to three days, each to be computed with the history of those before it."""

    protocol: dict
    days: tuple[RandomDay, ...]


def to_day(tables: dict) -> Day:
    """Make a Day of plain rows."""
    schemas = {"samples": SAMPLES, "wells": WELLS, "readings": READINGS, "pools": POOLS, "members": MEMBERS}
    made = {name: pa.Table.from_pylist(tables[name], schema=each.schema) for name, each in schemas.items()}
    runs = tables["runs"]
    return Day(runs=None if runs is None else pa.Table.from_pylist(runs, schema=RUNS.schema), **made)


def to_history(tables: dict) -> History:
    """Make a History of plain rows."""
    schemas = {
        "samples": SAMPLES,
        "pools": POOLS,
        "members": MEMBERS,
        "wells": WELLS,
        "runs": RUNS,
        "calls": CALLS,
        "orders": ORDERS,
    }
    return History(**{name: pa.Table.from_pylist(tables[name], schema=each.schema) for name, each in schemas.items()})


def to_protocol(values: dict) -> Protocol:
    """Make a Protocol of a plain dict; what the computation of a day does not read is filled in."""
    filled = {
        "description": "Drawn at random.",
        "validated_pool_size": values["max_pool_size"],
        "transport_hours": 6.0,
        "report_hours": 24.0,
        **values,
    }
    named = [field for field in Protocol.model_fields if field not in ("name", "version", "description", "sources")]
    return Protocol(**filled, sources={field: {"text": "drawn at random", "verified": False} for field in named})


@st.composite
def protocols(draw) -> dict:
    """Draw a protocol with each option."""
    internal = draw(st.sampled_from([INTERNAL, None]))
    window = draw(st.sampled_from([{}, {}, {"N": (20.0, 25.0)}, {"N": (21.0, 21.0)}, {"N": (24.0, 30.0)}]))
    controls = draw(
        st.sampled_from(
            [
                {},
                {},
                {
                    "negative_control": {"minimum": 1, "windows": {}},
                    "positive_control": {"minimum": 1, "windows": window},
                },
                {"blank": {"minimum": 1, "windows": {}}, "weak_positive_control": {"minimum": 2, "windows": window}},
            ]
        )
    )
    return {
        "name": "random",
        "version": "1",
        "max_pool_size": draw(st.integers(2, 5)),
        "positive_pool": draw(st.sampled_from(["recollect", "retest"])),
        "swabs_per_recollect": draw(st.integers(1, 2)),
        "negatives_to_clear": draw(st.sampled_from([1, 1, 2, 0])),
        "amendment_approvals": 1,
        "second_suspect": draw(st.sampled_from(["positive", "recollect"])),
        "invalid_reruns": draw(st.integers(0, 2)),
        "exhausted_pool": draw(st.sampled_from(["invalid", "suspect"])),
        "targets": TARGETS,
        "internal_control": internal,
        "targets_for_positive": draw(st.sampled_from([2, 1])),
        "ct_positive": 37.0,
        "ct_limit": draw(st.sampled_from([40.0, 37.0])),
        "ct_internal": None if internal is None else 35.0,
        "controls": controls,
        "due_hours": {"recollect": 12.0, "retest": 6.0, "rerun": 0.5},
        "wells_per_instrument_hour": float(draw(st.sampled_from([96, 5, 2]))),
        "sensitivity": draw(st.sampled_from([((1, 0.9),), ((1, 0.95), (3, 0.85), (10, 0.6)), ((1, 1.0), (4, 0.7))])),
        "specificity": draw(st.sampled_from([0.99, 0.9, 1.0])),
        "prior_prevalence": draw(st.sampled_from([0.01, 0.2])),
    }


@st.composite
def random_days(draw, *, most_days: int = 3) -> RandomDays:
    """Draw a protocol and one to three days that follow each other."""
    protocol = draw(protocols())
    before: dict = {name: [] for name in ("samples", "pools", "members", "wells", "runs", "readings")}
    days = []
    for number in range(draw(st.integers(1, most_days))):
        day = draw(_day(protocol, before, number))
        days.append(day)
        for name, rows in before.items():
            _join(rows, day.tables[name] or [], name)
    return RandomDays(protocol, tuple(days))


KEYS = {
    "pools": ("pool_id",),
    "members": ("pool_id", "sample_id"),
    "wells": ("plate_id", "well"),
    "runs": ("run_id",),
}


def _join(rows: list, more: list, name: str) -> None:
    """Add the rows whose key is not there yet; samples and readings have no key that holds."""
    key = KEYS.get(name)
    for row in more:
        if key is None or not any(all(row[part] == old[part] for part in key) for old in rows):
            rows.append(row)


def _some(draw, of: list, most: int) -> list:
    return draw(st.lists(st.sampled_from(of), max_size=most, unique=True)) if of else []


def _names(letter: str, rows: list, column: str):
    """Count on from the ids that there are: S1, S2 ..."""
    used = len({row[column] for row in rows})
    while True:
        used += 1
        yield f"{letter}{used}"


@st.composite
def _day(draw, protocol: dict, before: dict, number: int) -> RandomDay:
    morning = MORNING + timedelta(days=number)
    samples = draw(_samples(protocol, before["samples"], morning))
    known = before["samples"] + samples
    pools, members = draw(_laboratory(protocol, before, known, number))
    tables = {"samples": samples, "pools": pools, "members": members}
    tables["wells"] = draw(_wells(before, known, before["pools"] + pools))
    timed = draw(st.sampled_from([True, True, True, False]))
    runs, readings = draw(_runs(before, tables["wells"], morning, timed, number))
    tables |= {"readings": readings, "runs": runs if timed else None}
    at = draw(st.sampled_from([None, morning + 9 * HALF_HOUR, morning + 30 * HALF_HOUR]))
    no_time = not known and not runs and not before["runs"]
    if at is None and (not timed or no_time):
        at = morning + 30 * HALF_HOUR
    return RandomDay(tables, at)


@st.composite
def _samples(draw, protocol: dict, before: list, morning: datetime) -> list:
    rows: list = []
    names = _names("S", before, "sample_id")
    tubes = _names("T", before, "tube_id")
    sizes = draw(st.lists(st.sampled_from([1, 2, 2, 1, 3, 1, 2, 1, protocol["max_pool_size"] + 1]), max_size=5))
    for size in sizes:
        # A tube of an earlier day may get a swab that was registered late.
        late = draw(st.sampled_from([None] * 6 + [row["tube_id"] for row in before[:3]]))
        tube_id = late or next(tubes)
        for slot in range(1, size + 1):
            if len(rows) < MOST_SAMPLES:
                rows.append(draw(_sample(next(names), tube_id, slot + 20 * bool(late), before + rows, morning)))
    # A day after the first often swabs a whole tube again, each into a tube of its own.
    again = draw(st.sampled_from([None, *{row["tube_id"]: None for row in before}])) if before else None
    for parent in {row["sample_id"]: row for row in before if row["tube_id"] == again}.values():
        if len(rows) < MOST_SAMPLES:
            row = draw(_sample(next(names), next(tubes), 1, [], morning))
            rows.append(row | {"subject_id": parent["subject_id"], "recollect_of": parent["sample_id"]})
    for mistake in draw(st.lists(st.sampled_from(["again", "tube", "subject", "slot", "late"]), max_size=1)):
        if before + rows:
            row = dict(draw(st.sampled_from(before + rows)))
            if mistake == "tube":
                row["tube_id"] = draw(st.sampled_from(["T1", "T2", "T9"]))
            elif mistake == "subject":
                row["subject_id"] = "A99"
            elif mistake == "late":
                row["collected_at"] += HALF_HOUR
            elif mistake == "slot" and rows:
                rows[-1]["slot"] = 1
            rows.insert(draw(st.integers(0, len(rows))), row)
    return rows


@st.composite
def _sample(draw, sample_id: str, tube_id: str, slot: int, others: list, morning: datetime) -> dict:
    row = {
        "sample_id": sample_id,
        "subject_id": f"A{sample_id[1:]}",
        "site_id": "site",
        "collected_at": morning + draw(st.integers(0, 3)) * HALF_HOUR,
        "kind": draw(st.sampled_from(["person"] * 9 + ["food"])),
        "tube_id": tube_id,
        "slot": slot,
        "group_id": draw(st.sampled_from([None, "G1"])),
        "recollect_of": None,
    }
    again = draw(st.sampled_from([False] * 5 + [True])) if others else False
    parent = draw(st.sampled_from(others)) if again else None
    if parent is not None:
        row["recollect_of"] = parent["sample_id"]
        how = draw(st.sampled_from(["valid", "valid", "valid", "other subject", "not later", "unknown"]))
        row["subject_id"] = row["subject_id"] if how == "other subject" else parent["subject_id"]
        if how == "not later":
            row["collected_at"] = parent["collected_at"]
        elif how == "unknown":
            row["recollect_of"] = "S99"
        else:
            row["collected_at"] = max(row["collected_at"], parent["collected_at"] + HALF_HOUR)
    return row


@st.composite
def _laboratory(draw, protocol: dict, before: dict, samples: list, number: int) -> tuple[list, list]:
    pools, members = [], []
    tubes = [row["tube_id"] for row in samples]
    alone = list(dict.fromkeys(row["sample_id"] for row in samples if tubes.count(row["tube_id"]) == 1))
    anyone = list(dict.fromkeys(row["sample_id"] for row in samples))
    names = _names("L", before["pools"], "pool_id")
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        pool_id = next(names)
        choice = draw(st.sampled_from([alone, alone, alone, [*anyone, "S98"]]))
        chosen = _some(draw, choice, protocol["max_pool_size"] + 1)
        said = len(chosen) + draw(st.sampled_from([0, 0, 0, 0, 5]))
        formed = draw(st.sampled_from(["laboratory"] * 7 + ["collection"]))
        laid_out = draw(st.booleans())
        pools.append(
            {
                "pool_id": pool_id,
                "formed": formed,
                "n_members": said,
                "stage": 1 + number,
                "design": "drawn" if laid_out else None,
                "block_id": "B1" if laid_out else None,
            }
        )
        members += [
            {"pool_id": pool_id, "sample_id": sample_id, "slot": slot, "volume_ul": draw(st.sampled_from([None, 50.0]))}
            for slot, sample_id in enumerate(chosen, 1)
        ]
    mistake = draw(st.sampled_from([None, None, None, "no pool", "again", "changed pool", "changed member", "grown"]))
    if mistake == "no pool":
        members.append({"pool_id": "L99", "sample_id": "S1", "slot": 1, "volume_ul": None})
    elif mistake is not None and before["pools"] and before["members"]:
        pool = dict(before["pools"][0])
        member = dict(before["members"][0])
        if mistake == "changed pool":
            pool["stage"] += 1
        elif mistake == "changed member":
            member["slot"] += 7
        elif mistake == "grown" and anyone:
            member |= {"pool_id": pool["pool_id"], "sample_id": draw(st.sampled_from(anyone))}
        pools.append(pool)
        members.append(member)
    return pools, _unique(members, "members")


def _unique(rows: list, name: str) -> list:
    kept: list = []
    _join(kept, rows, name)
    return kept


@st.composite
def _wells(draw, before: dict, samples: list, pools: list) -> list:
    tubes = list(dict.fromkeys(row["tube_id"] for row in samples))
    alone = list(dict.fromkeys(row["sample_id"] for row in samples))
    mixed = [row["pool_id"] for row in pools]
    # Tubes and mixtures are what a laboratory usually reads; X1 is nobody's.
    specimens = [*tubes, *mixed, *tubes, *mixed, *alone, "X1"]
    rows: list = []
    plates = _names("P", before["wells"], "plate_id")
    full = ["negative_control", "positive_control", "blank", "weak_positive_control", "weak_positive_control"]
    layouts = [full] * 6 + [full[:2], full[:1], []]
    for _ in range(draw(st.sampled_from([1, 2, 0]))):
        plate_id = draw(st.sampled_from(["new", "new", "new", "old"]))
        plate_id = before["wells"][-1]["plate_id"] if plate_id == "old" and before["wells"] else next(plates)
        start = 6 if any(row["plate_id"] == plate_id for row in before["wells"]) else 1
        contents = [(content, None) for content in draw(st.sampled_from(layouts))] if start == 1 else []
        # Often everything of the day, now and then the same twice, and what is only sometimes tested alone.
        usual = tubes[-5:] + mixed[-2:] if draw(st.booleans()) else []
        retested = alone[: draw(st.integers(0, 3))] if before["wells"] else []
        extra = retested + draw(st.lists(st.sampled_from(specimens), max_size=4))
        contents += [("specimen", each) for each in usual + extra]
        contents += draw(st.sampled_from([[], [("empty", None)]]))
        rows += [
            {"plate_id": plate_id, "well": f"{chr(65 + k % 8)}{start + k // 8:02}", "content": c, "specimen_id": s}
            for k, (c, s) in enumerate(contents)
        ]
    mistake = draw(st.sampled_from([None, None, "again", "changed"]))
    if mistake is not None and before["wells"]:
        row = dict(draw(st.sampled_from(before["wells"])))
        if mistake == "changed":
            row |= {"content": "specimen", "specimen_id": draw(st.sampled_from(specimens))}
        rows.append(row)
    return _unique(rows, "wells")


@st.composite
def _runs(draw, before: dict, wells: list, morning: datetime, timed: bool, number: int) -> tuple[list, list]:
    """Draw the day's runs and their readings; of a day without a runs table the run is called as its plate."""
    mapped = _unique(before["wells"] + wells, "wells")
    plates = list(dict.fromkeys(row["plate_id"] for row in wells))
    plates += [row["plate_id"] for row in before["wells"][-1:] if row["plate_id"] not in plates]
    if timed:
        plates = [plate_id for plate_id in plates for _ in range(draw(st.sampled_from([1, 1, 2, 0])))]
    names = _names("R", before["runs"], "run_id")
    runs, readings = [], []
    for plate_id in plates:
        run_id = next(names) if timed else plate_id
        # The first end is before some swabs were taken, the last after some `at`.
        ended_at = morning + draw(st.sampled_from([8, 8, 9, 7, 1, 12])) * HALF_HOUR
        runs.append(_run(run_id, plate_id, draw(st.sampled_from(["I1", "I2"])), ended_at))
        if draw(st.sampled_from([True, True, True, True, True, False])):
            its = {row["well"]: row for row in mapped if row["plate_id"] == plate_id}
            readings += draw(_read(run_id, its))
    if timed and before["runs"]:
        old = draw(st.sampled_from(before["runs"]))
        how = draw(st.sampled_from(["nothing", "again", "late", "changed run", "changed reading"]))
        again = [dict(row) for row in before["readings"] if row["run_id"] == old["run_id"]]
        if how == "changed run":
            runs.append(old | {"instrument_id": "I3"})
        elif how in ("again", "changed reading"):
            runs.append(dict(old))
        if how == "changed reading" and again:
            again[0]["ct_cycles"] = 25.0
        if how == "late":
            again = draw(_read(old["run_id"], {w["well"]: w for w in mapped if w["plate_id"] == old["plate_id"]}))
        readings += again if how != "nothing" else []
    stray = draw(st.sampled_from([None, None, None, "well", "run"]))
    if stray is not None and (timed or stray == "well"):
        run_id = (runs[0]["run_id"] if runs else "P1") if stray == "well" else "R99"
        readings.append({"run_id": run_id, "well": "H12", "target": "N", "ct_cycles": 20.0})
    return runs, readings


def _run(run_id: str, plate_id: str, instrument_id: str, ended_at: datetime) -> dict:
    rest = ("operator_id", "extraction_lot", "amplification_lot", "source_file", "source_sha256")
    return {
        "run_id": run_id,
        "plate_id": plate_id,
        "instrument_id": instrument_id,
        "started_at": ended_at - 2 * HALF_HOUR,
        "ended_at": ended_at,
        **dict.fromkeys(rest),
    }


@st.composite
def _read(draw, run_id: str, wells: dict) -> list:
    """Draw what a run reads in each well of its plate."""
    good = draw(st.sampled_from([True] * 6 + [False]))
    rows = []
    for well, row in wells.items():
        if row["content"] == "specimen":
            reads = READ[draw(st.sampled_from(LIKELY))]
        elif row["content"] == "empty":
            reads = draw(st.sampled_from([[], [], READ["negative"]]))
        elif good:
            reads = READ[CONTROLS[row["content"]]]
        else:
            reads = READ[draw(st.sampled_from(sorted(READ)))]
        rows += [{"run_id": run_id, "well": well, "target": target, "ct_cycles": ct} for target, ct in reads]
    return rows

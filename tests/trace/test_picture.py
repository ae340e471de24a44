"""A trace as a picture: well-formed, everything once, nobody's text is more than text."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest

import poolkit
from poolkit import Failures, Lab, TraceError
from poolkit.trace.graph import COLUMNS, graph_of
from poolkit.trace.lineage import TRACE
from poolkit.trace.picture import picture
from tests.quality.stores import BEGAN

SVG = "{http://www.w3.org/2000/svg}"
WORDS = {"sample", "tube", "mixture", "well", "run", "call", "result", "order"}
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><g onload='x'>",
    "x" * 300,
    "样本-一二三四五六七八九十",
    "a\u202eb\x00",
    "]]>&amp;",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("traced")
    made = poolkit.simulate_day(1000, 0.01, 3, failures=Failures.none())
    poolkit.write_day(made.day, root / "day")
    with Lab.open(root / "store") as lab:
        lab.run(root / "day")
        evening = poolkit.simulate_evening(made.day, made.truth, lab.orders(), 3, failures=Failures.none())
        poolkit.write_day(evening, root / "evening")
        lab.run(root / "evening")
    return root / "store"


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def n_nodes(svg: str) -> int:
    """Nodes drawn, and those that a node stands for."""
    said = texts(svg)[2 + len(COLUMNS) :]
    folded = [int(text.split()[2].replace(",", "")) for text in said if text.startswith("… and ")]
    return sum(text in WORDS for text in said) + sum(folded)


def reactive_sample(lab: Lab) -> dict[str, Any]:
    """A first swab that is positive by a second one."""
    positive = {row["sample_id"] for row in lab.results().to_pylist() if row["status"] == "positive"}
    return next(row for row in lab.table("samples").to_pylist() if row["sample_id"] in positive)


def test_every_step_of_a_positive_sample_is_there_once(store: Path) -> None:
    with Lab.open(store, create=False) as lab:
        sample = reactive_sample(lab)
        name = sample["sample_id"]
        trace, svg = lab.trace(name), lab.trace_picture(name)
    steps = Counter(trace["step"].to_pylist())
    assert (steps["collected"], steps["called"], steps["order"]) == (2, 2, 1)
    said = texts(svg)
    assert said[0] == f"Trace of {name}"
    shown = Counter(text for text in said[2 + len(COLUMNS) :] if text in WORDS)
    expected = {"sample": 2, "tube": 2, "well": 2, "run": 2, "call": 2, "order": 1, "result": steps["result"]}
    assert shown == expected
    assert sample["tube_id"] in said
    assert any(text.startswith("extr. lot EX-") for text in said)
    assert f"of {name}" in said


def test_what_the_result_rests_on_is_marked_from_the_swab_to_the_result(store: Path) -> None:
    with Lab.open(store, create=False) as lab:
        sample = reactive_sample(lab)["sample_id"]
        trace = lab.trace(sample)
        evidence = next(r["evidence"] for r in lab.results().to_pylist() if r["sample_id"] == sample)
        again = next(r["sample_id"] for r in lab.table("samples").to_pylist() if r["recollect_of"] == sample)
    graph = graph_of(trace, sample)
    marked = [edge for edge, is_marked in graph.edges.items() if is_marked]
    # One way: nothing forks, and it leads from the first swab by way of the second to the newest result.
    assert max(Counter(source for source, _ in marked).values()) == 1
    assert max(Counter(target for _, target in marked).values()) == 1
    after = dict(marked)
    way = [("sample", sample)]
    while way[-1] in after:
        way.append(after[way[-1]])
    assert len(way) == len(marked) + 1
    assert ("sample", again) in way
    specimen, run, well = evidence.split("/")
    kinds = [key[0] for key in way]
    assert way[-6:-1] == [
        ("sample", again),
        ("specimen", specimen),
        ("well", graph.wells["call", run, well][1], well),
        ("run", run),
        ("call", run, well),
    ]
    assert kinds[-1] == "result"
    assert graph.nodes[way[-1]].title == "positive"


def test_ten_of_a_tube_stand_side_by_side_and_answers_below(store: Path) -> None:
    with Lab.open(store, create=False) as lab:
        tube = reactive_sample(lab)["tube_id"]
        graph = graph_of(lab.trace(tube), tube)
        svg = lab.trace_picture(tube)
    assert Counter(node.band for node in graph.nodes.values() if node.kind == "sample") == {0: 10, 1: 10}
    assert n_nodes(svg) == len(graph.nodes)
    assert sum(is_marked for (source, _), is_marked in graph.edges.items() if source == ("specimen", tube)) == 1
    into_tube = [is_marked for (_, target), is_marked in graph.edges.items() if target == ("specimen", tube)]
    assert into_tube == [True] * 10


def test_many_fold_into_one_that_says_how_many(store: Path) -> None:
    with Lab.open(store, create=False) as lab:
        sample = reactive_sample(lab)
        calls = lab.table("calls").to_pylist()
        read = next(row for row in calls if row["specimen_id"] == sample["tube_id"])
        trace, svg = lab.trace(read["plate_id"]), lab.trace_picture(read["plate_id"])
        again = lab.trace_picture(read["plate_id"])
    graph = graph_of(trace, read["plate_id"])
    said = texts(svg)
    n_samples = sum(node.kind == "sample" for node in graph.nodes.values())
    assert n_samples > 100
    assert f"… and {n_samples - 11:,} more" in said
    assert n_nodes(svg) == len(graph.nodes)
    # The pool that reacted is not among those folded away.
    assert sample["tube_id"] in said
    assert read["well"] in said
    assert svg == again


def step(what: str, number: int, detail: str, **ids: str | None) -> dict[str, Any]:
    row = dict.fromkeys(TRACE.names) | {"step": what, "at": BEGAN + timedelta(hours=number), "detail": detail}
    return row | ids


def chain(sample: str, tube: str, plate: str, run: str) -> pa.Table:
    """Everything that can happen to one sample, under any ids."""
    place = {"specimen_id": tube, "plate_id": plate, "well": "A01"}
    rows = [
        step(
            "collected",
            0,
            f"person at S into tube {tube}, slot 1",
            sample_id=sample,
            specimen_id=tube,
            subject_id=sample,
        ),
        step("plated", 1, f"specimen in {plate}/A01", **place) | {"at": None},
        step("read", 2, f"Ct N 30.00; on {run}; by {tube}", run_id=run, **place),
        step("called", 2, "suspect (grey)", run_id=run, **place),
        step("result", 2, f"suspect, probability 0.5, resting on {tube}/{run}/A01, by p@1", sample_id=sample),
        step("order", 3, "recollect because of suspect_pool, due 2022-04-02 00:00 UTC", sample_id=sample),
        step(
            "collected",
            4,
            f"person at S into tube {tube}2, slot 1, taken again for {sample}",
            sample_id=f"{sample}2",
            specimen_id=f"{tube}2",
        ),
        step("finding", 5, f"warning: tube_not_received: {tube}2") | {"at": None},
        step("result", 6, "pending, nothing read yet, by p@1", sample_id=f"{sample}2"),
    ]
    return pa.Table.from_pylist(rows, schema=TRACE.schema)


def test_of_a_run_only_the_well_that_was_called_is_marked() -> None:
    rows = chain("S", "T", "P", "R").to_pylist()
    place = {"specimen_id": "S", "plate_id": "P", "well": "A02"}
    rows += [step("plated", 1, "specimen in P/A02", **place), step("called", 2, "negative", run_id="R", **place)]
    graph = graph_of(pa.Table.from_pylist(rows, schema=TRACE.schema), "S")
    assert graph.edges[("well", "P", "A01"), ("run", "R")]
    assert not graph.edges[("well", "P", "A02"), ("run", "R")]
    assert not graph.edges[("sample", "S"), ("well", "P", "A02")]


@pytest.mark.parametrize("name", HOSTILE)
def test_ids_are_only_ever_text(name: str) -> None:
    trace = chain(f"S{name}", f"T{name}", f"P{name}", f"R{name}")
    svg = picture(trace, f"S{name}")
    root = ElementTree.fromstring(svg)
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags <= {"svg", "title", "rect", "path", "polygon", "text"}
    assert not [key for each in root.iter() for key in each.attrib if key.startswith("on") or "href" in key]
    assert n_nodes(svg) == 10
    # 300 letters do not run over their neighbours; all of them are there for who asks.
    of_nodes = [each.text or "" for each in root.iter(f"{SVG}text") if float(each.attrib["font-size"]) < 11]
    assert max(map(len, of_nodes)) < 30
    assert max(map(len, texts(svg))) < 210
    hints = [each.text for each in root.iter(f"{SVG}title")]
    assert any(name in hint for hint in hints if hint) or "\x00" in name
    assert "\u202e" not in svg
    graph = graph_of(trace, f"S{name}")
    assert (("order", f"S{name}", "0"), ("sample", f"S{name}2")) in graph.edges
    assert graph.edges[("call", f"R{name}", "A01"), ("result", f"S{name}", "0")]


def test_a_circle_of_swabs_ends() -> None:
    rows = [
        step(
            "collected",
            number,
            f"person at S into tube T{name}, slot 1, taken again for {other}",
            sample_id=name,
            specimen_id=f"T{name}",
        )
        for number, (name, other) in enumerate((("A", "B"), ("B", "C"), ("C", "A"), ("D", "D")))
    ]
    trace = pa.Table.from_pylist(rows, schema=TRACE.schema)
    assert n_nodes(picture(trace, "A")) == 8


def test_a_mixture_of_the_laboratory_and_a_step_of_later_times() -> None:
    rows = chain("S", "T", "P", "R").to_pylist()
    rows.append(step("pooled", 1, "into M, slot 1", sample_id="S", specimen_id="M"))
    rows.append(step("amended", 8, "negative because of a mix-up", sample_id="S"))
    trace = pa.Table.from_pylist(rows, schema=TRACE.schema)
    said = texts(picture(trace, "S"))
    assert "mixture" in said
    assert "amended: negative because of a mix-up" in said


def test_what_is_not_there_has_no_picture(store: Path) -> None:
    with Lab.open(store, create=False) as lab, pytest.raises(TraceError, match="nothing to trace"):
        lab.trace_picture("nobody")

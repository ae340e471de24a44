"""Every verb: what it writes, what it says to people and to programs, and its exit code."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

import poolkit as library
from poolkit.cli import options
from poolkit.formats import read_day, read_table
from poolkit.schemas import ACTIONS, RESULTS, SEVERITIES, STATUSES, conform
from tests.cli.commands import document, poolkit
from tests.cli.conftest import Lab


def test_version() -> None:
    assert poolkit("--version").stdout == f"poolkit {library.__version__}\n"


def test_every_verb_has_help_of_one_sentence_and_every_option_is_described() -> None:
    listed = poolkit("--help").stdout
    for verb in ("demo", "simulate", "plate", "run", "results", "orders", "findings", "trace", "monitor", "protocols"):
        assert verb in listed
        said = poolkit(verb, "--help").stdout
        assert "json" in said
        assert "Parameters" not in said


def test_options_know_the_words_of_the_tables() -> None:
    assert {each.value for each in options.Action} == set(ACTIONS)
    assert {each.value for each in options.Severity} == set(SEVERITIES)
    assert library.load_protocol(options.PROTOCOL).name == options.PROTOCOL


def test_simulate_writes_what_the_library_makes(lab: Lab) -> None:
    made = library.simulate_day(1200, 0.01, 5)
    assert read_day(lab.folder / "day").samples.equals(library.conform(made.day.samples, library.schemas.SAMPLES))
    orders = library.process(made.day).orders
    evening = library.simulate_evening(made.day, made.truth, orders, 5)
    written = read_day(lab.folder / "evening")
    assert written.samples["sample_id"].to_pylist() == evening.samples["sample_id"].to_pylist()
    assert written.readings["ct_cycles"].equals(evening.readings["ct_cycles"])
    assert (lab.folder / "truth.parquet").is_file()


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv"])
def test_simulate_in_every_format(tmp_path: Path, kind: str) -> None:
    said = document(
        "simulate", "--samples", 100, "--prevalence", 0.02, "--seed", 1, "--out", tmp_path / "new", "--format", kind
    )
    assert said["samples"] == 100
    assert said["day"]["samples"] == 100
    assert {path.suffix for path in (tmp_path / "new" / "day").iterdir()} == {f".{kind}"}
    assert read_day(tmp_path / "new" / "evening").samples.num_rows == said["evening"]["samples"]


def test_simulate_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    words = ("simulate", "--samples", 10, "--prevalence", 0, "--seed", 1, "--out", tmp_path)
    assert "expected a new folder, found mine.txt in it" in poolkit(*words, status=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_run_says_what_became_of_the_samples(lab: Lab) -> None:
    day = lab.summaries["day"]
    assert set(day) == {
        *("commit", "repeated", "source", "protocol", "computed_at", "content_key", "head", "key_id"),
        *("samples", "pools", "wells", "calls", "results", "orders", "findings", "errors", "seconds"),
    }
    assert (day["commit"], day["samples"], day["repeated"], day["source"]) == (1, 1200, False, "day")
    assert sum(day["results"].values()) == 1200
    assert set(day["results"]) <= set(STATUSES)
    assert next(iter(day["seconds"])) == "read"
    assert lab.summaries["evening"]["commit"] == 2


def test_run_again_writes_nothing(lab: Lab) -> None:
    again = document("run", lab.folder / "day", "--store", lab.store)
    assert again == {**lab.summaries["day"], "repeated": True}
    assert "nothing was written" in poolkit("run", lab.folder / "day", "--store", lab.store).stdout


def test_run_at_a_moment(lab: Lab, tmp_path: Path) -> None:
    moments = ("2022-04-02T08:00:00+08:00", "2022-04-02T00:00:00Z")
    said = [
        document("run", lab.folder / "day", "--store", tmp_path / str(n), "--at", text)
        for n, text in enumerate(moments)
    ]
    said.append(
        document(
            *("run", lab.folder / "day", "--store", tmp_path / "zone"),
            *("--at", "2022-04-02T08:00", "--zone", "Asia/Shanghai"),
        )
    )
    assert {datetime.fromisoformat(each["computed_at"]) for each in said} == {datetime(2022, 4, 2, tzinfo=UTC)}


def test_findings_of_severity_error_are_shown_first(broken: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    lines = poolkit("run", broken, "--store", store, status=1).stdout.splitlines()
    assert lines[0] == "12 findings of severity error"
    assert sum(line.startswith("error") for line in lines) == 10
    assert "and 2 more" in lines
    said = document("run", broken, "--store", store, status=1)
    assert (said["errors"], said["findings"]["slot_twice"], said["repeated"]) == (12, 12, True)


def test_findings(broken: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    document("run", broken, "--store", store, status=1)
    said = document("findings", "--store", store, "--out", tmp_path / "findings.csv", status=1)
    assert said["by_severity"]["error"] == 12
    assert [each["severity"] for each in said["findings"]][:12] == ["error"] * 12
    assert len((tmp_path / "findings.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(said["findings"])
    assert document("findings", "--store", store, "--severity", "info")["findings"] == []
    assert poolkit("findings", "--store", store, "--severity", "info").stdout == "Findings: none\n"
    assert poolkit("findings", "--store", store, "--severity", "error", status=1).stdout.count("slot_twice") == 12


def test_results_are_the_same_in_three_formats(lab: Lab, tmp_path: Path) -> None:
    read = []
    for suffix in (".parquet", ".arrow", ".csv"):
        file = tmp_path / f"my results{suffix}"
        said = document("results", "--store", lab.store, "--out", file)
        assert (said["samples"], said["out"]) == (sum(said["results"].values()), str(file))
        rows = conform(read_table(file, RESULTS), RESULTS)
        read.append(rows.cast(RESULTS.schema))
    assert read[0].equals(read[1])
    assert read[0].equals(read[2])
    with library.Lab.open(lab.store) as store:
        assert store.results().cast(RESULTS.schema).equals(read[0])
    assert f"{read[0].num_rows:,} results in" in poolkit("results", "--store", lab.store, "--out", file).stdout


def test_orders(lab: Lab, tmp_path: Path) -> None:
    said = document("orders", "--store", lab.store, "--out", tmp_path / "orders.parquet")
    with library.Lab.open(lab.store) as store:
        assert {each["order_id"] for each in said["orders"]} == set(store.orders()["order_id"].to_pylist())
    due = [each["due_at"] for each in said["orders"]]
    assert due == sorted(due)
    assert pa.parquet.read_table(tmp_path / "orders.parquet").num_rows == len(due)
    for action in ACTIONS:
        only = document("orders", "--store", lab.store, "--action", action)
        assert only["by_action"] == ({action: said["by_action"][action]} if action in said["by_action"] else {})


def test_orders_of_a_day_are_listed_and_counted(lab: Lab, tmp_path: Path) -> None:
    poolkit("run", lab.folder / "day", "--store", tmp_path)
    said = document("orders", "--store", tmp_path)
    listed = poolkit("orders", "--store", tmp_path).stdout
    assert f"and {len(said['orders']) - 20} more" in listed
    assert said["orders"][0]["sample_id"] in listed


def test_trace(lab: Lab) -> None:
    with library.Lab.open(lab.store) as store:
        results = store.results().to_pylist()
        again = set(store.table("samples")["recollect_of"].drop_null().to_pylist())
    sample = next(each["sample_id"] for each in results if each["sample_id"] in again)
    rows = document("trace", sample, "--store", lab.store)
    steps = [row["step"] for row in rows]
    assert steps[0] == "collected"
    assert {"collected", "plated", "read", "called", "result", "order"} <= set(steps)
    assert sum(step == "collected" for step in steps) == 2
    listed = poolkit("trace", sample, "--store", lab.store).stdout
    assert f"{sample}, {len(rows)} steps, times in UTC" in listed
    for step in steps:
        assert step in listed


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_trace_fits_its_width_and_keeps_barcodes_whole(lab: Lab, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with library.Lab.open(lab.store) as store:
        sample = store.table("samples")["recollect_of"].drop_null()[0].as_py()
    lines = poolkit("trace", sample, "--store", lab.store).stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(sample in line for line in lines) >= 3


def test_protocols() -> None:
    listed = document("protocols")
    assert [each["name"] for each in listed] == list(library.protocol_names())
    for name in library.protocol_names():
        said, protocol = document("protocols", name), library.load_protocol(name)
        assert set(said["values"]) == set(protocol.sources)
        for field, entry in said["values"].items():
            assert (entry["source"], entry["verified"]) == (
                protocol.source(field).text,
                protocol.source(field).verified,
            )
        assert said["values"]["max_pool_size"]["value"] == protocol.max_pool_size
        shown = poolkit("protocols", name).stdout
        assert all(field in shown for field in protocol.sources)


def test_a_protocol_file(tmp_path: Path) -> None:
    preset = Path(library.protocols.__file__).parent / "presets" / "de-lolli.toml"
    mine = tmp_path / "my rules.toml"
    mine.write_text(preset.read_text(encoding="utf-8").replace('"de-lolli"', '"mine"', 1), encoding="utf-8")
    assert document("protocols", mine)["name"] == "mine"


def test_demo(lab: Lab, tmp_path: Path) -> None:
    said = document("demo", "--samples", 2000, "--prevalence", 0.01, "--seed", 2, "--out", tmp_path / "kept")
    assert set(said["rounds"]) == {"day", "evening"}
    assert said["rounds"]["day"]["samples"] == 2000
    assert sum(sum(counts.values()) for counts in said["truth"].values()) == 2000
    assert said["truth"]["not_infected"]["positive"] == 0
    assert said["trace"]["rows"][0]["step"] == "collected"
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["day", "evening", "store", "truth.parquet"]
    assert document("trace", said["trace"]["id"], "--store", tmp_path / "kept" / "store") == said["trace"]["rows"]
    assert "not empty" in poolkit("demo", "--samples", 10, "--out", tmp_path / "kept", status=2).stderr


def test_demo_is_legible() -> None:
    shown = poolkit("demo", "--samples", 2000).stdout
    for word in ("samples handed in", "wells", "seconds", "against the truth", "infected found", "missed", "collected"):
        assert word in shown


def test_demo_of_one_healthy_person() -> None:
    said = document("demo", "--samples", 1, "--prevalence", 0)
    assert said["truth"]["not_infected"]["negative"] == 1
    assert said["trace"]["rows"][0]["sample_id"] == said["trace"]["id"]


def test_json_has_no_second_document(lab: Lab) -> None:
    text = poolkit("orders", "--store", lab.store, "--json").stdout
    _, end = json.JSONDecoder().raw_decode(text)
    assert text[end:] == "\n"

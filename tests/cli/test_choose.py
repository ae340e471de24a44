"""`poolkit choose` says what `choose` finds, and draws what `frontier` finds."""

import pytest

import poolkit as pk
from tests.cli.commands import document, poolkit

ASKED = ("choose", "--prevalence", 0.02, "--max-pool", 8, "--sensitivity", 0.95, "--specificity", 0.99)


def test_the_document_is_the_table():
    rows = document(*ASKED)
    chosen = pk.choose(0.02, assay=pk.Assay(0.95, 0.99), max_pool=8)
    assert rows == chosen.table.to_dict("records")
    rows = document(*ASKED, "--objective", "tests_per_correct", "--max-rounds", 2, "--min-sensitivity", 0.9)
    chosen = pk.choose(
        0.02,
        assay=pk.Assay(0.95, 0.99),
        max_pool=8,
        max_rounds=2,
        min_sensitivity=0.9,
        objective="tests_per_correct",
    )
    assert [row["value"] for row in rows] == chosen.table["value"].tolist()


@pytest.mark.parametrize(("suffix", "first"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_the_frontier_is_drawn(tmp_path, suffix, first):
    picture = tmp_path / f"frontier{suffix}"
    said = poolkit(*ASKED, "--picture", picture).stdout
    assert picture.read_bytes().startswith(first)
    assert said.startswith("prevalence 0.02, pools of at most 8\n")
    n_designs = len(pk.frontier(0.02, assay=pk.Assay(0.95, 0.99), max_pool=8))
    assert f"frontier of {n_designs} designs drawn to " in said
    assert f"best: {pk.choose(0.02, assay=pk.Assay(0.95, 0.99), max_pool=8).name}\n" in said


def test_by_viral_loads():
    asked = ("choose", "--prevalence", 0.02, "--max-pool", 6, "--loads", "--limit-cycles", 37)
    assay = pk.Assay.of_loads(limit_cycles=37.0)
    chosen = pk.choose(0.02, assay=assay, max_pool=6, min_sensitivity=0.9)
    assert document(*asked, "--min-sensitivity", 0.9) == chosen.table.to_dict("records")
    said = poolkit(*asked).stdout
    simulated = pk.choose(0.02, assay=assay, max_pool=6).table.query("not exact")
    assert said.count(" ± ") == len(simulated) > 0
    assert "found % with ±: simulated, with its standard error" in said
    assert "±" not in poolkit(*ASKED).stdout


def test_what_cannot_be_answered(tmp_path):
    refused = document(*ASKED, "--loads", status=2)
    assert "sensitivity: comes from the viral loads with --loads, give one of them" in refused["error"]["message"]
    refused = document(*ASKED, "--picture", tmp_path / "frontier.txt", status=2)
    assert "picture: must end with .png or .svg, found frontier.txt" in refused["error"]["message"]
    refused = document("choose", "--prevalence", 2, status=2)
    assert "prevalence: must be from 0 to 1, found 2" in refused["error"]["message"]

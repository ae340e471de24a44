"""`poolkit plan`: the table, the picture and the document say what `plan_campaign` finds."""

import pytest

from poolkit.planning import plan_campaign, scenario_names
from tests.cli.commands import document, poolkit

CHANGES = {"people": 3_000, "sites": 3, "tables": 12, "labs": 1, "cyclers": 2, "extractors": 2}
SET = [word for name, value in CHANGES.items() for word in ("--set", f"{name}={value:,}")]


@pytest.fixture(scope="module")
def told():
    return document("plan", "dalian-2020-12", *SET, "--seed", 4)


def test_the_document_is_the_plan(told):
    plan = plan_campaign("dalian-2020-12", seed=4, **CHANGES)
    assert told["scenario"] == "dalian-2020-12"
    assert told["binding"] == plan.binding
    assert told["meets_deadline"] == plan.meets_deadline
    facts = {row["name"]: row["value"] for row in told["facts"]}
    assert facts["last_hour"] == plan.last_hour
    assert [row["stage"] for row in told["capacity"]] == plan.capacity["stage"].tolist()
    assert [row["peak_backlog"] for row in told["stages"]] == plan.stages["peak_backlog"].tolist()
    assert set(told["unverified"]) == {row["name"] for row in told["assumptions"] if not row["verified"]}
    assert told["picture"] is None
    # A courier without limit takes any number: no number in the document.
    assert told["capacity"][1]["people_a_day"] is None


def test_the_screen_says_what_binds_and_what_is_unverified(told):
    said = poolkit("plan", "dalian-2020-12", *SET, "--seed", 4).stdout
    assert said.startswith("Dalian, December 2020\n")
    assert "What each stage can take" in said
    assert "How the stages match" in said
    count = f"{len(told['unverified'])} of {len(told['assumptions'])} values are not verified: "
    assert count in said
    assert "h asked for" in said


@pytest.mark.parametrize(
    ("hours", "says"),
    [(500, "everybody has a result within the 500 h asked for"), (20, "h later than the 20 h asked for: ")],
)
def test_the_verdict(hours, says):
    assert says in poolkit("plan", "dalian-2020-12", *SET, "--set", f"deadline_hours={hours}").stdout


def test_everybody_tested_and_retests_late():
    plan = plan_campaign("dalian-2020-12", seed=4, prevalence=0.01, **CHANGES)
    facts = plan.facts().set_index("name")["value"]
    between = (facts["tested_hour"] + facts["last_hour"]) / 2.0
    assert facts["tested_hour"] < between < facts["last_hour"]
    words = ("--seed", 4, "--set", "prevalence=0.01", "--set", f"deadline_hours={between}")
    said = poolkit("plan", "dalian-2020-12", *SET, *words).stdout
    assert "everybody is tested once within the" in said
    assert "the last retest or recollection is" in said


def test_the_picture(tmp_path):
    path = tmp_path / "plan.png"
    said = poolkit("plan", "dalian-2020-12", *SET, "--picture", path).stdout
    assert said.endswith(f"drawn in {path}\n")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert document("plan", "dalian-2020-12", *SET, "--picture", tmp_path / "x.svg")["picture"].endswith("x.svg")


def test_the_list():
    assert [row["name"] for row in document("plan")] == list(scenario_names())
    said = poolkit("plan", "--list").stdout
    assert all(name in said for name in scenario_names())


def test_wrong_changes_are_all_named():
    wrong = ["labs=many", "cars=3", "pool_size", "people=0", "sites=1", "sites=2"]
    error = document("plan", "dalian-like", *(word for each in wrong for word in ("--set", each)), status=2)["error"]
    assert error["kind"] == "DesignError"
    assert [each["where"] for each in error["problems"]] == ["labs", "cars", "pool_size", "people", "sites"]
    assert "labs: must be a whole number, found 'many'" in error["message"]
    assert "pool_size: must be like labs=3" in error["message"]
    assert "sites: given twice" in error["message"]


def test_what_cannot_be_planned(tmp_path):
    assert "no scenario is called 'dalian'" in document("plan", "dalian", status=2)["error"]["message"]
    assert "cannot be read" in document("plan", tmp_path / "none.toml", status=2)["error"]["message"]
    error = document("plan", "dalian-like", "--picture", tmp_path / "x.bmp", status=2)["error"]
    assert "suffix: expected one of .png, .svg, .pdf, found '.bmp'" in error["message"]


def test_what_comes_is_told_as_text():
    words = ("--set", "support=3 cyclers from 1", "--set", "stock=100 PCR tests", "--set", "mobile_labs=none")
    told = document("plan", "dalian-2020-12", *SET, *words)
    assumed = {row["name"]: row["value"] for row in told["assumptions"]}
    assert (assumed["support"], assumed["stock"]) == ("3 cyclers from 1", "100 PCR tests")
    out = next(row["value"] for row in told["facts"] if row["name"] == "out_PCR_tests")
    assert (
        f"PCR tests run out in a laboratory at hour {out:.1f}" in poolkit("plan", "dalian-2020-12", *SET, *words).stdout
    )
    error = document("plan", "dalian-2020-12", "--set", "support=a few", status=2)["error"]
    assert "support: must be like '20 cyclers from 24 to 72" in error["message"]

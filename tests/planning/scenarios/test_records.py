"""Scenarios, kinds of laboratories and norms: complete, sourced, and the figures that were quoted."""

import re
import tomllib
from pathlib import Path

import pytest

import poolkit
from poolkit import DesignError, FormatError
from poolkit.planning import lab_kinds, norms, scenario, scenario_names
from poolkit.planning.answers import ICMR_POOL_BELOW, assumptions
from poolkit.planning.line.defaults import STAGES
from poolkit.planning.line.typical import TYPICAL
from poolkit.planning.scenarios import FIELDS, Value, lab_kind

NAMED = ("dalian", "wuhan", "qingdao", "beijing", "urumqi", "shijiazhuang", "guangzhou", "shenyang", "manzhouli")


def test_every_campaign_is_there():
    names = scenario_names()
    assert all(any(name.startswith(f"{each}-20") for name in names) for each in NAMED)
    assert "dalian-like" in names
    assert sum(name.startswith("dalian-20") for name in names) == 4
    assert len(names) == 14


@pytest.mark.parametrize("name", scenario_names())
def test_every_value_has_a_source(name):
    found = scenario(name)
    assert scenario(found) is found
    assert found.name == name
    assert found.description.endswith(".")
    assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", found.begins) or name == "dalian-like"
    table = found.assumptions()
    assert set(table["name"]) == set(found.values) <= set(FIELDS)
    assert (table["source"].str.len() > 8).all()
    # What nobody verified stands first, and says that it was assumed, computed or not told.
    assert table["verified"].is_monotonic_increasing
    said = table.loc[~table["verified"], "source"].str.contains("assumed|computed|headline|not said")
    assert said.all()
    assert "people" in found
    assert "pool_size" in found


def test_figures_of_the_campaigns():
    assert scenario("dalian-2020-07")["samples"] / scenario("dalian-2020-07")["sites"] == pytest.approx(952, abs=0.5)
    wuhan = scenario("wuhan-2020-05")
    assert wuhan["positives"] / wuhan["people"] == pytest.approx(wuhan["prevalence"], rel=1e-3)
    liwan = scenario("guangzhou-liwan-2021-06")
    assert liwan["people"] / liwan["tables"] == pytest.approx(405, abs=0.5)
    assert liwan["people"] / liwan["sites"] == pytest.approx(4874, abs=0.6)
    like = scenario("dalian-like")
    rules = norms().set_index("norm")
    for per, value in (("site", "sites"), ("table", "tables"), ("sampler", "samplers")):
        low, high = rules.loc[f"persons a {per}", ["low", "high"]]
        assert 0.99 * like["people"] / high <= like[value] <= 1.01 * like["people"] / low


def test_quoted_capacities_from_machine_times():
    table = lab_kinds().set_index("kind")
    known = table.dropna(subset=["difference"])
    assert set(known.index) == {"falcon", "van-shaoxing", "van-yutu", "huo-yan-daxing-9"}
    assert known["difference"].abs().max() < 0.10
    assert known["binding"].to_dict() == {
        "falcon": "amplification",
        "van-shaoxing": "extraction",
        "van-yutu": "amplification",
        "huo-yan-daxing-9": "extraction",
    }
    assert table["assumed"].map(len).gt(0).all()


def test_norms_have_editions_and_ranges():
    table = norms()
    assert table["norm"].is_unique
    assert (table["low"] <= table["high"]).all()
    assert {"1", "2", "3"} <= set(table["edition"])
    assert table["source"].str.len().gt(8).all()


def test_a_kind_that_is_not_there():
    with pytest.raises(DesignError, match="lab_kind: unknown; there are huo-yan-wuhan"):
        lab_kind("kite")
    assert lab_kind("falcon") is not lab_kind("falcon")


def test_changes_are_marked_and_wrong_ones_named_at_once():
    changed = scenario("dalian-like").changed(labs=5, prevalence=0.01)
    assert changed["labs"] == 5
    assert changed.values["labs"].source == "changed by the planner"
    assert scenario("dalian-like")["labs"] == 3
    with pytest.raises(DesignError) as caught:
        scenario("dalian-like").changed(lab=5, samplers=3, pool_size=0, people=1.5, lab_kind=3, hours_open="all")
    assert [str(each) for each in caught.value.problems] == [
        "lab: unknown; did you mean labs?",
        "samplers: is only recorded: no plan changes with it",
        "pool_size: must be from 1 to 100 persons/tube, found 0",
        "people: must be a whole number, found 1.5",
        "lab_kind: must be text, found 3",
        "hours_open: must be a number, found 'all'",
    ]


GOOD = """
name = "x"
title = "X"
place = "X"
description = "X."
[sources]
a = "assumed"
[values]
people = { value = 1000, source = "a", verified = false }
"""


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(GOOD)
    assert scenario(path)["people"] == scenario(str(path))["people"] == 1000
    assert "pool_size" not in scenario(path)


def test_a_bad_file_names_all_that_is_wrong(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(
        """
title = 3
place = "X"
begins = "May 2020"
description = "X."
colour = "red"
[sources]
a = "assumed"
b = 4
[values]
people = { value = 0, source = "a", verified = true }
pool_size = { value = 10, source = "c", verified = "yes", why = 1 }
wells = { value = 10, source = "a", verified = true }
sites = 12
tables = { source = "a", verified = true }
[[traces]]
name = "t"
source = "a"
stages = ["sampled", "resulted"]
points = [
  { at = 2020-10-13T20:30:00+08:00, sampled = 5, resulted = 2 },
  { at = 2020-10-13T20:00:00+08:00, sampled = 4, resulted = 9 },
]
[[traces]]
source = "a"
stages = ["sampled"]
points = []
[[traces]]
name = "u"
source = "a"
stages = ["sampled", "resulted"]
points = [{ at = 2020-10-13T20:30:00, sampled = -1, tested = 2, verified = 1 }, 3]
"""
    )
    with pytest.raises(DesignError) as caught:
        scenario(path)
    assert str(path) in str(caught.value)
    said = [str(each) for each in caught.value.problems]
    assert said == [
        "name: must be text, found None",
        "title: must be text, found 3",
        """begins: must be like "2020-10" or "2020-10-13", found 'May 2020'""",
        "sources.b: must be text, found 4",
        "pool_size.why: unknown",
        "pool_size.source: must be a key of [sources], found 'c'",
        "pool_size.verified: must be true or false",
        "sites: must be a table of value, source and verified, found 12",
        "tables.value: missing",
        "people: must be from 1 to 1e+12 persons, found 0",
        said[10],
        "traces[0].points[1].at: must be later than the point before",
        "traces[0].points[1].sampled: must not be less than before",
        "traces[0].points[1].resulted: must not be more than sampled",
        "traces[1].name: must be text",
        "traces[1].stages: must name at least two stages, found ['sampled']",
        "traces[1].points: must hold at least one point",
        "traces[2].points[0].tested: unknown",
        "traces[2].points[0].at: must be a time with its offset, found 2020-10-13 20:30:00",
        "traces[2].points[0].verified: must be true or false",
        "traces[2].points[0].sampled: must be a number of persons, found -1",
        "traces[2].points[1]: must be a table, found 3",
        "colour: unknown",
    ]
    assert said[10].startswith("wells: unknown; ")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FormatError, match=r"none\.toml cannot be read"):
        scenario(tmp_path / "none.toml")
    path = tmp_path / "broken.toml"
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(FormatError, match=r"broken\.toml:2: Invalid value"):
        scenario(path)
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(FormatError, match="must be UTF-8"):
        scenario(path)
    path.write_text("name = 'x'")
    with pytest.raises(DesignError, match=r"values: missing, expected a table"):
        scenario(path)


def test_an_unknown_name_hints_at_the_nearest():
    with pytest.raises(DesignError, match="no scenario is called 'qingdao'; did you mean qingdao-2020-10"):
        scenario("qingdao")
    with pytest.raises(DesignError, match="there are beijing-2020-06, "):
        scenario("zzz")


def test_the_records_are_in_the_package():
    folder = Path(poolkit.__file__).parent / "planning" / "scenarios"
    assert {each.stem for each in folder.glob("*.toml")} == set(scenario_names())


def test_typical_figures_stand_once(tmp_path):
    """Scenarios, stages, kinds of laboratories and answers read the times of the line from one table, the rules too."""
    path = tmp_path / "own.toml"
    path.write_text(GOOD + "pcr_minutes = { typical = true }\nextraction_minutes = { typical = true }\n")
    own = scenario(path)
    pcr, extraction = TYPICAL["pcr_minutes"], TYPICAL["extraction_minutes"]
    assert own.values["pcr_minutes"] == Value(pcr.value, f"computed: {pcr.source}", verified=False)
    assert own.values["extraction_minutes"] == Value(extraction.value, extraction.source, verified=True)
    stages = {stage.name: stage for stage in STAGES}
    supposed = assumptions().set_index("name")["value"]
    assert stages["amplification"].minutes == supposed["amplification_minutes"] == pcr.value
    assert stages["extraction"].minutes == supposed["extraction_minutes"] == extraction.value
    assert stages["extraction"].usable == supposed["wells"] == TYPICAL["tubes_a_plate"].value
    assert lab_kind("falcon")["pcr_minutes"] == pcr.value != lab_kind("chip")["pcr_minutes"]
    rules = norms().set_index("norm")
    assert supposed["people_per_site"] == rules.loc["persons a site", ["low", "high"]].mean()
    assert rules.loc["positivity up to which pooling is advised", "high"] == ICMR_POOL_BELOW
    path.write_text(GOOD + "sites = { typical = true }\n")
    with pytest.raises(DesignError, match=r"sites\.typical: unknown"):
        scenario(path)


def test_nothing_that_is_typical_is_stored_again():
    folder = Path(poolkit.__file__).parent / "planning" / "scenarios"
    for name in scenario_names():
        told = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))["values"]
        again = [each for each, entry in told.items() if each in TYPICAL and entry.get("value") == TYPICAL[each].value]
        assert again == [], name
    rows = tomllib.loads((folder / "tables" / "labs.toml").read_text(encoding="utf-8"))
    assert not [
        kind
        for kind, row in rows.items()
        for name in ("extraction_minutes", "pcr_minutes")
        if row.get(name) == TYPICAL[name].value
    ]

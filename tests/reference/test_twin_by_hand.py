"""Little days computed by hand from docs/definitions.md: the slow twin is worth what it proves here.

The section of the page stands in each test's name or first line.
"""

from datetime import UTC, datetime, timedelta
from math import prod

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reference import day as twin
from tests.strategies import random_days

EIGHT = datetime(2024, 5, 6, 8, tzinfo=UTC)
PROTOCOL = {
    "name": "hand",
    "version": "3",
    "max_pool_size": 3,
    "positive_pool": "recollect",
    "swabs_per_recollect": 1,
    "second_suspect": "positive",
    "invalid_reruns": 1,
    "negatives_to_clear": 1,
    "exhausted_pool": "invalid",
    "targets": ("N", "O"),
    "internal_control": "IC",
    "targets_for_positive": 2,
    "ct_positive": 37.0,
    "ct_limit": 40.0,
    "ct_internal": 35.0,
    "controls": {},
    "due_hours": {"recollect": 12.0, "retest": 6.0, "rerun": 3.0},
    "wells_per_instrument_hour": 96.0,
    "sensitivity": ((1, 0.9), (3, 0.7)),
    "specificity": 0.95,
    "prior_prevalence": 0.1,
}
NEGATIVE = {"N": None, "O": None, "IC": 28.0}
POSITIVE = {"N": 20.0, "O": 21.0, "IC": 28.0}
SUSPECT = {"N": 38.0, "O": None, "IC": 28.0}
INVALID = {"N": None, "O": None, "IC": None}


def clock(hour: float) -> datetime:
    """Give a time of the day, hours from midnight; from 24 on it is the next day."""
    return EIGHT + timedelta(hours=hour - 8)


def swab(sample_id: str, tube_id: str, slot: int = 1, *, at: float = 8, **more) -> dict:
    row = {
        "sample_id": sample_id,
        "subject_id": f"A{sample_id[1:]}",
        "site_id": "site",
        "collected_at": clock(at),
        "kind": "person",
        "tube_id": tube_id,
        "slot": slot,
        "group_id": None,
        "recollect_of": None,
    }
    return row | more


def well(plate_id: str, name: str, specimen_id: str | None = None, content: str = "specimen") -> dict:
    return {"plate_id": plate_id, "well": name, "content": content, "specimen_id": specimen_id}


def run(run_id: str, plate_id: str, ended: float, instrument_id: str = "I1") -> dict:
    times = {"started_at": clock(ended - 1), "ended_at": clock(ended)}
    return dict.fromkeys(twin.RUN) | {"run_id": run_id, "plate_id": plate_id, "instrument_id": instrument_id} | times


def read(run_id: str, name: str, cts: dict) -> list[dict]:
    return [{"run_id": run_id, "well": name, "target": target, "ct_cycles": ct} for target, ct in cts.items()]


def tables(samples=(), wells=(), readings=(), runs=(), pools=(), members=()) -> dict:
    return {
        "samples": list(samples),
        "wells": list(wells),
        "readings": list(readings),
        "runs": None if runs is None else list(runs),
        "pools": list(pools),
        "members": list(members),
    }


def plates(samples, *looks, **more) -> dict:
    """Make a day in which each look (specimen, hour, readings) has a plate and a run of its own, P1 and R1 first."""
    first = more.pop("first", 1)
    wells, runs, readings = [], [], []
    for k, (specimen_id, ended, cts) in enumerate(looks, first):
        wells.append(well(f"P{k}", "A01", specimen_id))
        runs.append(run(f"R{k}", f"P{k}", ended))
        readings += read(f"R{k}", "A01", cts)
    return tables(samples, wells, readings, runs, **more)


def mixture(pool_id: str, *sample_ids: str, n_members: int | None = None) -> dict:
    """Make the two tables of a laboratory pool."""
    said = len(sample_ids) if n_members is None else n_members
    members = [
        {"pool_id": pool_id, "sample_id": sample_id, "slot": slot, "volume_ul": 50.0}
        for slot, sample_id in enumerate(sample_ids, 1)
    ]
    return {"pools": [{"pool_id": pool_id, "formed": "laboratory", "n_members": said, "stage": 1}], "members": members}


def statuses(outcome: dict) -> dict:
    return {row["sample_id"]: row["status"] for row in outcome["results"]}


def asked(outcome: dict) -> dict:
    return {row["sample_id"]: (row["action"], row["reason"]) for row in outcome["orders"]}


def result(outcome: dict, sample_id: str) -> dict:
    (row,) = [row for row in outcome["results"] if row["sample_id"] == sample_id]
    return row


def found(outcome: dict, kind: str) -> list:
    return [(row["severity"], *row["ids"]) for row in outcome["findings"] if row["kind"] == kind]


def compute(day: dict, at: float | None = None, history: dict | None = None, **changed) -> dict:
    return twin.process(day, PROTOCOL | changed, None if at is None else clock(at), history)


def follow(*days: dict, **changed) -> dict:
    """Compute days one after the other, the history of each continued; give the last outcome."""
    history, outcome = None, {}
    for day in days:
        outcome = compute(day, history=history, **changed)
        history = twin.continue_history(history, day, outcome)
    return outcome


def call(cts: dict, **changed) -> tuple:
    outcome = compute(plates([swab("S1", "T1")], ("T1", 12, cts)), **changed)
    (row,) = outcome["calls"]
    return row["call"], row["reasons"]


ALONE = [swab("S1", "T1")]
PAIR = [swab("S1", "T1", 1), swab("S2", "T1", 2)]
SINGLES = [swab("S1", "T1"), swab("S2", "T2")]


# Section 1


def test_1_tubes_and_mixtures_become_pools():
    outcome = compute(tables([*PAIR, swab("S3", "T3"), swab("S4", "T4")], **mixture("L1", "S4", "S3")))
    assert [(row["pool_id"], row["formed"], row["n_members"]) for row in outcome["pools"]] == [
        ("T1", "collection", 2),
        ("T3", "single", 1),
        ("T4", "single", 1),
        ("L1", "laboratory", 2),
    ]
    assert [(row["pool_id"], row["sample_id"], row["slot"]) for row in outcome["members"]][-2:] == [
        ("L1", "S4", 1),
        ("L1", "S3", 2),
    ]


def test_1_a_well_names_a_tube_before_a_sample():
    """Sample S2's id is also the tube of S1: the well is S1's, and nothing was read of S2."""
    outcome = compute(plates([swab("S1", "S2"), swab("S2", "T9")], ("S2", 12, NEGATIVE)))
    assert statuses(outcome) == {"S1": "negative", "S2": "pending"}


def test_1_a_tube_of_one_and_its_sample_are_one_specimen():
    """Suspect as T1, then suspect as S1, is a second suspect."""
    outcome = compute(plates(ALONE, ("T1", 12, SUSPECT), ("S1", 13, SUSPECT)))
    assert result(outcome, "S1")["status"] == "positive"
    assert result(outcome, "S1")["evidence"] == "S1/R2/A01"


def test_1_at_is_the_latest_time_found_but_not_a_due_date():
    order = {"order_id": "S1/rerun/1", "sample_id": "S1", "action": "rerun", "reason": "", "issued_at": clock(13)}
    history = {"orders": [order | {"due_at": clock(90)}]}
    assert compute(tables(ALONE), history=history)["results"][0]["decided_at"] == clock(13)
    assert compute(tables(ALONE))["results"][0]["decided_at"] == clock(8)
    with pytest.raises(ValueError, match="`at` is needed"):
        compute(tables())


def test_1_other_rows_of_pools_are_not_used_and_ids_do_not_collide():
    day = tables(SINGLES, **mixture("L1", "S1", "S2"))
    day["pools"][0]["formed"] = "collection"
    outcome = compute(day)
    assert [row["pool_id"] for row in outcome["pools"]] == ["T1", "T2"]
    assert found(outcome, "unknown_member") == []
    with pytest.raises(ValueError, match="T1 is also a tube_id"):
        compute(tables(SINGLES, **mixture("T1", "S1", "S2")))


# Section 2


def test_2_a_run_that_ends_later_gives_no_calls():
    day = plates(ALONE, ("T1", 12, NEGATIVE))
    assert statuses(compute(day, at=12)) == {"S1": "negative"}
    outcome = compute(day, at=11.9)
    assert statuses(outcome) == {"S1": "pending"}
    assert found(outcome, "result_before_run_end") == [("error", "R1")]
    assert outcome["calls"] == outcome["runs"] == []


def test_2_without_a_runs_table_each_plate_is_a_run_that_ended_at():
    day = tables(ALONE, [well("P1", "A01", "T1")], read("P1", "A01", NEGATIVE), None)
    outcome = compute(day, at=15)
    assert result(outcome, "S1")["evidence"] == "T1/P1/A01"
    assert result(outcome, "S1")["decided_at"] == clock(15)
    (made,) = outcome["runs"]
    assert (made["run_id"], made["plate_id"], made["instrument_id"]) == ("P1", "P1", "unknown")
    with pytest.raises(ValueError, match="`at`"):
        compute(day)


def test_2_a_made_up_run_that_said_nothing_lends_no_time_to_a_later_day():
    """Monday's only reading of P1 is of no well; P1 is read on Tuesday, and its positive look is of Tuesday."""
    monday = tables(PAIR, [], read("P1", "H12", {"N": 20.0}), None)
    alone = plates([], ("S1", 20, NEGATIVE), first=2)
    tuesday = tables([], [well("P1", "A01", "T1")], read("P1", "A01", POSITIVE), None)
    history = None
    for day, at in ((monday, 12), (alone, 20), (tuesday, 36)):
        outcome = compute(day, at=at, history=history)
        history = twin.continue_history(history, day, outcome)
        assert [row["run_id"] for row in outcome["runs"]] == {12: [], 20: ["R2"], 36: ["P1"]}[at]
    assert statuses(outcome) == {"S1": "suspect", "S2": "suspect"}
    assert result(outcome, "S1")["decided_at"] == clock(36)


def test_2_readings_that_do_not_count():
    day = plates(ALONE, ("T1", 12, NEGATIVE | {"X": 20.0}))
    day["wells"].append(well("P1", "B01", content="empty"))
    day["readings"] += read("R1", "B01", {"N": 20.0}) + read("R1", "C01", {"X": 20.0}) + read("R9", "A01", POSITIVE)
    outcome = compute(day)
    assert found(outcome, "well_not_mapped") == [("error", "R9", "A01"), ("error", "R1", "B01"), ("error", "R1", "C01")]
    assert found(outcome, "unknown_target") == [("warning", "X")]
    assert statuses(outcome) == {"S1": "negative"}


def test_2_readings_twice():
    day = plates(ALONE, ("T1", 12, NEGATIVE))
    day["readings"] += read("R1", "A01", {"N": None})
    outcome = compute(day)
    assert found(outcome, "duplicate_reading") == [("warning", "R1", "A01", "N")]
    assert statuses(outcome) == {"S1": "negative"}
    day["readings"] += read("R1", "A01", {"N": 39.9})
    outcome = compute(day)
    assert found(outcome, "duplicate_reading") == [("error", "R1", "A01", "N")]
    assert outcome["calls"][0]["reasons"] == ["conflicting_readings"]


# Section 3


@pytest.mark.parametrize(
    ("cts", "made"),
    [
        ({"N": 36.9, "O": 36.9, "IC": None}, ("positive", [])),
        ({"N": 36.9, "O": 37.0, "IC": 28.0}, ("suspect", ["single_target", "grey"])),
        ({"N": 36.9, "O": 40.1, "IC": 28.0}, ("suspect", ["single_target"])),
        ({"N": 40.0, "O": None, "IC": None}, ("suspect", ["grey"])),
        ({"N": 36.9}, ("suspect", ["single_target"])),
        ({"N": 40.1, "O": None, "IC": 35.0}, ("negative", [])),
        ({"N": None, "O": None, "IC": 35.1}, ("invalid", ["internal_control"])),
        ({"N": None, "O": None, "IC": None}, ("invalid", ["internal_control"])),
        ({"N": None, "O": None}, ("invalid", ["internal_control"])),
        ({"N": None, "IC": None}, ("invalid", ["target_missing"])),
        ({"IC": 28.0}, ("invalid", ["target_missing"])),
    ],
)
def test_3_call_of_a_well(cts, made):
    assert call(cts) == made


def test_3_options_of_the_call():
    assert call({"N": 20.0, "O": None}, targets_for_positive=1) == ("positive", [])
    assert call({"N": None, "O": None}, internal_control=None, ct_internal=None) == ("negative", [])
    assert call({"N": 37.0, "O": None}, ct_limit=37.0) == ("suspect", ["grey"])


def test_3_a_conflict_of_any_target_comes_before_a_positive():
    day = plates(ALONE, ("T1", 12, POSITIVE))
    day["readings"] += read("R1", "A01", {"IC": 29.0})
    assert compute(day)["calls"][0]["reasons"] == ["conflicting_readings"]
    # Without an internal control that target is nobody's.
    outcome = compute(day, internal_control=None, ct_internal=None)
    assert (outcome["calls"][0]["call"], found(outcome, "unknown_target")) == ("positive", [("warning", "IC")])


ASKED = {
    "negative_control": {"minimum": 1, "windows": {}},
    "positive_control": {"minimum": 1, "windows": {"N": (19.0, 20.0)}},
}


@pytest.mark.parametrize(
    ("negative", "positive", "fails"),
    [
        (NEGATIVE, POSITIVE, False),
        (INVALID, POSITIVE, False),
        (NEGATIVE | {"N": 40.1}, POSITIVE, False),
        (NEGATIVE | {"N": 40.0}, POSITIVE, True),
        ({"N": None}, POSITIVE, True),
        ({}, POSITIVE, True),
        (None, POSITIVE, True),
        (NEGATIVE, None, True),
        (NEGATIVE, POSITIVE | {"N": 19.0}, False),
        (NEGATIVE, POSITIVE | {"N": 18.9}, True),
        (NEGATIVE, POSITIVE | {"N": 20.1}, True),
        (NEGATIVE, POSITIVE | {"O": 37.0}, True),
        (NEGATIVE, {"N": 20.0}, True),
    ],
)
def test_3_controls_fail_a_plate(negative, positive, fails):
    day = plates(ALONE, ("T1", 12, POSITIVE))
    for name, content, cts in (("B01", "negative_control", negative), ("C01", "positive_control", positive)):
        if cts is not None:
            day["wells"].append(well("P1", name, content=content))
            day["readings"] += read("R1", name, cts)
    outcome = compute(day, controls=ASKED)
    made = (outcome["calls"][0]["call"], outcome["calls"][0]["reasons"])
    assert made == (("invalid", ["plate_controls"]) if fails else ("positive", []))
    assert found(outcome, "plate_controls") == ([("warning", "R1")] if fails else [])


def test_3_controls_nobody_asked_for_fail_a_plate_too():
    day = plates(ALONE, ("T1", 12, NEGATIVE))
    day["wells"].append(well("P1", "B01", content="blank"))
    day["readings"] += read("R1", "B01", {"N": 30.0, "O": None})
    assert compute(day)["calls"][0]["reasons"] == ["plate_controls"]
    day["wells"][-1]["content"] = "weak_positive_control"
    assert compute(day)["calls"][0]["reasons"] == ["plate_controls"]
    day["readings"] = [row for row in day["readings"] if row["well"] == "A01"] + read("R1", "B01", POSITIVE)
    assert compute(day)["calls"][0]["call"] == "negative"


def test_3_wells_without_a_reading_stay_unread_even_on_a_failed_plate():
    day = plates(PAIR, ("T1", 12, {}))
    day["samples"].append(swab("S3", "T3"))
    day["wells"] += [well("P1", "B01", "T3"), well("P9", "A01", "S1")]
    day["readings"] += read("R1", "B01", NEGATIVE)
    outcome = compute(day, controls=ASKED)
    assert [(row["well"], row["call"]) for row in outcome["calls"]] == [("B01", "invalid")]
    assert found(outcome, "well_not_read") == [("warning", "P1", "A01", "T1"), ("warning", "P9", "A01", "S1")]
    assert statuses(outcome) == {"S1": "pending", "S2": "pending", "S3": "pending"}
    assert asked(outcome) == {"S3": ("rerun", "invalid_single")}


def test_3_a_run_without_used_readings_is_not_judged():
    outcome = compute(plates(ALONE, ("T1", 12, {"X": 20.0})), controls=ASKED)
    assert found(outcome, "plate_controls") == []
    assert [row["run_id"] for row in outcome["runs"]] == ["R1"]


# Section 4


def test_4_readings_older_than_a_swab_are_withheld():
    outcome = compute(plates([PAIR[0], swab("S2", "T1", 2, at=12.5)], ("T1", 12, NEGATIVE), ("S1", 12, NEGATIVE)))
    assert found(outcome, "collected_after_run") == [("error", "T1", "R1")]
    assert statuses(outcome) == {"S1": "negative", "S2": "pending"}
    # At the very moment of collection a reading still counts.
    assert statuses(compute(plates([swab("S1", "T1", at=12)], ("T1", 12, NEGATIVE)))) == {"S1": "negative"}


def test_4_looks_of_one_moment_are_worth_the_most_serious():
    day = plates(ALONE, ("T1", 12, NEGATIVE), ("T1", 12, SUSPECT), ("T1", 12, INVALID), ("S1", 12, SUSPECT))
    outcome = compute(day)
    # One look, so not a second suspect; the first suspect call by run is the evidence.
    assert (statuses(outcome), result(outcome, "S1")["evidence"]) == ({"S1": "suspect"}, "T1/R2/A01")
    # An invalid call beside a negative one says nothing.
    outcome = compute(plates(ALONE, ("T1", 12, INVALID), ("T1", 12, NEGATIVE)))
    assert (statuses(outcome), result(outcome, "S1")["evidence"]) == ({"S1": "negative"}, "T1/R2/A01")


def test_4_a_negative_look_does_not_clear_a_reactive_pool():
    outcome = compute(plates(PAIR, ("T1", 12, POSITIVE), ("T1", 13, SUSPECT), ("T1", 14, NEGATIVE)))
    assert statuses(outcome) == {"S1": "suspect", "S2": "suspect"}
    assert asked(outcome)["S1"] == ("recollect", "suspect_pool")
    assert result(outcome, "S1")["evidence"] == "T1/R2/A01"


def test_4_the_latest_negative_of_a_pool_stands_over_invalid_looks():
    outcome = compute(
        plates(PAIR, ("T1", 11, INVALID), ("T1", 12, NEGATIVE), ("T1", 13, NEGATIVE), ("T1", 14, INVALID))
    )
    assert statuses(outcome) == {"S1": "negative", "S2": "negative"}
    assert result(outcome, "S1")["decided_at"] == clock(13)


def test_4_the_latest_valid_look_at_a_single_counts():
    assert statuses(compute(plates(ALONE, ("T1", 12, POSITIVE), ("T1", 13, NEGATIVE)))) == {"S1": "negative"}
    assert statuses(compute(plates(ALONE, ("T1", 12, NEGATIVE), ("T1", 13, INVALID)))) == {"S1": "negative"}
    # A negative look between two suspect ones does not undo the first.
    day = plates(ALONE, ("T1", 12, SUSPECT), ("T1", 13, NEGATIVE), ("T1", 14, SUSPECT))
    assert statuses(compute(day)) == {"S1": "positive"}


@pytest.mark.parametrize(
    ("samples", "more", "kind"),
    [
        ([swab(f"S{k}", "T1", k) for k in range(1, 5)], {}, ("tube_over_size", ("error", "T1"))),
        ([swab("S1", "T1", 1), swab("S2", "T1", 2, kind="food")], {}, ("mixed_kinds", ("error", "T1"))),
        (SINGLES, mixture("L1", "S1", "S2", n_members=4), ("tube_over_size", ("error", "L1"))),
        ([*PAIR, swab("S3", "T3")], mixture("L1", "S3", "S2", "S1"), ("repooled", ("error", "L1", "S1", "S2"))),
    ],
)
def test_4_a_negative_of_an_unusable_pool_clears_nobody(samples, more, kind):
    specimen = "L1" if more else "T1"
    outcome = compute(plates(samples, (specimen, 12, NEGATIVE), **more))
    assert found(outcome, kind[0]) == [kind[1]]
    assert set(statuses(outcome).values()) == {"invalid"}
    wanted = "retest" if more else "recollect"
    assert set(asked(outcome).values()) == {(wanted, "unusable_pool")}
    assert result(outcome, "S1")["evidence"] == f"{specimen}/R1/A01"
    assert result(outcome, "S1")["probability"] is None
    # A positive of it still counts.
    outcome = compute(plates(samples, (specimen, 12, POSITIVE), **more))
    assert set(statuses(outcome).values()) == {"suspect"}


# Section 5


@pytest.mark.parametrize(
    ("specimen", "more", "positive_pool", "action"),
    [
        ("T1", {}, "recollect", "recollect"),
        ("T1", {}, "retest", "retest"),
        ("L1", mixture("L1", "S1", "S2"), "recollect", "retest"),
    ],
)
def test_5_members_of_a_positive_pool(specimen, more, positive_pool, action):
    samples = SINGLES if more else PAIR
    outcome = compute(plates(samples, (specimen, 12, POSITIVE), **more), positive_pool=positive_pool)
    assert statuses(outcome) == {"S1": "suspect", "S2": "suspect"}
    assert asked(outcome) == {"S1": (action, "positive_pool"), "S2": (action, "positive_pool")}


def test_5_singles():
    outcome = compute(plates(ALONE, ("T1", 12, POSITIVE)))
    assert (statuses(outcome), asked(outcome)) == ({"S1": "positive"}, {})
    outcome = compute(plates(ALONE, ("T1", 12, SUSPECT)))
    assert (statuses(outcome), asked(outcome)) == ({"S1": "suspect"}, {"S1": ("retest", "suspect_single")})
    twice = plates(ALONE, ("T1", 12, SUSPECT), ("T1", 13, SUSPECT))
    outcome = compute(twice, second_suspect="recollect")
    assert (statuses(outcome), asked(outcome)) == ({"S1": "suspect"}, {"S1": ("recollect", "suspect_single")})


def test_5_a_single_negative_must_be_later_than_every_look_at_a_reactive_pool():
    def of(pool_hours, single_hour):
        looks = [("T1", hour, cts) for hour, cts in pool_hours]
        return statuses(compute(plates(PAIR, *looks, ("S1", single_hour, NEGATIVE))))

    assert of([(12, POSITIVE)], 13) == {"S1": "negative", "S2": "suspect"}
    assert of([(12, POSITIVE)], 12) == {"S1": "suspect", "S2": "suspect"}
    assert of([(12, POSITIVE)], 11) == {"S1": "suspect", "S2": "suspect"}
    # Even an invalid look at the pool after the single's opens the question again.
    assert of([(12, POSITIVE), (14, INVALID)], 13) == {"S1": "suspect", "S2": "suspect"}
    assert of([(12, NEGATIVE)], 11) == {"S1": "negative", "S2": "negative"}


def test_5_a_single_negative_stands_while_its_pool_is_unread():
    assert statuses(compute(plates(PAIR, ("S1", 12, NEGATIVE)))) == {"S1": "negative", "S2": "pending"}


def test_5_an_invalid_pool_is_run_again_and_then_given_up():
    once = plates(PAIR, ("T1", 12, INVALID))
    outcome = compute(once)
    assert (statuses(outcome)["S1"], asked(outcome)["S1"]) == ("pending", ("rerun", "invalid_pool"))
    assert result(outcome, "S1")["evidence"] == "T1/R1/A01"
    twice = plates(PAIR, ("T1", 12, INVALID), ("T1", 13, INVALID))
    outcome = compute(twice)
    assert (statuses(outcome)["S1"], asked(outcome)["S1"]) == ("invalid", ("recollect", "invalid_pool"))
    assert result(outcome, "S1")["evidence"] == "T1/R2/A01"
    assert statuses(compute(twice, exhausted_pool="suspect"))["S1"] == "suspect"
    assert statuses(compute(twice, invalid_reruns=2))["S1"] == "pending"
    outcome = compute(plates(SINGLES, ("L1", 12, INVALID), ("L1", 13, INVALID), **mixture("L1", "S1", "S2")))
    assert asked(outcome)["S1"] == ("retest", "invalid_pool")


def test_5_an_invalid_single_is_run_again_and_then_given_up():
    outcome = compute(plates(ALONE, ("T1", 12, INVALID)))
    assert (statuses(outcome), asked(outcome)) == ({"S1": "pending"}, {"S1": ("rerun", "invalid_single")})
    outcome = compute(plates(ALONE, ("T1", 12, INVALID), ("T1", 13, INVALID)))
    assert (statuses(outcome), asked(outcome)) == ({"S1": "invalid"}, {"S1": ("recollect", "invalid_single")})


def test_5_a_retest_that_came_out_invalid_is_run_again_and_then_swabbed_again():
    pool = mixture("L1", "S1", "S2")
    outcome = compute(plates(SINGLES, ("L1", 12, POSITIVE), ("S1", 13, INVALID), **pool))
    assert asked(outcome) == {"S1": ("rerun", "invalid_single"), "S2": ("retest", "positive_pool")}
    assert (statuses(outcome)["S1"], result(outcome, "S1")["evidence"]) == ("suspect", "L1/R1/A01")
    outcome = compute(plates(SINGLES, ("L1", 12, POSITIVE), ("S1", 13, INVALID), ("S1", 14, INVALID), **pool))
    assert asked(outcome)["S1"] == ("recollect", "invalid_single")
    # A pool that asks for new swabs anyway goes on asking for them.
    outcome = compute(plates(PAIR, ("T1", 12, POSITIVE), ("S1", 13, INVALID)))
    assert asked(outcome)["S1"] == ("recollect", "positive_pool")


def test_5_the_most_serious_of_two_pools_speaks_then_the_latest():
    both = [PAIR[0], PAIR[1], swab("S1", "T2", 1), swab("S3", "T2", 2)]
    outcome = compute(plates(both, ("T1", 13, NEGATIVE), ("T2", 12, POSITIVE)))
    assert statuses(outcome) == {"S1": "suspect", "S2": "negative", "S3": "suspect"}
    outcome = compute(plates(both, ("T1", 12, NEGATIVE)))
    assert statuses(outcome) == {"S1": "pending", "S2": "negative", "S3": "pending"}
    assert result(outcome, "S1")["evidence"] is None
    outcome = compute(plates(both, ("T1", 12, POSITIVE), ("T2", 13, POSITIVE)))
    assert result(outcome, "S1")["evidence"] == "T2/R2/A01"
    outcome = compute(plates(both, ("T2", 13, POSITIVE), ("T1", 13, POSITIVE)))
    assert result(outcome, "S1")["evidence"] == "T1/R2/A01"
    # Exhausted is more serious than invalid, invalid more than unread.
    outcome = compute(plates(both, ("T1", 14, INVALID), ("T2", 12, INVALID), ("T2", 13, INVALID)))
    assert asked(outcome) == {
        "S1": ("recollect", "invalid_pool"),
        "S2": ("rerun", "invalid_pool"),
        "S3": ("recollect", "invalid_pool"),
    }
    assert asked(compute(plates(both, ("T1", 14, INVALID))))["S1"] == ("rerun", "invalid_pool")


def crossing(*looks, design="array-2x2", **protocol) -> dict:
    """Read four samples laid out as two rows (A, B) and two columns (C, D)."""
    people = [swab(f"S{k}", f"T{k}") for k in range(1, 5)]
    return computed_block(people, {"A": "12", "B": "34", "C": "13", "D": "24"}, looks, design, protocol)


def computed_block(people, pools, looks, design, protocol, stages=None) -> dict:
    rows = {"pools": [], "members": []}
    for name, inside in pools.items():
        made = mixture(name, *(f"S{k}" for k in inside))
        stage = (stages or {}).get(name, 1)
        rows["pools"] += [row | {"design": design, "block_id": "B1", "stage": stage} for row in made["pools"]]
        rows["members"] += made["members"]
    return twin.process(plates(people, *looks, **rows), PROTOCOL | protocol)


def test_5_a_negative_row_clears_who_stands_in_a_reactive_column():
    """S1 is infected: its row A and its column C react; B and D are negative."""
    looks = [("A", 12, POSITIVE), ("B", 12, NEGATIVE), ("C", 12, POSITIVE), ("D", 13, NEGATIVE)]
    outcome = crossing(*looks)
    assert statuses(outcome) == {"S1": "suspect", "S2": "negative", "S3": "negative", "S4": "negative"}
    assert asked(outcome) == {"S1": ("retest", "positive_pool")}
    assert result(outcome, "S2")["evidence"] == "D/R4/A01"
    # Without a design the same four mixtures clear nobody but S4, and a protocol may ask for more or for no such thing.
    for changed in (crossing(*looks, design=None), crossing(*looks, negatives_to_clear=0)):
        assert statuses(changed) == {"S1": "suspect", "S2": "suspect", "S3": "suspect", "S4": "negative"}
    assert statuses(crossing(*looks, negatives_to_clear=2)) == statuses(crossing(*looks, negatives_to_clear=0))


def test_5_a_pool_of_a_design_that_is_not_known_yet_is_waited_for_and_one_given_up_is_not():
    looks = [("A", 12, POSITIVE), ("B", 12, NEGATIVE), ("C", 12, POSITIVE)]
    assert statuses(crossing(*looks))["S2"] == "suspect"
    assert statuses(crossing(*looks))["S4"] == "pending"
    assert statuses(crossing(*looks))["S3"] == "negative"
    once = [*looks, ("D", 12, INVALID)]
    assert statuses(crossing(*once))["S4"] == "pending"
    assert statuses(crossing(*once, ("D", 13, INVALID)))["S4"] == "negative"
    assert statuses(crossing(*once, ("D", 13, INVALID), design=None))["S4"] == "invalid"


def test_5_a_reactive_pool_that_nobody_is_left_to_explain_clears_nobody():
    """Row A reacts and no column does: somebody in it is infected, or A is contaminated; both are looked at."""
    outcome = crossing(("A", 12, POSITIVE), ("B", 12, NEGATIVE), ("C", 12, NEGATIVE), ("D", 12, NEGATIVE))
    assert statuses(outcome) == {"S1": "suspect", "S2": "suspect", "S3": "negative", "S4": "negative"}
    assert asked(outcome) == dict.fromkeys(("S1", "S2"), ("retest", "positive_pool"))
    found_alone = crossing(
        *[("A", 12, POSITIVE), ("B", 12, NEGATIVE), ("C", 12, NEGATIVE), ("D", 12, NEGATIVE), ("S1", 14, POSITIVE)]
    )
    assert statuses(found_alone) == {"S1": "positive", "S2": "negative", "S3": "negative", "S4": "negative"}


def test_5_a_later_stage_clears_what_an_earlier_one_made_suspect_and_not_the_other_way_round():
    people = [swab(f"S{k}", f"T{k}") for k in range(1, 4)]
    pools = {"A": "123", "B": "12", "C": "3"}
    looks = [("A", 12, POSITIVE), ("B", 13, NEGATIVE)]
    halves = {"B": 2, "C": 2}
    outcome = computed_block(people, pools, looks, "hierarchical-3-2-1", {}, halves)
    assert statuses(outcome) == {"S1": "negative", "S2": "negative", "S3": "suspect"}
    assert statuses(computed_block(people, pools, looks, "hierarchical-3-2-1", {"negatives_to_clear": 2}, halves)) == (
        statuses(outcome)
    )
    swapped = computed_block(people, pools, looks, "hierarchical-3-2-1", {}, {"A": 2, "C": 2})
    assert statuses(swapped) == dict.fromkeys(("S1", "S2", "S3"), "suspect")


def test_5_a_pool_clears_a_sample_whose_single_was_invalid():
    assert statuses(compute(plates(PAIR, ("S1", 11, INVALID), ("T1", 12, NEGATIVE))))["S1"] == "negative"


@pytest.mark.parametrize(("cts", "status"), [(POSITIVE, "suspect"), (SUSPECT, "suspect"), (NEGATIVE, "invalid")])
def test_5_identity_in_doubt(cts, status):
    outcome = compute(plates([swab("S1", "T1"), swab("S1", "T1", subject_id="A9")], ("T1", 12, cts)))
    assert found(outcome, "duplicate_sample") == [("error", "S1", "A1", "A9")]
    row = result(outcome, "S1")
    assert (row["status"], row["subject_id"], row["evidence"], row["probability"]) == (status, "A1", None, None)
    assert row["decided_at"] == clock(12)
    assert asked(outcome) == {"S1": ("recollect", "identity")}


# Section 6


def again(sample_id: str, parent_id: str, hour: float, **more) -> dict:
    subject_id = f"A{parent_id[1:]}"
    return swab(
        sample_id, f"T{sample_id[1:]}", at=hour, **({"subject_id": subject_id, "recollect_of": parent_id} | more)
    )


FIRST = plates(PAIR, ("T1", 12, POSITIVE))


def test_6_a_recollected_sample_answers_for_the_earlier_one():
    outcome = follow(FIRST, plates([again("S3", "S1", 32)], ("T3", 36, NEGATIVE), first=2))
    assert statuses(outcome) == {"S1": "negative", "S2": "suspect", "S3": "negative"}
    assert result(outcome, "S1")["evidence"] == "T3/R2/A01"
    assert result(outcome, "S1")["decided_at"] == clock(36)
    assert result(outcome, "S1")["probability"] == result(outcome, "S3")["probability"]
    assert found(outcome, "recollect_without_order") == found(outcome, "recollect_mismatch") == []


def test_6_all_swabs_of_a_recollect_must_be_negative():
    def of(third, fourth, hour=32):
        swabs = [again("S3", "S1", 32), again("S4", "S1", hour)]
        day = plates(swabs, ("T3", 36, third), ("T4", 36, fourth), first=2)
        outcome = follow(FIRST, day, swabs_per_recollect=2)
        return statuses(outcome)["S1"], result(outcome, "S1")["evidence"]

    assert of(NEGATIVE, NEGATIVE) == ("negative", "T4/R3/A01")
    assert of(NEGATIVE, INVALID) == ("suspect", "T1/R1/A01")
    assert of(POSITIVE, INVALID) == ("positive", "T3/R2/A01")
    assert of(POSITIVE, NEGATIVE) == ("positive", "T3/R2/A01")
    assert of(POSITIVE, POSITIVE, hour=31) == ("positive", "T3/R2/A01")


def test_6_only_the_newest_swabs_answer():
    swabs = [again("S3", "S1", 32), again("S4", "S1", 33)]
    outcome = follow(FIRST, plates(swabs, ("T3", 36, POSITIVE), ("T4", 36, NEGATIVE), first=2))
    assert statuses(outcome)["S1"] == "negative"


def test_6_a_grandchild_answers_at_its_own_time():
    """S3 is settled by S5, which is newer than S4: with one swab asked for, S5 speaks for S1."""
    swabs = [again("S3", "S1", 32), again("S4", "S1", 33), again("S5", "S3", 34, subject_id="A1")]
    day = plates(swabs, ("T3", 36, SUSPECT), ("T4", 36, NEGATIVE), ("T5", 36, POSITIVE), first=2)
    outcome = follow(FIRST, day)
    assert statuses(outcome) == {
        "S1": "positive",
        "S2": "suspect",
        "S3": "positive",
        "S4": "negative",
        "S5": "positive",
    }
    assert found(outcome, "recollect_without_order") == [("warning", "S5", "S3")]


@pytest.mark.parametrize(
    "child",
    [again("S3", "S1", 32, subject_id="A9"), again("S3", "S1", 8), again("S3", "S9", 32)],
)
def test_6_a_link_that_is_not_valid_does_not_answer(child):
    outcome = follow(FIRST, plates([child], ("T3", 36, NEGATIVE), first=2))
    assert statuses(outcome) == {"S1": "suspect", "S2": "suspect", "S3": "negative"}
    assert found(outcome, "recollect_mismatch") == [("error", "S3", child["recollect_of"])]


def test_6_nobody_answers_for_a_sample_in_doubt():
    samples = [*PAIR, swab("S1", "T1", 1, subject_id="A9"), again("S3", "S1", 9)]
    outcome = compute(plates(samples, ("T1", 12, NEGATIVE), ("T3", 12, NEGATIVE)))
    assert statuses(outcome) == {"S1": "invalid", "S2": "negative", "S3": "negative"}
    assert found(outcome, "recollect_mismatch") == [("error", "S3", "S1")]


def test_6_a_recollected_sample_nobody_ordered():
    outcome = compute(plates([*PAIR, again("S3", "S1", 9)], ("T3", 12, NEGATIVE)))
    assert found(outcome, "recollect_without_order") == [("warning", "S3", "S1")]
    assert statuses(outcome)["S1"] == "negative"
    # Asked for now is enough, and so is asked for once, though S1 alone now asks for a retest.
    outcome = compute(plates([*PAIR, again("S3", "S1", 9)], ("T1", 12, POSITIVE)))
    assert found(outcome, "recollect_without_order") == []
    outcome = follow(FIRST, plates([again("S3", "S1", 32)], ("S1", 36, SUSPECT), first=2))
    assert asked(outcome)["S1"] == ("retest", "suspect_single")
    assert found(outcome, "recollect_without_order") == []


def test_6_a_settled_sample_keeps_its_own_result():
    outcome = compute(plates([swab("S1", "T1"), again("S3", "S1", 9)], ("T1", 12, POSITIVE), ("T3", 12, NEGATIVE)))
    assert statuses(outcome) == {"S1": "positive", "S3": "negative"}


# Section 7


def test_7_an_order_stays_open_until_another_action_is_asked_for():
    pool = mixture("L1", "S1", "S2")
    first = plates(SINGLES, ("L1", 12, POSITIVE), **pool)
    (order, _) = compute(first)["orders"]
    assert order == {
        "order_id": "S1/retest/1",
        "sample_id": "S1",
        "action": "retest",
        "reason": "positive_pool",
        "issued_at": clock(12),
        "due_at": clock(18),
    }
    # Suspect alone asks for the same retest: nothing new, and it is past due by now.
    second = plates([], ("S1", 19, SUSPECT), first=2)
    outcome = follow(first, second)
    assert outcome["orders"] == []
    assert found(outcome, "order_past_due") == [("warning", "S1/retest/1", "S1"), ("warning", "S2/retest/1", "S2")]
    # Invalid alone asks for another action, counted on, and supersedes the retest.
    outcome = follow(first, plates([], ("S1", 19, INVALID), first=2))
    assert [row["order_id"] for row in outcome["orders"]] == ["S1/rerun/2"]
    assert outcome["orders"][0]["due_at"] == clock(22)
    third = follow(first, plates([], ("S1", 19, INVALID), first=2), tables())
    assert third["orders"] == []
    assert found(outcome, "order_past_due") == [("warning", "S2/retest/1", "S2")]
    # A settled sample has no open order.
    outcome = follow(first, plates([], ("S1", 19, NEGATIVE), ("S2", 19, POSITIVE), first=2))
    assert (statuses(outcome), found(outcome, "order_past_due")) == ({"S1": "negative", "S2": "positive"}, [])


def test_7_an_order_is_past_due_only_after_its_time():
    later = [swab("S9", "T9", at=18)]
    assert found(follow(plates(SINGLES, ("T1", 12, SUSPECT)), tables(later)), "order_past_due") == []


def test_7_an_unread_sample_keeps_the_order_it_has():
    """The swabs of T1 turn out to be newer than its invalid look (S3, registered late), so it is unread again."""
    first = plates(PAIR, ("T1", 12, INVALID))
    outcome = follow(first, tables([swab("S3", "T1", 3, at=16)]))
    assert (outcome["orders"], set(statuses(outcome).values())) == ([], {"pending"})
    assert [ids[2] for ids in found(outcome, "order_past_due")] == ["S1", "S2"]


# Section 8


def test_8_posterior_of_a_pool_by_hand():
    """Se(2) = 0.8 between 0.9 and 0.7: 0.1 * 0.8 / (0.8 * 0.19 + 0.05 * 0.81), and for a negative pool the rest."""
    positive = compute(plates(PAIR, ("T1", 12, POSITIVE)))
    assert result(positive, "S1")["probability"] == pytest.approx(0.08 / 0.1925)
    negative = compute(plates(PAIR, ("T1", 12, NEGATIVE)))
    assert result(negative, "S2")["probability"] == pytest.approx(0.1 * 0.2 / (0.2 * 0.19 + 0.95 * 0.81))


def test_8_posterior_of_a_single_by_hand():
    once = compute(plates(ALONE, ("T1", 12, NEGATIVE)))
    assert result(once, "S1")["probability"] == pytest.approx(0.1 * 0.1 / (0.1 * 0.1 + 0.9 * 0.95))
    # Suspect is reactive; invalid says nothing.
    looks = [("T1", 12, SUSPECT), ("T1", 13, INVALID), ("T1", 14, SUSPECT)]
    twice = compute(plates(ALONE, *looks))
    assert result(twice, "S1")["probability"] == pytest.approx(0.1 * 0.81 / (0.1 * 0.81 + 0.9 * 0.0025))


def test_8_a_members_own_look_changes_the_others():
    """Pool positive, S1 negative alone: a1 = 0.1 * 0.1, b1 = 0.9 * 0.95, a2 = 0.1, b2 = 0.9."""
    outcome = compute(plates(PAIR, ("T1", 12, POSITIVE), ("S1", 13, NEGATIVE)))
    a1, b1, a2, b2 = 0.01, 0.855, 0.1, 0.9
    below = 0.8 * ((a1 + b1) * (a2 + b2) - b1 * b2) + 0.05 * b1 * b2
    assert result(outcome, "S1")["probability"] == pytest.approx(0.8 * a1 * (a2 + b2) / below)
    assert result(outcome, "S2")["probability"] == pytest.approx(0.8 * a2 * (a1 + b1) / below)


def test_8_a_swab_taken_again_begins_where_the_pool_left_the_person():
    """After the positive pool S1 is at 0.1 * 0.8 / (0.19 * 0.8 + 0.81 * 0.05); its next swab begins there."""
    again = swab("S3", "T3", at=13, subject_id="A1", recollect_of="S1")
    outcome = compute(plates([*PAIR, again], ("T1", 12, POSITIVE), ("T3", 14, NEGATIVE)))
    p = 0.1 * 0.8 / (0.19 * 0.8 + 0.81 * 0.05)
    wanted = p * 0.1 / (p * 0.1 + (1 - p) * 0.95)
    assert result(outcome, "S3")["probability"] == pytest.approx(wanted)
    assert result(outcome, "S1")["probability"] == pytest.approx(wanted)


LOOKS = st.lists(st.sampled_from(["positive", "suspect", "negative", "invalid"]), max_size=3)


@settings(deadline=None, max_examples=200)
@given(
    pool=LOOKS,
    singles=st.lists(st.tuples(LOOKS, st.floats(1e-6, 0.9)), min_size=1, max_size=5),
)
def test_8_adding_up_every_truth_gives_the_formula_of_the_page(pool, singles):
    def as_looks(words):
        return [{"call": word} for word in words]

    def tally(words):
        return words.count("positive") + words.count("suspect"), words.count("negative")

    members = [f"S{k}" for k in range(len(singles))]
    singles, p = [words for words, _ in singles], [prior for _, prior in singles]
    alone = {member: as_looks(words) for member, words in zip(members, singles, strict=True)}
    priors = dict(zip(members, p, strict=True))
    n, sp = len(members), 0.95
    se_pool = {1: 0.9, 2: 0.8}.get(n, 0.7)
    counted = [tally(words) for words in singles]
    a = [p_j * 0.9**r * (1 - 0.9) ** m for p_j, (r, m) in zip(p, counted, strict=True)]
    b = [(1 - p_j) * (1 - sp) ** r * sp**m for p_j, (r, m) in zip(p, counted, strict=True)]
    reactive, negative = tally(pool)
    big_a, big_b = se_pool**reactive * (1 - se_pool) ** negative, (1 - sp) ** reactive * sp**negative
    both = [x + y for x, y in zip(a, b, strict=True)]
    below = big_a * (prod(both) - prod(b)) + big_b * prod(b)
    for i, member in enumerate(members):
        wanted = big_a * a[i] * prod(both[:i] + both[i + 1 :]) / below
        assert twin.posterior(member, members, as_looks(pool), alone, priors, PROTOCOL) == pytest.approx(wanted)


def test_8_where_there_is_no_probability():
    assert result(compute(plates(PAIR, ("T1", 12, INVALID))), "S1")["probability"] is None
    # Another member's look is not one of the sample or its pool.
    outcome = compute(plates(PAIR, ("S2", 12, NEGATIVE)))
    assert result(outcome, "S1")["probability"] is None
    assert result(outcome, "S2")["probability"] == pytest.approx(0.1 * 0.1 / (0.1 * 0.1 + 0.9 * 0.95))
    two = compute(plates([*PAIR, swab("S1", "T2", 1), swab("S3", "T2", 2)], ("T1", 12, NEGATIVE), ("T2", 12, NEGATIVE)))
    assert result(two, "S1")["probability"] is None
    assert result(two, "S2")["probability"] is not None
    # Perfect tests that contradict each other leave no truth possible.
    looks = [("T1", 12, NEGATIVE), ("T1", 13, POSITIVE)]
    perfect = compute(plates(ALONE, *looks), sensitivity=((1, 1.0),), specificity=1.0)
    assert result(perfect, "S1")["probability"] is None


@pytest.mark.parametrize(("size", "value"), [(1, 0.9), (2, 0.8), (3, 0.7), (9, 0.7)])
def test_8_sensitivity_is_linear_between_points_and_constant_outside(size, value):
    assert twin.sensitivity(size, PROTOCOL) == pytest.approx(value)
    assert twin.sensitivity(1, PROTOCOL | {"sensitivity": ((2, 0.6), (4, 0.2))}) == 0.6


# Section 9


def test_9_the_same_registration_twice():
    outcome = compute(tables([swab("S1", "T1"), swab("S1", "T1", 5, at=9, group_id="G")]))
    assert found(outcome, "duplicate_sample") == [("warning", "S1", "A1")]
    assert [(row["sample_id"], row["slot"]) for row in outcome["members"]] == [("S1", 1)]
    # What history has, unchanged, is no finding.
    assert found(follow(tables(ALONE), tables(ALONE)), "duplicate_sample") == []


def test_9_a_sample_in_two_tubes_is_a_member_of_both():
    samples = [*PAIR, swab("S1", "T2", 4), swab("S3", "T2", 5)]
    outcome = compute(plates(samples, ("T1", 12, NEGATIVE), ("T2", 13, POSITIVE)))
    assert found(outcome, "sample_in_two_tubes") == [("error", "S1", "T1", "T2")]
    assert statuses(outcome) == {"S1": "suspect", "S2": "negative", "S3": "suspect"}
    assert [(row["pool_id"], row["slot"]) for row in outcome["members"] if row["sample_id"] == "S1"] == [
        ("T1", 1),
        ("T2", 4),
    ]


def test_9_a_doubt_of_yesterday_is_a_doubt_today():
    """The second registration must survive in history, or S1 would be cleared by T1 alone."""
    two_tubes = tables([*PAIR, swab("S1", "T2", 4), swab("S3", "T2", 5)])
    outcome = follow(two_tubes, plates([], ("T1", 12, NEGATIVE)))
    assert statuses(outcome) == {"S1": "pending", "S2": "negative", "S3": "pending"}
    two_subjects = tables([*PAIR, swab("S1", "T1", 1, subject_id="A9")])
    assert statuses(follow(two_subjects, plates([], ("T1", 12, NEGATIVE))))["S1"] == "invalid"


def test_9_a_slot_used_twice_does_not_matter_to_evidence():
    outcome = compute(plates([swab("S1", "T1", 1), swab("S2", "T1", 1)], ("T1", 12, NEGATIVE)))
    assert found(outcome, "slot_twice") == [("error", "T1", "S1", "S2")]
    assert set(statuses(outcome).values()) == {"negative"}


def test_9_members_that_nobody_knows():
    day = tables(SINGLES, **mixture("L1", "S1", "S8"))
    day["members"] += mixture("L9", "S2")["members"]
    outcome = compute(day)
    assert found(outcome, "unknown_member") == [("error", "L1", "S8"), ("error", "L9", "S2")]
    assert [row["n_members"] for row in outcome["pools"]] == [1, 1, 1]


def test_9_calls_of_an_unknown_specimen_are_kept_until_it_is_registered():
    first = plates(ALONE, ("T7", 12, NEGATIVE))
    outcome = compute(first)
    assert found(outcome, "unknown_specimen") == [("error", "T7", "P1/A01")]
    assert [row["specimen_id"] for row in outcome["calls"]] == ["T7"]
    assert statuses(follow(first, tables([swab("S7", "T7")]))) == {"S1": "pending", "S7": "negative"}


def test_9_history_stands_against_a_changed_well_run_or_reading():
    first = plates(SINGLES, ("T1", 12, POSITIVE))
    # The well is said to be T2's now, and the run negative.
    changed = tables(SINGLES, [well("P1", "A01", "T2")], read("R1", "A01", NEGATIVE), [run("R1", "P1", 12)])
    outcome = follow(first, changed)
    assert found(outcome, "changed_well") == [("error", "P1", "A01")]
    assert found(outcome, "changed_run") == [("error", "R1")]
    assert (statuses(outcome), outcome["calls"], outcome["runs"]) == ({"S1": "positive", "S2": "pending"}, [], [])
    assert found(follow(first, first), "changed_run") == []
    later = first | {"runs": [run("R1", "P1", 13)]}
    assert found(follow(first, later), "changed_run") == [("error", "R1")]
    # Readings of another well of the closed run change what it says, too.
    more = tables([], [well("P1", "B01", "T2")], read("R1", "A01", POSITIVE) + read("R1", "B01", NEGATIVE))
    outcome = follow(first, more)
    assert (found(outcome, "changed_run"), statuses(outcome)["S2"]) == ([("error", "R1")], "pending")


def test_9_a_run_of_history_without_calls_is_still_open():
    first = plates(ALONE, ("T1", 12, {}))
    outcome = follow(first, tables([], [], read("R1", "A01", NEGATIVE)))
    assert statuses(outcome) == {"S1": "negative"}
    # But not under another plate than history's.
    moved = tables([], [well("P2", "A01", "T1")], read("R1", "A01", NEGATIVE), [run("R1", "P2", 12)])
    outcome = follow(first, moved)
    assert (statuses(outcome), found(outcome, "changed_run")) == ({"S1": "pending"}, [("error", "R1")])


def test_9_a_pool_does_not_grow_after_it_is_known():
    first = plates([*SINGLES, swab("S3", "T3")], ("L1", 12, NEGATIVE), **mixture("L1", "S1", "S2"))
    for grown in (mixture("L1", "S3", n_members=2), mixture("L1", "S1", "S2", "S3")):
        outcome = follow(first, tables(**grown))
        assert found(outcome, "changed_pool") == [("error", "L1")]
        assert statuses(outcome) == {"S1": "negative", "S2": "negative", "S3": "pending"}
        # Nor is the member kept for a later day.
        assert statuses(follow(first, tables(**grown), tables()))["S3"] == "pending"
    assert found(follow(first, tables(**mixture("L1", "S1", "S2"))), "changed_pool") == []


# Section 10


def test_10_tubes_nobody_received():
    samples = [*PAIR, swab("S3", "T3"), swab("S4", "T4"), swab("S5", "T5"), swab("S6", "T6")]
    outcome = compute(tables(samples, [well("P1", "A01", "S3")], **mixture("L1", "S4", "S5")))
    # T3 stands in a well as S3; T4 and T5 were received, for something was taken from them.
    assert found(outcome, "tube_not_received") == [("warning", "T1"), ("warning", "T6"), ("warning", "L1")]
    # A tube whose members are all settled otherwise is not missed.
    outcome = compute(plates(PAIR, ("S1", 12, NEGATIVE), ("S2", 12, POSITIVE)))
    assert found(outcome, "tube_not_received") == []
    looks = [("S1", 12, NEGATIVE), ("S2", 12, POSITIVE)]
    assert found(compute(plates(SINGLES, *looks, **mixture("L1", "S1", "S2"))), "tube_not_received") == []


def test_10_a_specimen_on_more_plates_than_its_looks_asked_for():
    assert found(compute(plates(PAIR, ("T1", 12, INVALID), ("T1", 13, NEGATIVE))), "tube_on_two_plates") == []
    assert found(compute(plates(PAIR, ("T1", 12, SUSPECT), ("T1", 13, NEGATIVE))), "tube_on_two_plates") == [
        ("warning", "T1", "P1", "P2")
    ]
    assert found(compute(plates(ALONE, ("T1", 12, SUSPECT), ("S1", 13, NEGATIVE))), "tube_on_two_plates") == []
    assert found(compute(plates(ALONE, ("T1", 12, NEGATIVE), ("S1", 13, NEGATIVE))), "tube_on_two_plates") == [
        ("warning", "S1", "P1", "P2")
    ]


def test_10_an_instrument_that_reads_more_than_it_can():
    day = plates(PAIR, ("T1", 12, NEGATIVE), ("S1", 12.9, NEGATIVE))
    day["wells"] += [well("P1", "B01", content="blank"), well("P1", "C01", content="empty")]
    day["readings"] += read("R1", "B01", NEGATIVE)
    assert found(compute(day, wells_per_instrument_hour=2.0), "instrument_overload") == [("warning", "I1")]
    assert found(compute(day, wells_per_instrument_hour=3.0), "instrument_overload") == []
    # A full hour apart they are not of one hour, nor on two instruments.
    apart = day | {"runs": [run("R1", "P1", 12), run("R2", "P2", 13)]}
    assert found(compute(apart, wells_per_instrument_hour=2.0), "instrument_overload") == []
    unknown = day | {"runs": [run("R1", "P1", 12, "unknown"), run("R2", "P2", 12, "unknown")]}
    assert found(compute(unknown, wells_per_instrument_hour=2.0), "instrument_overload") == []
    other = day | {"runs": [run("R1", "P1", 12), run("R2", "P2", 12.9, "I2")]}
    assert found(compute(other, wells_per_instrument_hour=2.0), "instrument_overload") == []


def test_10_a_positive_pool_whose_members_are_all_negative():
    looks = [("T1", 12, POSITIVE), ("S1", 13, NEGATIVE)]
    assert found(compute(plates(PAIR, *looks)), "discordant_pool") == []
    outcome = compute(plates(PAIR, *looks, ("S2", 13, NEGATIVE)))
    assert found(outcome, "discordant_pool") == [("warning", "T1")]


# Section 11, and what the page promises of every day


def computed(case):
    """Give each day with the history it was computed on, its outcome and the history after it."""
    history = None
    for tables_of_day, at in case.days:
        outcome = twin.process(tables_of_day, case.protocol, at, history)
        after = twin.continue_history(history, tables_of_day, outcome)
        yield tables_of_day, at, history, outcome, after
        history = after


RANDOM = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@RANDOM
@given(random_days())
def test_11_every_sample_once_and_every_unsettled_one_asked_for(case):
    for day, _, before, outcome, after in computed(case):
        registered = dict.fromkeys(row["sample_id"] for row in (before or {"samples": []})["samples"] + day["samples"])
        assert [row["sample_id"] for row in outcome["results"]] == list(registered)
        ordered = {row["sample_id"] for row in after["orders"]}
        for row in outcome["results"]:
            if row["status"] in ("suspect", "invalid"):
                assert row["sample_id"] in ordered
        issued = [row["sample_id"] for row in outcome["orders"]]
        assert len(issued) == len(set(issued))
        ids = [row["order_id"] for row in after["orders"]]
        assert len(ids) == len(set(ids))


def reactive_or_not(calls, ends, newest_swab):
    """Give (end, call) of the calls that can be of these swabs."""
    return [(ends[row["run_id"]], row["call"]) for row in calls if ends[row["run_id"]] >= newest_swab]


def clears_by_pool(pool_id, members, said, samples, calls, ends, protocol):
    """Say whether the pool may clear its members: written from TABLES, without the twin's own reading of the page."""
    newest = max(samples[sample_id]["collected_at"] for sample_id in members)
    seen = {word for _, word in reactive_or_not([c for c in calls if c["specimen_id"] == pool_id], ends, newest)}
    one_kind = len({samples[sample_id]["kind"] for sample_id in members}) == 1
    small = max(said, len(members)) <= protocol["max_pool_size"]
    return "negative" in seen and not seen & {"positive", "suspect"} and one_kind and small


def outweighed(its_pools, pools, after, samples, ends, protocol):
    """Give a sample's designed pools; each reactive one has a negative one of its own stage or later beside it."""
    named = {row["pool_id"]: row for row in after["pools"]}
    designed = {pool_id for pool_id in its_pools if named.get(pool_id, {}).get("design")}

    def of_pool(pool_id):
        return [call for call in after["calls"] if call["specimen_id"] == pool_id]

    for pool_id in designed:
        newest = max(samples[member]["collected_at"] for member in pools[pool_id])
        words = {word for _, word in reactive_or_not(of_pool(pool_id), ends, newest)}
        assert not words & {"positive", "suspect"} or any(
            named[other]["stage"] >= named[pool_id]["stage"]
            and clears_by_pool(other, pools[other], named[other]["n_members"], samples, after["calls"], ends, protocol)
            and protocol["negatives_to_clear"] > 0
            for other in designed
        )
    return designed


@RANDOM
@given(random_days())
def test_no_negative_for_a_member_of_a_pool_that_is_not_negative_without_its_own_later_negative(case):
    for _, _, _, outcome, after in computed(case):
        samples, subjects = {}, {}
        for row in after["samples"]:
            samples.setdefault(row["sample_id"], row)
            subjects.setdefault(row["sample_id"], set()).add(row["subject_id"])
        ends = {row["run_id"]: row["ended_at"] for row in after["runs"]}
        said = {row["pool_id"]: row["n_members"] for row in after["pools"]}
        pools, tubes_of = {}, {}
        for row in after["samples"]:
            pools.setdefault(row["tube_id"], set()).add(row["sample_id"])
            tubes_of.setdefault(row["sample_id"], set()).add(row["tube_id"])
        shared = {sample_id for members in pools.values() if len(members) > 1 for sample_id in members}
        alone = {tube_id: next(iter(members)) for tube_id, members in pools.items() if len(members) == 1}
        pools = {tube_id: members for tube_id, members in pools.items() if len(members) > 1}
        for row in after["members"]:
            if row["pool_id"] in said and row["sample_id"] in samples:
                pools.setdefault(row["pool_id"], set()).add(row["sample_id"])
        for row in outcome["results"]:
            if row["status"] != "negative":
                continue
            sample_id = row["sample_id"]
            assert len(subjects[sample_id]) == 1
            specimen_id, run_id, _ = row["evidence"].split("/")
            assert row["decided_at"] == ends[run_id]
            its_pools = [pool_id for pool_id, members in pools.items() if sample_id in members]
            # Somebody may have answered for it: a swab of the same subject, taken later, that is negative itself. That
            # swab can stand in the very tube where the sample itself is.
            members = pools.get(specimen_id, {alone.get(specimen_id, specimen_id)})
            by_id = {result["sample_id"]: result["status"] for result in outcome["results"]}
            answered = any(
                samples[member]["subject_id"] == samples[sample_id]["subject_id"]
                and samples[member]["collected_at"] > samples[sample_id]["collected_at"]
                and by_id[member] == "negative"
                for member in members
                if member in samples
            )
            if answered:
                continue
            if specimen_id in pools and sample_id in pools[specimen_id]:
                designed = outweighed(its_pools, pools, after, samples, ends, case.protocol)
                for pool_id in set(its_pools) - designed:
                    its = pools[pool_id], said.get(pool_id, 0), samples, after["calls"], ends, case.protocol
                    assert clears_by_pool(pool_id, *its)
                    assert pool_id not in said or not pools[pool_id] & shared
            else:
                assert alone.get(specimen_id, specimen_id) == sample_id
                for pool_id in its_pools:
                    newest = max(samples[member]["collected_at"] for member in pools[pool_id])
                    of_pool = [c for c in after["calls"] if c["specimen_id"] == pool_id]
                    seen = reactive_or_not(of_pool, ends, newest)
                    worrying = [end for end, word in seen if word in ("positive", "suspect")]
                    assert not worrying or max(end for end, _ in seen) < row["decided_at"]


@RANDOM
@given(random_days())
def test_handing_in_a_day_again_changes_nothing(case):
    """Nothing new is read, ordered or decided when the same folder is computed again on the history it left."""
    for day, at, _, outcome, after in computed(case):
        moment = at or twin.moment(day, {"samples": [], "runs": [], "orders": []} | after, None)
        for again_handed in (day, tables()):
            repeated = twin.process(again_handed, case.protocol, moment, after)
            assert repeated["calls"] == repeated["orders"] == repeated["runs"] == []
            for name in ("sample_id", "status", "evidence", "probability"):
                assert [row[name] for row in repeated["results"]] == [row[name] for row in outcome["results"]]


@RANDOM
@given(random_days(most_days=1), st.randoms(use_true_random=False))
def test_the_order_of_readings_and_wells_does_not_matter(case, random):
    ((day, at),) = case.days
    shuffled = {name: day[name] if day[name] is None else list(day[name]) for name in day}
    random.shuffle(shuffled["readings"])
    random.shuffle(shuffled["wells"])
    one, other = (twin.process(each, case.protocol, at) for each in (day, shuffled))
    assert one["results"] == other["results"]
    assert one["orders"] == other["orders"]
    assert sorted(map(str, one["findings"])) == sorted(map(str, other["findings"]))

"""The rules of validation: FDA's cases, odds by enumeration, and what follows from data."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from poolkit import (
    DesignError,
    ValidationRules,
    decide_pool_size,
    evaluate_validation,
    expected_agreement,
    plot_validation_odds,
    reassess,
    validation_odds,
)
from poolkit.planning import best_hierarchical
from poolkit.planning.validation import least
from tests.reference import prevalence as twin

FDA = tomllib.loads((Path(__file__).parents[1] / "golden" / "fda" / "pooling.toml").read_text(encoding="utf-8"))
RULES = ValidationRules.named()


def test_every_value_has_a_source():
    assert set(RULES.sources) == {each.name for each in fields(ValidationRules)[3:-1]}
    assert all("FDA" in source.text for source in RULES.sources.values())


def test_table_2():
    for per_cent, size in FDA["table_2"]["sizes"]:
        assert best_hierarchical(per_cent / 100.0, max_stages=2).numbers == (size,)
    tests = best_hierarchical(0.01, max_stages=2).tests_per_sample
    assert round(1.0 / tests, 2) == FDA["table_2"]["samples_per_test"]


@pytest.mark.parametrize(("agreement", "of", "expected"), FDA["counts"]["least"])
def test_how_many_an_agreement_asks_for(agreement, of, expected):
    assert least(agreement, of) == expected


@pytest.mark.parametrize("p", [0.0, 0.5, 0.8, 0.85, 0.93, 1.0])
def test_odds_by_enumeration(p):
    (row,) = validation_odds(p).to_dict("records")
    preliminary, sites = twin.at_least(16, 20, p), twin.sites_pass(p)
    assert row["preliminary"] == pytest.approx(preliminary, rel=1e-10, abs=1e-15)
    assert row["sites"] == pytest.approx(sites, rel=1e-10, abs=1e-15)
    assert row["both"] == pytest.approx(preliminary * sites, rel=1e-10, abs=1e-15)
    assert row["agreement"] == pytest.approx(twin.at_least(17, 20, p), rel=1e-10, abs=1e-15)
    assert row["detection"] == pytest.approx(twin.at_least(19, 20, p), rel=1e-10, abs=1e-15)


def test_odds_rise_and_are_drawn():
    frame = validation_odds(np.linspace(0.5, 1.0, 26))
    assert (np.diff(frame.to_numpy(), axis=0) >= -1e-12).all()
    ax = plot_validation_odds(frame)
    assert len(ax.lines) == 5
    assert ax.lines[1].get_ydata() == pytest.approx(100.0 * frame["sites"].to_numpy())


def study(found=18, shift=1.5, invalid=0, n=20, ct=30.0):
    calls = ["positive"] * found + ["negative"] * (n - found - invalid) + ["invalid"] * invalid
    return pd.DataFrame(
        {
            "expected": ["positive"] * n + ["negative"] * n,
            "call": [*calls, *["negative"] * n],
            "single_ct_cycles": [ct] * n + [None] * n,
            "pool_ct_cycles": [ct + shift] * found + [None] * (2 * n - found),
        }
    )


def passed(data, **options):
    return dict(evaluate_validation(data, **options)[["rule", "passed"]].itertuples(index=False))


def test_a_study_that_passes_and_one_that_does_not():
    assert all(passed(study(17)).values())
    assert [rule for rule, good in passed(study(16)).items() if not good] == ["positive agreement", "all"]
    assert [rule for rule, good in passed(study(shift=1.8)).items() if not good] == ["mean shift (cycles)", "all"]
    assert [rule for rule, good in passed(study(16, invalid=3)).items() if not good] == ["invalid share", "all"]
    few = passed(study(19, n=19))
    assert [rule for rule, good in few.items() if not good] == ["positive pools", "negative pools", "all"]
    # Without any pair of Ct nothing shows that the shift is small.
    assert not passed(study().assign(pool_ct_cycles=None))["mean shift (cycles)"]


def test_agreement_is_of_valid_pools_with_its_exact_limits():
    found = evaluate_validation(study(17, invalid=1)).set_index("rule").loc["positive agreement"]
    assert found["found"] == pytest.approx(17 / 19)
    assert (found["lower"], found["upper"]) == pytest.approx(twin.clopper_pearson(17, 19), rel=1e-9)


def test_weak_positives():
    data = study()
    data.loc[:4, "single_ct_cycles"] = 34.0
    data.loc[:4, "pool_ct_cycles"] = 35.0
    assert passed(data, lod_ct=36.5)["weak positives"]
    data.loc[4, "single_ct_cycles"] = 30.0
    assert not passed(data, lod_ct=36.5)["weak positives"]


def test_sites():
    rows = [("A", 13, 15), ("B", 15, 15), ("C", 12, 15)]
    data = pd.DataFrame(
        [
            {"site": site, "expected": "positive", "call": "positive" if k < found else "negative"}
            for site, found, n in rows
            for k in range(n)
        ]
    ).assign(single_ct_cycles=30.0, pool_ct_cycles=31.0)
    found = passed(pa.Table.from_pandas(data))
    assert [found[f"positive agreement, site {site}"] for site in "ABC"] == [True, True, False]


def test_a_study_of_negatives_only_passes_nothing():
    found = passed(study()[20:])
    assert not found["positive pools"]
    assert not found["positive agreement"]
    assert not found["all"]


@pytest.mark.parametrize(("found", "of", "action"), FDA["reassessment"]["cases"])
def test_consecutive_positives(found, of, action):
    (row,) = decide_pool_size(found, of=of, n_tested=500, pool_size=5).to_dict("records")
    assert row["action"] == action
    assert row["pool_size"] == (4 if action == "smaller" else 5)
    assert round(row["positivity"], 10) == dict(FDA["reassessment"]["positivity"])[of]
    assert (row["lower"], row["upper"]) == pytest.approx(twin.clopper_pearson(found, of), rel=1e-9)


def test_no_size_is_left():
    assert decide_pool_size(5, of=10, n_tested=100, pool_size=2)[["action", "pool_size"]].values.tolist() == [
        ["cease", 1]
    ]


def test_days_are_taken_together():
    day = pd.date_range("2022-04-01", periods=12)
    samples, positive = np.full(12, 500), np.array([10] * 6 + [5] * 6)
    found = reassess({"day": day, "samples": samples, "positive": positive}, single_positivity=0.02)
    for place in range(12):
        first = max(0, place - 6)
        share = positive[first : place + 1].sum() / samples[first : place + 1].sum()
        assert found["positivity"][place] == pytest.approx(share)
        assert found["ratio"][place] == pytest.approx(share / 0.02)
        n, k = int(samples[first : place + 1].sum()), int(positive[first : place + 1].sum())
        if n <= 1000:
            assert found["probability"][place] == pytest.approx(twin.at_most(k, n, 0.02), rel=1e-9)
        assert found["action"][place] == ("reassess" if share < 0.85 * 0.02 else "continue")
    # A gap of days leaves the earlier ones out.
    gap = {"day": [1, 2, 20], "samples": [500] * 3, "positive": [10, 10, 1]}
    assert reassess(gap, single_positivity=0.02)["samples"].tolist() == [500, 1000, 500]


def test_what_days_ask_for():
    def actions(samples, positive, **options):
        days = {"day": range(len(samples)), "samples": samples, "positive": positive}
        return reassess(days, **options)["action"].tolist()

    assert actions([1000, 1000], [251, 800], single_positivity=0.1) == ["stop", "stop"]
    assert actions([100, 900], [0, 0], single_positivity=0.01) == ["wait", "reassess"]
    assert actions([1000], [17], single_positivity=0.02) == ["continue"]
    assert actions([1000], [17], initial_positivity=0.02) == ["reassess"]
    assert actions([1000], [0], initial_positivity=0.0) == ["wait"]


def test_expected_agreement_by_zone():
    found = expected_agreement(
        [20.0, 33.0, 35.0, 36.0, 37.0, 38.0], shift_cycles=2.0, lod_ct=35.0, cutoff_ct=38.0, detected=0.5
    )
    assert found["samples"].tolist() == [3, 1, 1, 1, 6]
    assert found["agreement"].tolist() == pytest.approx([0.0, 0.25, 0.725, 1.0, (0.25 + 0.725 + 1.0) / 6])
    # A shift as wide as from the limit of detection to the cutoff leaves no zone between.
    found = expected_agreement([34.0, 35.5], shift_cycles=3.0, lod_ct=35.0, cutoff_ct=38.0, detected=0.5)
    assert found["samples"].tolist() == [1, 0, 1, 0, 2]


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda: ValidationRules.named("none"), ["name"]),
        (lambda: replace(RULES, agreement=1.5, sites=0, shift_cycles=0.0), ["agreement", "sites", "shift_cycles"]),
        (lambda: replace(RULES, reassess_more=0.95), ["reassess_more"]),
        (lambda: validation_odds([0.5, 1.5]), ["sensitivity"]),
        (
            lambda: evaluate_validation({"expected": ["yes"], "call": ["positive"]}),
            ["single_ct_cycles", "pool_ct_cycles", "expected"],
        ),
        (lambda: reassess({"day": [1], "samples": [5]}), ["positive", "single_positivity"]),
        (
            lambda: reassess({"day": [2, 1], "samples": [5, 5], "positive": [6, 0]}, single_positivity=0.1),
            ["day", "positive"],
        ),
        (lambda: reassess({"day": [1], "samples": [5], "positive": [0]}, single_positivity=1.1), ["positivity"]),
        (lambda: decide_pool_size(11, of=10, n_tested=5, pool_size=1), ["found", "n_tested", "pool_size"]),
        (lambda: decide_pool_size(11, of=15, n_tested=50, pool_size=5), ["of"]),
        (
            lambda: expected_agreement([], shift_cycles=-1.0, lod_ct=39.0, cutoff_ct=38.0, detected=2.0),
            ["ct_cycles", "shift_cycles", "lod_ct", "detected"],
        ),
        (
            lambda: expected_agreement([39.0], shift_cycles=1.0, lod_ct=35.0, cutoff_ct=38.0, detected=0.5),
            ["ct_cycles"],
        ),
    ],
)
def test_what_is_refused(call, where):
    with pytest.raises(DesignError) as caught:
        call()
    assert [problem.where for problem in caught.value.problems] == where


def test_studies_as_laboratories_write_them():
    study = {
        "expected": ["positive"] * 2 + ["negative"] * 2,
        "call": ["reactive", "positive", "negative", "invalid"],
        "single_ct_cycles": ["30.0", "31", None, None],
        "pool_ct_cycles": [31.5, 33.0, None, None],
        "site": ["a", "b", None, None],
    }
    found = evaluate_validation(study).set_index("rule")["found"]
    assert found["positive agreement"] == 1.0
    assert found["mean shift (cycles)"] == pytest.approx(1.75)
    with pytest.raises(DesignError) as caught:
        evaluate_validation(study | {"pool_ct_cycles": [31.5, "late", None, None], "site": ["a", None, None, None]})
    assert [(each.where, each.rows) for each in caught.value.problems] == [("pool_ct_cycles", (1,)), ("site", (1,))]
    with pytest.raises(DesignError, match="table: must be a table or a mapping of columns, found NoneType"):
        evaluate_validation(None)
    with pytest.raises(DesignError, match="lod_ct: must be a number, found nan"):
        evaluate_validation(study, lod_ct=float("nan"))


def test_days_are_those_of_the_place():
    days = {"samples": [1000, 1000, 1000], "positive": [20, 12, 8]}
    there = pd.date_range("2021-01-01T00:30", periods=3, tz="Asia/Shanghai")
    found = reassess({"day": there, **days}, single_positivity=0.02)
    assert found["action"].tolist() == reassess({"day": [1, 2, 3], **days}, single_positivity=0.02)["action"].tolist()


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"day": ["monday", "tuesday", "friday"]}, ["day"]),
        ({"positive": [20.5, 1, 8], "samples": [1000, -1, 1000]}, ["samples", "positive"]),
        ({"positive": ["many", 1, 8]}, ["positive"]),
        ({"day": [1, None, 3]}, ["day"]),
    ],
)
def test_days_that_are_none(changed, where):
    days = {"day": [1, 2, 3], "samples": [1000] * 3, "positive": [20, 12, 8]}
    with pytest.raises(DesignError) as caught:
        reassess(days | changed, single_positivity=0.02)
    assert [problem.where for problem in caught.value.problems] == where


def test_counts_of_a_decision_are_whole():
    with pytest.raises(DesignError) as caught:
        decide_pool_size(8.5, of=10, n_tested=100.5, pool_size=4.5)
    assert [problem.where for problem in caught.value.problems] == ["found", "n_tested", "pool_size"]

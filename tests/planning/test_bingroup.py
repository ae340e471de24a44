"""The figures of R's binGroup2 1.3.3, case by case, and the right ones where it is wrong."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest

from poolkit import Assay, characteristics, choose, nested_pools
from poolkit.planning.arrangement import arranged
from poolkit.planning.choice import asked_of, value_of

H10 = (0.002, 0.003, 0.005, 0.008, 0.010, 0.015, 0.020, 0.035, 0.060, 0.120)


@pytest.fixture(scope="module")
def cases(shared):
    return json.loads((shared / "reference" / "bingroup2.json").read_text(encoding="utf-8"))["cases"]


def numbers(call, name):
    text = re.search(rf"\b{name}=(c\([^)]*\)|[\d.]+)", call)[1]
    return [float(each) for each in re.findall(r"[\d.]+(?:e-?\d+)?", text)]


def plan_of(call, told):
    kind = re.match(r"opChar1\('(\w+)'", call)[1]
    if kind in ("A2", "A2M", "IA2"):
        side = told["Config"]["Array.dim"]
        return f"array-{side}x{side}{'-master' if kind == 'A2M' else ''}", np.array(told["p.mat"]).T.ravel()
    if kind == "ID2":
        return nested_pools(told["Config"]["pool.szs"]), np.array(told["p.vec"])
    stages = [each if isinstance(each, list) else [each] for each in told["Config"].values()]
    return nested_pools(*stages), np.array(told["p.vec"])


def test_every_characteristic(cases):
    """All 32: D2, D3, D4, ID2, A2, A2M and IA2, overall and of each individual."""
    some = [each for each in cases if each["group"] == "opChar1"]
    assert len(some) == 32
    for case in some:
        call, told = case["call"], case["result"]
        plan, risks = plan_of(call, told)
        assay = [Assay(*each) for each in zip(numbers(call, "Se"), numbers(call, "Sp"), strict=True)]
        asked = [{"risks": risks}]
        if (risks == risks[0]).all() and isinstance(plan, str):
            asked.append({"prevalence": risks[0]})
        for each in asked:
            found = characteristics(plan, assay=assay, **each)
            overall, individual = told["overall"], told["individual"]
            mine = [found.expected_tests, found.tests_per_sample]
            mine += [found.sensitivity, found.specificity, found.ppv, found.npv]
            theirs = [told["ET"], told["value"], *(overall[name] for name in ("PSe", "PSp", "PPPV", "PNPV"))]
            assert mine == pytest.approx(theirs, rel=1e-12), case["id"]
            rows = found.individuals
            for name, column in (("PSe", "sensitivity"), ("PSP", "specificity"), ("PPPV", "ppv"), ("PNPV", "npv")):
                listed = np.atleast_1d(individual[name])
                if isinstance(individual["individuals"], list) and "," in str(individual["individuals"][0]):
                    sizes = [len(names.split(",")) for names in individual["individuals"]]
                    listed = np.repeat(listed, sizes)
                if "p.mat" in told and listed.size > 1:
                    # They count an array row by row.
                    listed = listed.reshape(np.array(told["p.mat"]).shape).T.ravel()
                assert rows[column].to_numpy() == pytest.approx(np.broadcast_to(listed, len(rows)), rel=1e-12), case[
                    "id"
                ]


def test_halving_is_three_stages(cases):
    """Mean and variance to the last digits, the distribution to the four that are printed."""
    told = {each["id"]: each["result"] for each in cases if each["group"] == "halving"}
    for name, plan, assay in (
        ("halving_3st_err", nested_pools([10], [5, 5]), Assay(0.95, 0.99)),
        ("halving_2st", nested_pools([10]), Assay()),
    ):
        found = characteristics(plan, risks=told[name]["p"], assay=assay)
        assert found.expected_tests == pytest.approx(told[name]["et"], rel=1e-12)
        assert found.variance == pytest.approx(told[name]["vt"], rel=1e-12)
        table = found.distribution()
        assert table["tests"].tolist() == told[name]["pmf"]["num.tests"]
        assert table["probability"].tolist() == pytest.approx(told[name]["pmf"]["prob.tests"], abs=5e-5)


def test_dorfman_beside_sterrett(cases):
    (told,) = (each["result"] for each in cases if each["group"] == "Sterrett")
    found = characteristics("two-stage-10", risks=H10, assay=Assay(0.95, 0.99))
    assert found.expected_tests == pytest.approx(told["mean.sd"]["mean"][3], rel=1e-12)
    assert found.variance**0.5 == pytest.approx(told["mean.sd"]["sd"][3], rel=1e-12)


def test_gradient_arrangement(cases):
    (told,) = (each for each in cases if each["group"] == "informativeArrayProb")
    risks = np.array(sorted(each for row in told["result"] for each in row))
    placed = risks[arranged(risks, 4, 4, how="gradient")].reshape(4, 4).T
    assert placed.tolist() == told["result"]


def test_optima_are_never_worse(cases):
    """All ten searches: the same value for one size and shape, or a better one where more are tried."""
    some = [each for each in cases if each["group"] == "OTC1"]
    assert len(some) == 10
    for case in some:
        call = case["call"]
        assay = Assay(numbers(call, "Se")[0], numbers(call, "Sp")[0])
        asked = {"risks": numbers(call, "probabilities")} if "probabilities" in call else {}
        asked = asked or {"prevalence": numbers(call, "p")[0]}
        largest = int(re.findall(r"group.sz=(?:\d+:)?(\d+)", call)[0])
        kind = re.match(r"OTC1\('(\w+)'", call)[1]
        stages = {"D2": 2, "D3": 3}.get(kind, 1)
        family = {"D2": "two-stage", "D3": "hierarchical, 3 stages"}.get(kind, "array")
        prices = {"opt.GR1": 1.0, "opt.GR2": 10.0, "opt.GR3": 100.0}
        for name, told in case["result"].items():
            aim = {"opt.ET": "tests", "opt.MAR": "tests_per_correct"}.get(name, "cost")
            price = {"cost_missed": prices[name], "cost_false": prices[name]} if name in prices else {}
            limits = {"max_pool": largest, "max_stages": stages, "max_rounds": max(stages, 2)}
            chosen = choose(assay=assay, objective=aim, **asked, **limits, **price)
            row = chosen.table.set_index("family").loc[family]
            assert row["value"] <= told["value"] * (1.0 + 1e-12), case["id"]
            if family != "array":
                assert row["value"] == pytest.approx(told["value"], rel=1e-12), case["id"]
                assert row["sensitivity"] == pytest.approx(told["accuracy"]["PSe"], rel=1e-12)


@pytest.mark.parametrize(
    ("prevalence", "two", "three"),
    [
        (0.005, (15, 0.1447518360), (24, 0.0884859467)),
        (0.01, (11, 0.1992911319), (24, 0.1301721879)),
        (0.02, (8, 0.2752827588), (16, 0.2019290702)),
        (0.05, (5, 0.4226459188), (9, 0.3612394099)),
        (0.1, (4, 0.583266), (9, 0.5542472720)),
    ],
)
def test_optima_of_the_table(prevalence, two, three):
    table = choose(prevalence, assay=Assay(0.95, 0.99), max_pool=24, max_rounds=3).table.set_index("family")
    for family, (size, value) in (("two-stage", two), ("hierarchical, 3 stages", three)):
        assert table.loc[family, "largest_pool"] == size
        assert table.loc[family, "tests_per_sample"] == pytest.approx(value, abs=1e-10)


def test_a_wide_search_is_a_better_one():
    """Three stages to 40 take R two minutes: 25 in fives."""
    best = choose(0.01, assay=Assay(0.95, 0.99), max_pool=40)
    assert best.name == "hierarchical-25-5-1"
    assert best.value == pytest.approx(0.1297239491, abs=1e-10)


@pytest.mark.parametrize(
    ("prevalence", "side", "value"),
    [
        (0.001, 107, 0.0305215202),
        (0.005, 39, 0.0856050581),
        (0.01, 25, 0.1333980189),
        (0.05, 10, 0.3672973111),
        (0.1, 7, 0.5597236377),
    ],
)
def test_best_square_arrays(prevalence, side, value):
    def tests(n):
        return characteristics(f"array-{n}x{n}", prevalence=prevalence, assay=Assay(0.95, 0.99)).tests_per_sample

    around = [tests(n) for n in range(side - 3, side + 4)]
    assert np.argmin(around) == 3
    assert around[3] == pytest.approx(value, abs=1e-10)
    best = choose(prevalence, assay=Assay(0.95, 0.99), max_pool=110, max_stages=2, max_rounds=2).table
    assert best.set_index("family").loc["array", "value"] <= value + 1e-10


def test_thirteen_square_is_the_edge_of_their_search():
    best = choose(0.01, assay=Assay(0.95, 0.99), max_pool=13, max_rounds=2).table.set_index("family").loc["array"]
    assert best["design"] == "array-13x13"
    assert best["tests_per_sample"] == pytest.approx(0.182343065950333, rel=1e-12)


def test_master_pools_of_other_specificity():
    """binGroup2 takes the specificity of rows for that of the pool of all; the right value is from all states."""
    stages = [Assay(0.95, 0.5), Assay(0.97, 0.8), Assay(0.99, 0.6)]
    found = characteristics("array-5x5-master", prevalence=0.02, assay=stages)
    assert found.specificity == pytest.approx(0.961659800, abs=5e-10)
    assert abs(found.specificity - 0.964615546) > 0.002


def test_rows_and_columns_of_their_own_errors():
    """Turned around with its errors, an array is the same."""
    one, other = Assay(0.95, 0.98), Assay(0.9, 0.999)
    found = characteristics("array-8x12", prevalence=0.02, assay=[one, Assay()], columns=other)
    turned = characteristics("array-12x8", prevalence=0.02, assay=[other, Assay()], columns=one)
    assert found.expected_tests == pytest.approx(turned.expected_tests, rel=1e-13)
    assert found.sensitivity == pytest.approx(turned.sensitivity, rel=1e-13)
    alike = characteristics("array-8x12", prevalence=0.02, assay=[one, Assay()])
    assert alike.expected_tests != pytest.approx(found.expected_tests, rel=1e-3)


def test_samples_in_order_of_risk_do_better_than_theirs():
    """Their best pools of H10 take 3.07 tests; three stages and all splits in order take less."""
    chosen = choose(risks=H10, assay=Assay(0.95, 0.99))
    two = chosen.table.set_index("family").loc["two-stage"]
    assert 10 * two["value"] == pytest.approx(3.07, abs=0.005)
    assert chosen.value < two["value"]
    again = characteristics(chosen.design, risks=np.array(H10)[chosen.order], assay=Assay(0.95, 0.99))
    assert again.tests_per_sample == pytest.approx(chosen.value, rel=1e-12)
    asked = asked_of(None, H10, (Assay(), Assay()), ("tests", 0.0, 0.0), (10, 3, None, 0.0, 0))
    assert value_of(again, asked) == again.tests_per_sample
    assert all(low <= high for low, high in pairwise(np.array(H10)[chosen.order]))

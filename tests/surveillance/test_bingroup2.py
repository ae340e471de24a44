"""Every case of binGroup2 about estimating a prevalence; where it is wrong, the right value with its derivation."""

import json
import re
from statistics import NormalDist

import numpy as np
import pytest

from poolkit import (
    compare_prevalence,
    coverage,
    pool_sizes,
    pools_for_test,
    power_of_pools,
    prevalence,
    prevalence_test,
)
from tests.reference import prevalence as twin

METHODS = {
    "CP": "clopper-pearson",
    "exact": "clopper-pearson",
    "Blaker": "blaker",
    "AC": "agresti-coull",
    "Wald": "wald",
}
# R's roots stop within some 1e-13 of a prevalence.
NEAR = {"rel": 1e-10, "abs": 1e-12}


def arguments(call):
    """The arguments of a call of R, its vectors as lists and its dots as underscores."""
    inner = re.sub(r"([a-z])\.(?=[a-z]+\s*=)", r"\1_", call[call.index("(") :])
    return eval(f"dict{inner}", {"c": lambda *values: list(values)})


@pytest.fixture(scope="module")
def cases(shared):
    read = json.loads((shared / "reference" / "bingroup2.json").read_text(encoding="utf-8"))["cases"]
    groups = {}
    for case in read:
        groups.setdefault(case["group"], []).append(
            (
                case["id"],
                arguments(case["call"])
                if "prop" in case["group"] or case["group"].startswith(("gtT", "gtP", "gtW", "design"))
                else None,
                case["result"],
            )
        )
    return groups


def pools(x, m, n):
    return {"pool_size": np.atleast_1d(m), "tested": np.atleast_1d(n), "positive": np.atleast_1d(x)}


def test_intervals(cases):
    assert len(cases["propCI"]) == 48
    for name, given, expected in cases["propCI"]:
        method = METHODS.get(given["ci_method"], given["ci_method"])
        estimator = given.get("pt_method", "mle").lower()
        assert given.get("alternative", "two.sided") == "two.sided"
        table = pools(given["x"], given["m"], given["n"])
        (row,) = prevalence(table, method=method, estimator=estimator).to_dict("records")
        assert row["prevalence"] == pytest.approx(expected["estimate"], **NEAR), name
        found, wanted = (row["lower"], row["upper"]), (expected["lower"], expected["upper"])
        if method == "blaker":
            # Searched on a grid of 1e-4 in the share of pools that react.
            found, wanted = ([1.0 - (1.0 - p) ** given["m"] for p in each] for each in (found, wanted))
            assert found == pytest.approx(wanted, abs=1e-4), name
        else:
            assert found == pytest.approx(wanted, **NEAR), name


@pytest.mark.parametrize(
    ("x", "m", "n", "peer", "right"),
    [
        (12, 10, 1000, (0.000620654813, 0.002007238855), (0.000657636887, 0.002044686031)),
        (3, 7, 24, (0.003365, 0.047367), (0.004785, 0.049231)),
    ],
)
def test_second_order_has_eta_of_its_own_quantile(x, m, n, peer, right):
    """BinGroup2 keeps eta of the one-sided quantile in the middle of the two-sided interval; Cai 2005 has one z."""
    found = prevalence(pools(x, m, n), method="second-order")[["lower", "upper"]].to_numpy()[0]
    z, one_sided = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.95)
    by_definition = [1.0 - (1.0 - share) ** (1.0 / m) for share in twin.second_order(x, n, z)]
    assert found == pytest.approx(by_definition, rel=1e-12)
    assert found == pytest.approx(right, abs=6e-7)
    # The peer's number is its middle moved by the wrong eta.
    middle = [(x + eta) / (n + 2.0 * eta) for eta in (q * q / 3.0 + 1.0 / 6.0 for q in (z, one_sided))]
    moved = [share - middle[0] + middle[1] for share in twin.second_order(x, n, z)]
    assert [1.0 - (1.0 - share) ** (1.0 / m) for share in moved] == pytest.approx(peer, abs=6e-7)


@pytest.mark.parametrize("method", ["score", "lrt", "wald", "skew-score", "bc-skew-score"])
def test_one_end_is_no_relabelled_interval(method):
    """BinGroup2 ignores `alternative` here and returns the two-sided interval."""
    table = pools(12, 10, 1000)
    both, less, greater = (
        prevalence(table, method=method, alternative=each)[["lower", "upper"]].to_numpy()[0]
        for each in ("two-sided", "less", "greater")
    )
    assert less[0] == 0.0
    assert greater[1] == 1.0
    assert less[1] < both[1]
    assert greater[0] > both[0]
    if method == "wald":
        p, z = 1.0 - (1.0 - 0.012) ** 0.1, NormalDist().inv_cdf(0.95)
        assert less[1] == pytest.approx(p + z * twin.moments(p, [(10, 1000, 12)])[1] ** -0.5, rel=1e-9)
    else:
        expected = twin.limits(method, NormalDist().inv_cdf(0.95), [(10, 1000, 12)])
        assert (greater[0], less[1]) == pytest.approx(expected, rel=1e-8)


def test_differences(cases):
    assert len(cases["propDiffCI"]) == 2
    for name, given, expected in cases["propDiffCI"]:
        method = METHODS.get(given["ci_method"], given["ci_method"])
        found = compare_prevalence(
            pools(given["x1"], given["m1"], given["n1"]), pools(given["x2"], given["m2"], given["n2"]), method=method
        ).iloc[0]
        assert found["value"] == pytest.approx(expected["d"], **NEAR), name
        # The peer's root of a corrected difference is R's uniroot at its default tolerance, good to some 1e-6.
        near = NEAR if method == "wald" else {"abs": 1e-6}
        assert (found["lower"], found["upper"]) == pytest.approx((expected["lower"], expected["upper"]), **near), name


def test_tests(cases):
    assert len(cases["gtTest"]) == 2
    for name, given, expected in cases["gtTest"]:
        (row,) = prevalence_test(
            pools(given["y"], given["s"], given["n"]),
            hypothesis=given["p_hyp"],
            method=given["method"].lower(),
            alternative=given["alternative"].replace(".", "-"),
        ).to_dict("records")
        assert row["p_value"] == pytest.approx(expected["p.value"], rel=1e-10), name
        assert row["prevalence"] == pytest.approx(expected["estimate"], rel=1e-10), name


def test_power(cases):
    ((_, given, ((_, _, _, _, power, bias),)),) = cases["gtPower"]
    found = power_of_pools(
        given["p_hyp"] - given["delta"], hypothesis=given["p_hyp"], n_pools=given["n"], pool_size=given["s"]
    )
    assert found["power"].tolist() == pytest.approx([power], rel=1e-10)
    assert found["bias"].tolist() == pytest.approx([bias], rel=1e-10)


def test_width(cases):
    ((_, given, ((_, _, _, _, width),)),) = cases["gtWidth"]
    found = coverage(
        {"pool_size": [given["s"]], "tested": [given["n"]]}, method="clopper-pearson", prevalence=[given["p"]]
    )
    assert found["width"].tolist() == pytest.approx([width], rel=1e-10)


def test_best_size(cases):
    """BinGroup2 says 100 where it stopped, but its figures are those of 99, the last size before."""
    ((_, given, expected),) = cases["designEst"]
    found = pool_sizes(given["p_tr"], n_pools=given["n"], max_pool=given["smax"])
    assert expected["result"]["sout"] == 100
    row = found.set_index("pool_size").loc[99]
    for name, theirs in (("mse", "mse"), ("expected", "exp"), ("variance", "varp"), ("bias", "bias")):
        assert row[name] == pytest.approx(expected["result"][theirs], rel=1e-9), name
    assert found.loc[found["best"], "pool_size"].tolist() == [100]


def test_number_for_power(cases):
    ((_, given, expected),) = cases["designPower"]
    options = {"hypothesis": given["p_hyp"], "pool_size": given["s"]}
    truth = given["p_hyp"] - given["delta"]
    for n, power in zip(expected["nit"], expected["powerit"], strict=True):
        if power > 0.0:
            assert power_of_pools(truth, n_pools=n, **options)["power"].tolist() == pytest.approx([power], rel=1e-10)
    first = next(n for n, power in zip(expected["nit"], expected["powerit"], strict=True) if power >= given["power"])
    found = pools_for_test(truth, power=given["power"], **options)
    assert found["pools"].tolist() == [first] == [64]
    assert found["power"].tolist() == pytest.approx([max(expected["powerit"])], rel=1e-10)


def test_pooled_bin(cases):
    """binGroup, before it: the estimate and Wald's interval; of the minimum infection rate the estimate only.

    Its interval takes 12 in 10,000 to be a binomial count of samples, which positive pools are not.
    """
    told = {name: expected for name, _, expected in cases["binGroup::pooledBin"]}
    assert len(told) == 2
    few = pools([0, 0, 1, 2], [1, 5, 10, 50], [5, 5, 5, 5])
    found = prevalence(few, estimator="mle", method="wald").iloc[0]
    wanted = told["pooledBin_mle_wald"]
    # R's root stops some 1e-12 away.
    assert found["prevalence"] == pytest.approx(wanted["estimate"], rel=1e-10)
    assert (found["lower"], found["upper"]) == (0.0, pytest.approx(wanted["upper"], rel=1e-10))
    rate = prevalence(pools(12, 10, 1000), estimator="mir")["prevalence"].iloc[0]
    assert rate == pytest.approx(told["pooledBin_mir_10in1"]["estimate"], rel=1e-12)

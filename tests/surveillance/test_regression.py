"""Regression from pools: against every truth, against closed forms, against what was simulated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

import poolkit
from poolkit import Assay, DesignError
from poolkit.kernels.regression import LINKS
from poolkit.surveillance import coefficients, plot_coefficients, regress
from poolkit.surveillance.answers import gather
from poolkit.surveillance.fitting import Likelihood, SiteLikelihood
from tests.reference import regression as twin

BY_SIZE = Assay(((1, 0.97), (5, 0.85)), 0.94)
PERFECT = Assay()


def as_read(pools, retests, assay):
    """The calls as the slow twin reads them; pools are (members, call)."""
    singles = [((i,), call) for i, call in retests]
    return [
        (members, call, float(assay.reactive(len(members))[len(members), 1]), 1 - assay.specificity)
        for members, call in [*pools, *singles]
    ]


def tables(pools, retests):
    rows = [(k, i, call) for k, (members, call) in enumerate(pools) for i in members]
    return (
        pd.DataFrame(rows, columns=["pool_id", "sample_id", "call"]).astype(int),
        pd.DataFrame(retests, columns=["sample_id", "call"]).astype(int),
    )


def trees(draw):
    """Eight samples in nested pools, whatever was called, and some retests."""
    cuts = [(0, 1, 2, 3, 4, 5), (0, 1, 2), (3, 4, 5), (0, 1), (3, 4), (6, 7), (0, 1, 2)]
    kept = draw(st.lists(st.sampled_from(cuts), min_size=1, max_size=7))
    return [(members, draw(st.integers(0, 1))) for members in kept]


def overlaps(draw):
    members = st.lists(st.integers(0, 5), min_size=2, max_size=5, unique=True).map(tuple)
    kept = draw(st.lists(st.tuples(members, st.integers(0, 1)), min_size=2, max_size=5))
    return [((0, 1, 2), 1), ((2, 3), 0), *kept]


@pytest.mark.parametrize("shape", [trees, overlaps])
@settings(max_examples=20)
@given(data=st.data())
def test_likelihood_equals_every_truth(shape, data):
    pools = shape(data.draw)
    retests = data.draw(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1)), max_size=6))
    link = data.draw(st.sampled_from(LINKS))
    beta = np.array(data.draw(st.tuples(st.floats(-3, 0.5), st.floats(-0.5, 0.5))))
    x = np.array(data.draw(st.lists(st.floats(-2, 2), min_size=8, max_size=8)))
    people = pd.DataFrame({"sample_id": range(8)})
    answers = gather(*tables(pools, retests), people, BY_SIZE)
    rows = answers.rows
    every = np.column_stack([np.ones(8), x])
    design = every[rows]
    likelihood = Likelihood(answers, design, LINKS.index(link))
    tests = as_read(pools, retests, BY_SIZE)

    def wanted(at):
        return twin.log_likelihood((every @ at).tolist(), tests, link)

    found = likelihood.at(beta)
    assert found.value == pytest.approx(wanted(beta), rel=1e-10)
    first, second = twin.slopes(wanted, beta, 1e-3)
    assert found.gradient == pytest.approx(first, rel=1e-4, abs=1e-4)
    assert found.curvature == pytest.approx(second, rel=1e-3, abs=1e-3)
    shifted = likelihood.shifted(design @ beta).sum(axis=0)
    assert shifted == pytest.approx([found.value, found.gradient[0], found.curvature[0, 0]], rel=1e-5, abs=1e-5)


def drawn(n, size, assay, seed, slope=1.0, centre=-2.0):
    """Samples with a covariate and a group, pools of so many, and retests of reactive pools."""
    draw = np.random.default_rng(seed)
    x, group = draw.normal(size=n), draw.integers(0, 2, n)
    ill = draw.random(n) < 1 / (1 + np.exp(-(centre + slope * x + 0.5 * group)))
    pool = np.arange(n) // size
    some = np.bincount(pool, ill) > 0
    found, false = float(assay.reactive(size)[size, 1]), 1 - assay.specificity
    call = draw.random(some.size) < np.where(some, found, false)
    again = draw.random(n) < np.where(ill, float(assay.reactive(1)[1, 1]), false)
    people = pd.DataFrame({"sample_id": np.arange(n), "x": x, "group": np.where(group, "b", "a")})
    pools = pd.DataFrame({"pool_id": pool, "sample_id": np.arange(n), "call": call[pool]})
    retests = pd.DataFrame({"sample_id": np.arange(n), "call": again})[call[pool]]
    return pools, people, retests


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("with_retests", [False, True])
def test_fit_equals_the_slow_twin(link, with_retests, small):
    n = 40 if small else 90
    pools, people, retests = drawn(n, 3, BY_SIZE, 11, centre=-1.5)
    found = regress(pools, people, retests=retests if with_retests else None, link=link, assay=BY_SIZE)
    called = [(tuple(of["sample_id"]), bool(of["call"].iloc[0])) for _, of in pools.groupby("pool_id")]
    singles = list(retests.itertuples(index=False, name=None)) if with_retests else []
    design = np.column_stack([np.ones(n), people["x"], people["group"] == "b"])
    estimate, error, top = twin.fit(design, as_read(called, singles, BY_SIZE), link)
    assert found.converged
    assert found.log_likelihood >= top - 1e-9
    assert found.log_likelihood == pytest.approx(top, rel=1e-8)
    assert found.table["estimate"].to_numpy() == pytest.approx(estimate, rel=1e-3, abs=1e-3)
    assert found.table["standard_error"].to_numpy() == pytest.approx(error, rel=5e-3)
    assert found.table["term"].tolist() == ["intercept", "x", "group[b]"]
    assert (found.n_samples, found.n_tests) == (n, len(called) + len(singles))


def test_arrays_fit_as_the_slow_twin(small):
    """Four arrays of 2 x 3 with wrong calls, and halving of six: exact where others draw."""
    draw = np.random.default_rng(4)
    n = 18 if small else 36
    x = draw.normal(size=n)
    ill = draw.random(n) < 1 / (1 + np.exp(1.0 - x))
    pools = []
    for start in range(0, n, 6):
        lines = [(start, start + 1, start + 2), (start + 3, start + 4, start + 5)]
        lines += [(start + j, start + 3 + j) for j in range(3)]
        pools += [(line, int(draw.random() < (0.9 if ill[list(line)].any() else 0.05))) for line in lines]
    found = regress(
        *(tables(pools, [])[0], pd.DataFrame({"sample_id": range(n), "x": x})), assay=Assay(0.9, 0.95), link="logit"
    )
    estimate, error, top = twin.fit(np.column_stack([np.ones(n), x]), as_read(pools, [], Assay(0.9, 0.95)), "logit")
    assert found.log_likelihood == pytest.approx(top, rel=1e-8)
    assert found.table["estimate"].to_numpy() == pytest.approx(estimate, rel=1e-3, abs=1e-3)
    assert found.table["standard_error"].to_numpy() == pytest.approx(error, rel=5e-3)


def equal_pools(kinds):
    """Pools as (positive, size, number) without covariates."""
    rows, k = [], 0
    for positive, size, number in kinds:
        for j in range(number):
            rows += [(k, len(rows) + i, j < positive) for i in range(size)]
            k += 1
    pools = pd.DataFrame(rows, columns=["pool_id", "sample_id", "call"])
    return pools, pools[["sample_id"]]


@pytest.mark.parametrize(
    ("kinds", "assay", "prevalence"),
    [
        ([(3, 10, 100)], PERFECT, 0.003041286638),
        ([(1, 5, 40), (2, 10, 30), (3, 20, 20)], PERFECT, 0.006979405852),
        ([(3, 10, 100)], Assay(0.95, 0.999), 0.003098701939),
        ([(1, 5, 40), (2, 10, 30), (3, 20, 20)], Assay(0.95, 0.999), 0.007266785402),
    ],
)
def test_without_covariates_it_is_the_prevalence(kinds, assay, prevalence):
    """The anchors of PooledInfRate."""
    pools, people = equal_pools(kinds)
    for link in LINKS:
        found = regress(pools, people, assay=assay, link=link)
        assert found.predict(people.head(1))["risk"].iloc[0] == pytest.approx(prevalence, rel=1e-8)


def cells(a, b, c, d):
    """Samples tested alone: a of a + b without the covariate react, c of c + d with it."""
    call = np.repeat([1, 0, 1, 0], [a, b, c, d])
    people = pd.DataFrame({"sample_id": np.arange(call.size), "x": np.repeat([0, 0, 1, 1], [a, b, c, d])})
    return pd.DataFrame({"pool_id": people["sample_id"], "sample_id": people["sample_id"], "call": call}), people


def test_samples_alone_are_plain_logistic_regression():
    found = regress(*cells(7, 13, 12, 5))
    assert found.table["estimate"].tolist() == pytest.approx([np.log(7 / 13), np.log(12 * 13 / (5 * 7))], rel=1e-8)
    error = (1 / 7 + 1 / 13 + 1 / 12 + 1 / 5) ** 0.5
    assert found.table["standard_error"].iloc[1] == pytest.approx(error, rel=1e-8)
    assert found.log_likelihood == pytest.approx(
        7 * np.log(7 / 20) + 13 * np.log(13 / 20) + 12 * np.log(12 / 17) + 5 * np.log(5 / 17), rel=1e-10
    )


@pytest.mark.parametrize("counts", [(7, 13, 12, 5), (4, 9, 6, 0), (0, 8, 0, 9)])
def test_firth_adds_half_a_case_to_each_cell(counts):
    """Firth 1993: with as many coefficients as cells the penalty is half a count in each."""
    found = regress(*cells(*counts), penalty="firth")
    a, b, c, d = (each + 0.5 for each in counts)
    assert found.converged
    assert not found.separated
    assert found.table["estimate"].tolist() == pytest.approx([np.log(a / b), np.log(c * b / (d * a))], abs=1e-5)


def test_separation_is_told():
    found = regress(*cells(4, 9, 6, 0))
    assert found.separated
    assert not found.converged
    assert np.isfinite(found.table["estimate"]).all()
    nothing = regress(*equal_pools([(0, 10, 20)]))
    assert nothing.separated
    everything = regress(*equal_pools([(20, 10, 20)]))
    assert everything.separated
    kept = regress(*equal_pools([(0, 10, 20)]), penalty="firth")
    assert kept.converged
    assert 0.0 < kept.predict({"sample_id": [1]})["risk"].iloc[0] < 0.01


def test_recovers_what_was_simulated(small):
    n = 1_000 if small else 40_000
    assay = Assay(0.95, 0.99)
    pools, people, retests = drawn(n, 5, assay, 8, slope=0.7, centre=-3.0)
    for again in (None, retests):
        found = regress(pools, people, retests=again, assay=assay)
        off = (found.table["estimate"] - [-3.0, 0.7, 0.5]) / found.table["standard_error"]
        assert off.abs().max() < 4.0
    assert found.table["standard_error"].max() < (0.4 if small else 0.06)
    risk = found.predict(people)
    assert ((risk["low"] < risk["risk"]) & (risk["risk"] < risk["high"])).all()
    assert risk["risk"].mean() == pytest.approx(
        (1 / (1 + np.exp(3.0 - 0.7 * people["x"] - 0.25))).mean(), rel=0.5 if small else 0.1
    )


def with_sites(n_sites, a_site, sd, seed):
    draw = np.random.default_rng(seed)
    n = n_sites * a_site
    site = np.arange(n) // a_site
    x = draw.normal(size=n)
    eta = -2.0 + 0.8 * x + (sd * draw.normal(size=n_sites))[site]
    ill = draw.random(n) < 1 / (1 + np.exp(-eta))
    pool = np.arange(n) // 4
    people = pd.DataFrame({"sample_id": np.arange(n), "x": x, "clinic": [f"c{each:02d}" for each in site]})
    some = np.bincount(pool, ill) > 0
    return pd.DataFrame({"pool_id": pool, "sample_id": np.arange(n), "call": some[pool]}), people, site


@pytest.mark.parametrize(("n_nodes", "close"), [(1, 1e-6), (25, 1e-6)])
def test_sites_equal_the_integral(n_nodes, close):
    """With one node by the definition of Laplace, with many by adding up small steps."""
    pools, people, site = with_sites(2, 8, 1.0, 2)
    answers = gather(pools, None, people, BY_SIZE)
    every = np.column_stack([np.ones(16), people["x"]])
    of_part = np.array([site[answers.rows[answers.part == part][0]] for part in range(4)])
    plain = Likelihood(answers, every[answers.rows], 0)
    likelihood = SiteLikelihood(plain, of_part, site[answers.rows], n_nodes)
    called = [(tuple(of["sample_id"]), bool(of["call"].iloc[0])) for _, of in pools.groupby("pool_id")]
    tests = as_read(called, [], BY_SIZE)
    for beta, sd in (((-2.0, 0.8), 1.0), ((-1.0, 0.0), 0.3)):
        wanted = twin.over_sites((every @ beta).tolist(), tests, "logit", site.tolist(), sd, exact=n_nodes > 1)
        assert likelihood.at(np.array([*beta, np.log(sd)])) == pytest.approx(wanted, rel=close)


def test_sites_recover_what_was_simulated(small):
    pools, people, _ = with_sites(10 if small else 40, 48 if small else 200, 0.8, 6)
    found = regress(pools, people, site="clinic", n_nodes=1 if small else 9)
    plain = regress(pools, people.drop(columns="clinic"))
    assert found.converged
    assert found.log_likelihood > plain.log_likelihood
    assert 0.4 < found.site_sd < 1.3
    assert abs(found.table["estimate"].iloc[1] - 0.8) < 4 * found.table["standard_error"].iloc[1]
    assert found.table["standard_error"].iloc[0] > plain.table["standard_error"].iloc[0]
    assert found.sites["site"].tolist() == sorted(set(people["clinic"]))
    assert abs(found.sites["effect"].mean()) < 0.1


def test_sites_without_a_spread():
    """The same calls everywhere: nothing is left for the sites."""
    people = pd.DataFrame({"sample_id": np.arange(80), "clinic": np.arange(80) // 16})
    call = np.repeat(np.tile([1, 0, 0, 0], 10), 2)
    pools = pd.DataFrame({"pool_id": np.arange(80) // 2, "sample_id": np.arange(80), "call": call})
    found = regress(pools, people, site="clinic", n_nodes=3)
    plain = regress(pools, people[["sample_id"]])
    assert found.site_sd == 0.0
    assert found.table["estimate"].tolist() == pytest.approx(plain.table["estimate"].tolist(), abs=1e-4)


def test_words_and_silent_calls():
    pools, people, _ = drawn(200, 5, PERFECT, 3)
    said = pools.assign(call=np.where(pools["call"], "reactive", "negative"))
    assert regress(said, people).table.equals(regress(pools, people).table)
    silent = said.assign(call=said["call"].where(said["pool_id"] != 0, "invalid"))
    found = regress(silent, people)
    assert (found.n_samples, found.n_tests) == (195, 39)
    # A pool of one is a retest, and the order of rows says nothing.
    one = said.assign(pool_id=said["pool_id"].astype(str))
    alone = pd.DataFrame({"pool_id": ["alone"], "sample_id": [7], "call": ["suspect"]})
    given = {"assay": Assay(0.95, 0.95)}
    shuffled = pd.concat([one, alone]).sample(frac=1, random_state=1), people.sample(frac=1, random_state=2)
    mixed = regress(*shuffled, **given)
    again = regress(said, people, retests=alone, **given)
    assert mixed.table["estimate"].to_numpy() == pytest.approx(again.table["estimate"].to_numpy(), rel=1e-6)
    assert poolkit.regress is regress


def test_names_all_that_is_wrong():
    pools, people, _ = drawn(40, 5, PERFECT, 3)
    with pytest.raises(DesignError) as refused:
        regress(
            *(pools, people),
            link="log",
            penalty="lasso",
            site="clinic",
            level=1.0,
            n_nodes=0,
            assay=Assay(further="independent"),
        )
    assert {problem.where for problem in refused.value.problems} == {
        "link",
        "penalty",
        "site",
        "n_nodes",
        "level",
        "assay",
    }
    cases = {
        r"pools.call: missing": (pools.drop(columns="call"), people),
        r"covariates.sample_id: must be unique \(rows 1\)": (pools, people.assign(sample_id=[0, 0, *range(2, 40)])),
        r"pools.sample_id: must have covariates, which 39 has not": (pools, people.head(39)),
        r"pools.call: must be reactive or negative": (pools.assign(call="perhaps"), people),
        r"pools.call: must be the same for all": (pools.assign(call=np.arange(40) % 2), people),
        r"pools.sample_id: must be in a pool once": (pd.concat([pools, pools.head(1)]), people),
        r"x: must not be missing \(rows 3\)": (pools, people.assign(x=people["x"].where(people.index != 3))),
        r"x: must be finite \(rows 3\)": (pools, people.assign(x=people["x"].where(people.index != 3, np.inf))),
        r"covariates: a term is constant": (pools, people.assign(y=2 * people["x"])),
        r"pools: no call says anything": (pools.assign(call="invalid"), people),
    }
    for message, (of_pools, of_people) in cases.items():
        with pytest.raises(DesignError, match=message):
            regress(of_pools, of_people)
    retests = pd.DataFrame({"sample_id": [0, 0], "call": [0, 1]})
    with pytest.raises(DesignError, match="call: calls contradict a perfect assay"):
        regress(pools, people, retests=retests)
    with pytest.raises(DesignError, match=r"site: must be one for all samples of a pool"):
        regress(pools, people.assign(clinic=np.arange(40) % 2), site="clinic")
    wide = [((k, *range(20, 40)), 1) for k in range(20)]
    with pytest.raises(DesignError, match="overlap so that 20 are open at once, at most 16"):
        regress(tables(wide, [])[0], people)
    found = regress(pools, people, penalty="firth")
    with pytest.raises(DesignError, match="group: missing"):
        found.predict({"x": [1.0]})
    with pytest.raises(DesignError, match="firth goes without sites"):
        regress(pools, people.assign(clinic=1), penalty="firth", site="clinic")
    probit = regress(pools, people, penalty="firth", link="probit")
    with pytest.raises(DesignError, match="a probit has no ratios"):
        coefficients(probit, exponentiated=True)


def test_predicts_from_levels_that_were_seen():
    pools, people, _ = drawn(200, 5, PERFECT, 3)
    found = regress(pools, people.assign(clinic=np.where(np.arange(200) // 5 % 2, "north", "south")), penalty="firth")
    row = people.head(1).to_dict("list")
    assert len(found.predict(row | {"clinic": ["south"]})) == 1
    with pytest.raises(DesignError, match=r"clinic: must be one of north, south \(rows 0\)"):
        found.predict(row | {"clinic": ["west"]})
    with pytest.raises(DesignError, match="x: must be numbers, found"):
        found.predict(row | {"clinic": ["north"], "x": ["far"]})


def test_refuses_what_would_be_lost():
    pools, people, _ = drawn(40, 5, PERFECT, 3)
    with pytest.raises(DesignError) as refused:
        regress(pools, people.assign(intercept=1.5), n_nodes=3)
    assert [problem.where for problem in refused.value.problems] == ["intercept", "n_nodes"]
    calls = pools["call"].astype("Int64").where(pools.index != 3)
    with pytest.raises(DesignError, match=r"pools.call: must be reactive or negative \(rows 3\)"):
        regress(pools.assign(call=calls), people)


def test_plot():
    pools, people, _ = drawn(400, 5, PERFECT, 3)
    found = regress(pools, people)
    shown = coefficients(found, exponentiated=True)
    assert shown["estimate"].tolist() == pytest.approx(np.exp(found.table["estimate"][1:]).tolist())
    _, mine = pyplot.subplots()
    assert plot_coefficients(found, ax=mine) is mine
    assert [label.get_text() for label in mine.get_yticklabels()] == ["x", "group[b]"]
    assert plot_coefficients(found, exponentiated=True).get_xscale() == "log"
    pyplot.close("all")

"""What a design costs and finds: every figure against all states and outcomes, and the limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit as pk
from poolkit import Assay, DesignError, characteristics, nested_pools
from tests.planning.layouts import as_pools
from tests.reference import characteristics as twin

RATES = st.sampled_from([0.0, 0.3, 0.7, 0.9, 0.95, 1.0])
RISKS = st.one_of(st.sampled_from([0.0, 1.0, 1e-9]), st.floats(0.001, 0.6))
ASSAYS = st.builds(Assay, RATES, RATES)
COUNTING = st.builds(Assay, RATES, RATES, st.just("independent"))
BY_SIZE = st.builds(lambda a, b, c: Assay(((1, a), (4, b)), c), RATES, RATES, RATES)


def expected(layout, risks, stages, alone, unmatched="clear", columns=None, n_columns=0):
    """Ask the twin, assays one a stage."""
    pools = as_pools(layout)
    last = [max((stage for stage, held in pools if s in held), default=0) for s in range(layout.n_samples)]

    def reacts(number, infected):
        stage, held = pools[number]
        assay = columns if columns and number >= len(pools) - n_columns else stages[stage - 1]
        return float(assay.reactive(len(held))[len(held), infected])

    def by_itself(sample, infected):
        assay = alone or (stages[last[sample]] if last[sample] else stages[-1])
        return float(assay.reactive(1)[1, infected])

    return twin.figures(layout.n_samples, pools, risks, reacts, by_itself, unmatched)


def same(found, told, risks):
    """Compare everything that is exact."""
    stages, tests, sensitivity, false = told
    assert found.exact
    assert found.standard_error is None
    assert found.stages == pytest.approx(stages, rel=1e-10, abs=1e-12)
    assert found.expected_tests == pytest.approx(sum(stages), rel=1e-10)
    each = found.individuals
    for mine, theirs in ((each["sensitivity"], sensitivity), (1.0 - each["specificity"], false)):
        for one, other in zip(mine, theirs, strict=True):
            assert other is None or one == pytest.approx(other, rel=1e-9, abs=1e-12)
    risk = np.asarray(risks)
    hit, wrong = (np.array([0.0 if one is None else one for one in each]) for each in (sensitivity, false))
    if risk.sum() > 0:
        assert found.sensitivity == pytest.approx(risk @ hit / risk.sum(), rel=1e-9, abs=1e-12)
    if (1 - risk).sum() > 0:
        right = (1 - risk) @ (1 - wrong) / (1 - risk).sum()
        assert found.specificity == pytest.approx(right, rel=1e-9, abs=1e-12)
    # Of what happens once in a million the twin's own rounding is too much.
    called = risk @ hit + (1 - risk) @ wrong
    assert called < 1e-6 or found.ppv == pytest.approx(risk @ hit / called, rel=1e-8, abs=1e-9)
    cleared = (1 - risk) @ (1 - wrong) + risk @ (1 - hit)
    assert cleared < 1e-6 or found.npv == pytest.approx((1 - risk) @ (1 - wrong) / cleared, rel=1e-8, abs=1e-9)
    return tests


def same_distribution(found, tests):
    mean = sum(n * likely for n, likely in tests.items())
    variance = sum((n - mean) ** 2 * likely for n, likely in tests.items())
    assert found.variance == pytest.approx(variance, rel=1e-8, abs=1e-9)
    table = found.distribution()
    assert table["probability"].sum() == pytest.approx(1.0, rel=1e-12)
    for n, likely in zip(table["tests"], table["probability"], strict=True):
        assert likely == pytest.approx(tests.get(n, 0.0), rel=1e-9, abs=1e-13)
    assert set(table["tests"]) >= {n for n, likely in tests.items() if likely > 1e-200}


@st.composite
def nestings(draw):
    """Draw groups inside groups, and the assays of their stages."""
    first = draw(st.lists(st.integers(1, 5), min_size=1, max_size=2).filter(lambda sizes: sum(sizes) <= 5))
    stages = [first]
    for _ in range(draw(st.integers(0, 2))):
        stages.append([part for size in stages[-1] for part in draw(st.sampled_from([*twin.compositions(size, size)]))])
    kind = draw(st.sampled_from([ASSAYS, COUNTING, BY_SIZE]))
    n_samples = sum(first)
    risks = draw(st.lists(RISKS, min_size=n_samples, max_size=n_samples))
    layout = nested_pools(*stages)
    n_stages = int(layout.stage.max(initial=0)) + 1
    assays = draw(st.lists(kind, min_size=n_stages, max_size=n_stages))
    return layout, risks, assays, draw(st.one_of(st.none(), ASSAYS))


@given(nestings())
def test_pools_inside_pools(case):
    layout, risks, assays, alone = case
    found = characteristics(layout, risks=risks, assay=assays, alone=alone)
    tests = same(found, expected(layout, risks, assays, alone), risks)
    same_distribution(found, tests)


@given(nestings())
def test_pools_left_empty_are_tested_again(case):
    layout, risks, assays, alone = case
    told = expected(layout, risks, assays, alone, "retest")
    found = characteristics(layout, risks=risks, assay=assays, alone=alone, unmatched="retest")
    tests = same(found, told, risks)
    if found.variance is not None:
        same_distribution(found, tests)
    for unmatched in ("lines", "clear"):
        as_before = characteristics(layout, risks=risks, assay=assays, alone=alone, unmatched=unmatched)
        assert as_before.expected_tests <= found.expected_tests + 1e-12


@st.composite
def rectangles(draw):
    """Draw an array, its risks, assays and rule."""
    rows, columns = draw(st.sampled_from([(2, 2), (2, 3), (3, 2)]))
    master = draw(st.booleans())
    name = f"array-{rows}x{columns}{'-master' if master else ''}"
    alike = draw(st.booleans())
    n = rows * columns
    risks = [draw(RISKS)] * n if alike else draw(st.lists(RISKS, min_size=n, max_size=n))
    assays = draw(st.lists(st.one_of(ASSAYS, BY_SIZE), min_size=2 + master, max_size=2 + master))
    return (
        name,
        columns,
        risks,
        alike,
        assays,
        draw(st.one_of(st.none(), ASSAYS)),
        draw(st.sampled_from(["lines", "clear"])),
    )


@given(rectangles())
def test_arrays(case):
    name, n_columns, risks, alike, assays, columns, unmatched = case
    layout = pk.design(name).layout(len(risks))
    told = expected(layout, risks, assays, None, unmatched, columns, n_columns)
    found = characteristics(name, risks=risks, assay=assays, columns=columns, unmatched=unmatched)
    tests = same(found, told, risks)
    if alike:
        found = characteristics(name, prevalence=risks[0], assay=assays, columns=columns, unmatched=unmatched)
        same(found, told, risks)
        same_distribution(found, tests)
    else:
        assert found.variance is None
        with pytest.raises(DesignError, match="only their mean"):
            found.distribution()


@given(
    st.sampled_from(["hypercube-2-3", "partitions-2x3", "partitions-3x2", "hypercube-2-3-master", "array-2x3-master"]),
    st.lists(RISKS, min_size=8, max_size=8),
    st.lists(st.one_of(ASSAYS, BY_SIZE), min_size=3, max_size=3),
)
def test_crossing_pools(name, risks, assays):
    layout = pk.design(name).layout(7)
    risks = risks[:7]
    assays = assays[: int(layout.stage.max()) + 1]
    found = characteristics(name, risks=risks, assay=assays, unmatched="clear")
    same(found, expected(layout, risks, assays, None), risks)
    assert found.variance is None


@pytest.mark.parametrize("name", ["array-2x3", "array-2x3-master", "hierarchical-6-3-1", "hypercube-2-2"])
@pytest.mark.parametrize("unmatched", ["clear", "lines", "retest"])
def test_what_is_simulated_is_within_its_errors(name, unmatched, small):
    """The sensitivity depends on how many are infected, so that crossing pools are drawn."""
    n = pk.design(name).block
    assay = Assay(0.7, 0.9, "independent")
    risks = np.linspace(0.05, 0.4, n)
    n_stages = int(pk.design(name).layout(n).stage.max()) + 1
    found = characteristics(
        name, risks=risks, assay=assay, unmatched=unmatched, n_drawn=2_000 if small else 20_000, seed=1
    )
    assert found.exact == name.startswith("hier")
    stages, tests, hit, wrong = expected(pk.design(name).layout(n), risks, [assay] * n_stages, None, unmatched)
    hit, wrong = np.array(hit), np.array(wrong)
    right = {
        "expected_tests": sum(stages),
        "sensitivity": risks @ hit / risks.sum(),
        "specificity": (1 - risks) @ (1 - wrong) / (1 - risks).sum(),
        "ppv": risks @ hit / (risks @ hit + (1 - risks) @ wrong),
        "npv": (1 - risks) @ (1 - wrong) / ((1 - risks) @ (1 - wrong) + risks @ (1 - hit)),
    }
    for name_of, value in right.items():
        error = found.standard_errors.get(name_of, 0.0)
        assert abs(getattr(found, name_of) - value) <= 4 * error + 1e-10
        assert (error > 0.0) != found.exact
    if not found.exact:
        again = characteristics(
            name, risks=risks, assay=assay, unmatched=unmatched, n_drawn=2_000 if small else 20_000, seed=1
        )
        assert again == found
        variance = sum(t**2 * p for t, p in tests.items()) - sum(t * p for t, p in tests.items()) ** 2
        assert found.variance == pytest.approx(variance, rel=0.3)


@pytest.mark.parametrize(
    "name", ["two-stage-10", "hierarchical-12-4-1", "array-3x4", "array-3x4-master", "hypercube-3-2"]
)
@pytest.mark.parametrize("assay", [Assay(), Assay(0.95, 0.99), Assay(0.0, 0.0)])
def test_limits_of_prevalence(name, assay):
    none, rare, all_ = (characteristics(name, prevalence=p, assay=assay) for p in (0.0, 1e-9, 1.0))
    for found in (none, rare, all_):
        figures = [found.expected_tests, found.sensitivity, found.specificity, found.ppv, found.npv]
        assert np.isfinite(figures).all()
        assert np.isfinite(found.individuals.to_numpy(float)).all()
        assert all(0.0 <= each <= 1.0 for each in figures[1:])
    assert none.expected_tests == pytest.approx(rare.expected_tests, rel=1e-5)
    assert none.sensitivity == pytest.approx(rare.sensitivity, rel=1e-5)
    assert none.ppv == (1.0 if assay.specificity == 1.0 else 0.0)
    assert all_.npv == (1.0 if assay.sensitivity == 1.0 else 0.0)
    assert none.npv == 1.0
    assert all_.ppv == 1.0


def test_samples_in_order_of_risk():
    risks = [0.3, 0.01, 0.2, 0.02]
    found = characteristics(nested_pools([2, 2]), risks=risks, arrange="sorted", assay=Assay(0.9, 0.99))
    assert found.individuals["place"].tolist() == [3, 0, 2, 1]
    assert found.individuals["risk"].tolist() == risks
    again = characteristics(nested_pools([2, 2]), risks=sorted(risks), assay=Assay(0.9, 0.99))
    assert found.expected_tests == again.expected_tests
    grid = characteristics("array-2x2", risks=risks, arrange="gradient").individuals
    assert grid["place"].tolist() == [0, 3, 1, 2]


@pytest.mark.parametrize("arrange", ["given", "sorted", "gradient", "spiral"])
@pytest.mark.parametrize("name", ["array-2x3", "array-2x3-master"])
def test_several_arrays_are_each_by_itself(arrange, name):
    risks = np.random.default_rng(2).uniform(0.01, 0.3, 12)
    assay = {"assay": Assay(0.9, 0.97), "columns": Assay(0.8, 0.99)}
    found = characteristics(name, risks=risks, arrange=arrange, **assay)
    assert found.exact
    order = found.individuals.sort_values("place")["sample"].to_numpy()
    parts = [characteristics(name, risks=risks[order[k : k + 6]], **assay) for k in (0, 6)]
    assert found.expected_tests == pytest.approx(sum(each.expected_tests for each in parts), rel=1e-12)
    both = np.concatenate([each.individuals["ppv"] for each in parts])
    assert found.individuals["ppv"].to_numpy()[order] == pytest.approx(both, rel=1e-12)
    if arrange in ("gradient", "spiral"):
        assert risks[order[:6]].min() >= risks[order[6:]].max()
        assert risks[order[0]] == risks.max()


@pytest.mark.parametrize("name", ["array-2x3", "array-2x3-master"])
def test_several_arrays_are_drawn_as_they_are_computed(name, small):
    """Rows and columns of each array keep their own errors where it has to be drawn."""
    risks = np.linspace(0.05, 0.3, 12)
    assay, columns, alone = Assay(0.7, 0.95, "independent"), Assay(0.6, 0.9), Assay(0.97, 0.99)
    found = characteristics(
        name, risks=risks, assay=assay, columns=columns, alone=alone, n_drawn=2_000 if small else 20_000, seed=3
    )
    assert not found.exact
    layout = pk.design(name).layout(6)
    parts = [expected(layout, each, [assay] * 3, alone, "lines", columns, 3) for each in (risks[:6], risks[6:])]
    stages = np.sum([each[0] for each in parts], axis=0)
    assert abs(found.expected_tests - stages.sum()) <= 4.0 * found.standard_errors["expected_tests"]
    hit = np.concatenate([each[2] for each in parts])
    gap = abs(found.sensitivity - risks @ hit / risks.sum())
    assert gap <= 4.0 * found.standard_errors["sensitivity"]


def test_a_pool_of_one_is_a_sample_alone():
    found = characteristics(nested_pools([1]), prevalence=0.1, assay=Assay(0.9, 0.8))
    assert (found.expected_tests, found.sensitivity, found.specificity) == (1.0, 0.9, 0.8)
    assert found.variance == 0.0
    assert found.distribution().to_dict("records") == [{"tests": 1, "probability": 1.0}]


def test_many_samples_of_different_risks(small):
    n = 200 if small else 2000
    risks = np.linspace(0.0001, 0.05, n)
    found = characteristics("two-stage-10", risks=risks, assay=Assay(0.95, 0.99))
    clean = np.prod(1 - risks.reshape(-1, 10), axis=1)
    reacts = 0.95 * (1 - clean) + 0.01 * clean
    assert found.expected_tests == pytest.approx(n / 10 + 10 * reacts.sum(), rel=1e-12)
    assert found.variance == pytest.approx(100 * (reacts * (1 - reacts)).sum(), rel=1e-10)


def test_what_is_kept_of_a_name_changes_no_figure():
    """Shapes of named designs are made once: figures are those of their layouts, whatever was asked before."""
    assays = [Assay(0.95, 0.99), Assay(((1, 0.99), (12, 0.9)), 0.98), [Assay(0.9, 0.97), Assay(0.8, 0.99), Assay()]]
    for _ in range(2):
        for assay in assays:
            for prevalence in (0.01, 0.2):
                named = characteristics("hierarchical-12-4-1", prevalence=prevalence, assay=assay)
                layout = characteristics(nested_pools([12], [4] * 3), prevalence=prevalence, assay=assay)
                assert (named.stages, named.variance) == (layout.stages, layout.variance)
                assert named.individuals.equals(layout.individuals)


def test_a_file_is_read_anew(tmp_path):
    path = tmp_path / "pools.csv"
    path.write_text("pool_id,sample_id\nA,S1\nA,S2\n")
    first = characteristics(str(path), prevalence=0.1)
    path.write_text("pool_id,sample_id\nA,S1\nA,S2\nA,S3\n")
    assert (first.n_samples, characteristics(str(path), prevalence=0.1).n_samples) == (2, 3)


def test_what_is_no_plan_is_said_at_once():
    with pytest.raises(DesignError) as error:
        characteristics("two-stage-5", arrange="up", unmatched="no", n_drawn=1, seed=-1)  # type: ignore[arg-type]
    assert str(error.value) == (
        "not a plan, 5 problem(s):\n"
        "  - prevalence: give either a prevalence or risks\n"
        "  - arrange: must be one of given, sorted, gradient, spiral, found up\n"
        "  - unmatched: must be clear, lines or retest, found no\n"
        "  - n_drawn: must be at least 2, found 1\n"
        "  - seed: must not be negative, found -1"
    )
    with pytest.raises(DesignError, match="assay: must be one or 3, one a stage, found 2"):
        characteristics("array-2x2-master", prevalence=0.1, assay=[Assay(), Assay()])
    with pytest.raises(DesignError, match="columns: only a full array has columns"):
        characteristics("two-stage-5", prevalence=0.1, columns=Assay())
    with pytest.raises(DesignError, match="risks: must be from 0 to 1"):
        characteristics("two-stage-2", risks=[0.1, np.nan])
    with pytest.raises(DesignError, match="risks: must be 3, one a sample, found 2"):
        characteristics(nested_pools([3]), risks=[0.1, 0.2])
    with pytest.raises(DesignError, match="prevalence: must be from 0 to 1, found 2"):
        characteristics("two-stage-2", prevalence=2.0)


def test_what_are_no_nested_pools():
    with pytest.raises(DesignError) as error:
        nested_pools([4, 0], [3, 1])
    assert "stage 1: its groups must hold whole samples, at least 1, found [4, 0]" in str(error.value)
    with pytest.raises(DesignError, match="stage 2: its groups must lie inside those of the stage before"):
        nested_pools([4, 4], [3, 3, 2])
    with pytest.raises(DesignError, match="there must be at least one"):
        nested_pools()
    assert nested_pools([4, 4], [2, 2]).members.tolist() == [*range(8), *range(4)]


def test_groups_are_whole():
    with pytest.raises(DesignError) as error:
        nested_pools([4.5], 2)
    assert [problem.where for problem in error.value.problems] == ["stage 1", "stage 2"]

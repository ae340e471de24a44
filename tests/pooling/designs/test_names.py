"""Designs by name: which are found, and what is said of those that are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.pooling.designs import FAMILIES, Design

EXPECTED = ", ".join(family.form for family in FAMILIES)
OR_A_FILE = f"{EXPECTED} or a file (.csv, .parquet, .arrow) of pool_id and sample_id"


@pytest.mark.parametrize(
    ("name", "block"),
    [
        *(("two-stage-10", 10), ("hierarchical-10-5-1", 10), ("hierarchical-27-9-3-1", 27), ("array-8x12", 96)),
        *(("array-8x12-master", 96), ("hypercube-3-4", 81), ("hypercube-3-4-master", 81), ("partitions-2x10", 100)),
        *(("partitions-4x10", 110), ("partitions-1x10", 100)),
    ],
)
def test_a_design_is_found_by_its_name(name: str, block: int) -> None:
    design = poolkit.design(name)
    assert isinstance(design, Design)
    assert (design.name, design.block) == (name, block)
    assert repr(design) == f"design({name!r})"
    assert poolkit.design(design) is design


def test_every_family_is_listed_once_and_says_what_it_is() -> None:
    listed = poolkit.design_names()
    assert [each.family for each in listed][-1] == "custom"
    assert len({each.family for each in listed}) == len(listed) == len(FAMILIES) + 1
    for each in listed:
        assert each.about.endswith(".")
    for family in FAMILIES:
        assert family.form.startswith(f"{family.family}-")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "two-stage-1",
            "there is no design two-stage-1, 2 problem(s):\n"
            "  - size: must be from 2 to 32767, found 1\n"
            "  - nearest: two-stage-2",
        ),
        (
            "two-stage-40000",
            "there is no design two-stage-40000, 2 problem(s):\n"
            "  - size: must be from 2 to 32767, found 40000\n"
            "  - nearest: two-stage-32767",
        ),
        ("two-stage-ten", "no design is called 'two-stage-ten', 1 problem(s):\n  - name: expected two-stage-SIZE"),
        (
            "hierarchical-10-5",
            "there is no design hierarchical-10-5, 2 problem(s):\n"
            "  - sizes: must be two or more, the last 1, found 10-5\n"
            "  - nearest: hierarchical-10-5-1",
        ),
        (
            "hierarchical-5-10-40000-1",
            "there is no design hierarchical-5-10-40000-1, 3 problem(s):\n"
            "  - sizes: must fall from stage to stage, found 5-10-40000-1\n"
            "  - sizes: must be at most 32767, found 40000\n"
            "  - nearest: hierarchical-32767-10-5-1",
        ),
        (
            "hierarchical-1",
            "there is no design hierarchical-1, 2 problem(s):\n"
            "  - sizes: must be two or more, the last 1, found 1\n"
            "  - nearest: hierarchical-2-1",
        ),
        (
            "array-1x9000",
            "there is no design array-1x9000, 3 problem(s):\n"
            "  - rows: must be from 2 to 8192, found 1\n"
            "  - columns: must be from 2 to 8192, found 9000\n"
            "  - nearest: array-2x8192",
        ),
        (
            "array-200x10-master",
            "there is no design array-200x10-master, 2 problem(s):\n"
            "  - rows: must be from 2 to 181, found 200\n"
            "  - nearest: array-181x10-master",
        ),
        (
            "hypercube-1-1",
            "there is no design hypercube-1-1, 3 problem(s):\n"
            "  - side: must be at least 2, found 1\n"
            "  - dimensions: must be at least 2, found 1\n"
            "  - nearest: hypercube-2-2",
        ),
        (
            "hypercube-3-11",
            "there is no design hypercube-3-11, 2 problem(s):\n"
            "  - a slice: must hold at most 32767 samples\n"
            "  - nearest: hypercube-3-10",
        ),
        (
            "hypercube-3-10-master",
            "there is no design hypercube-3-10-master, 2 problem(s):\n"
            "  - the master pool: must hold at most 32767 samples\n"
            "  - nearest: hypercube-3-9-master",
        ),
        (
            "partitions-0x1",
            "there is no design partitions-0x1, 3 problem(s):\n"
            "  - partitions: must be from 1 to 64, found 0\n"
            "  - size: must be from 2 to 4096, found 1\n"
            "  - nearest: partitions-1x2",
        ),
        ("array-96", "no design is called 'array-96', 1 problem(s):\n  - name: expected array-ROWSxCOLUMNS[-master]"),
        (
            "aray-8x12",
            "no design is called 'aray-8x12', 2 problem(s):\n"
            "  - name: did you mean array-ROWSxCOLUMNS[-master]?\n"
            f"  - name: expected {OR_A_FILE}",
        ),
        ("", f"no design is called '', 1 problem(s):\n  - name: expected {OR_A_FILE}"),
    ],
)
def test_what_is_said_of_an_impossible_design(name: str, said: str) -> None:
    with pytest.raises(poolkit.DesignError) as error:
        poolkit.design(name)
    assert str(error.value) == said


@given(st.sampled_from([each.family for each in FAMILIES]), st.text("0123456789-x", max_size=12))
def test_any_name_is_found_as_it_is_written_or_refused_with_a_design_that_is_there(family: str, numbers: str) -> None:
    name = f"{family}-{numbers}"
    try:
        found = poolkit.design(name)
    except poolkit.DesignError as error:
        for problem in error.problems:
            if problem.where == "nearest":
                for near in problem.what.split(", "):
                    assert poolkit.design(near).name == near
    else:
        assert poolkit.design(found.name).block == found.block

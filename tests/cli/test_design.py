"""`poolkit design`: the families, the facts, the picture and the table of one."""

from pathlib import Path

import pytest

import poolkit as library
from tests.cli.commands import document, poolkit


def test_without_a_name_the_families_are_listed() -> None:
    listed = document("design")
    assert listed == document("design", "array-8x12", "--list")
    assert [each["family"] for each in listed] == [each.family for each in library.design_names()]
    said = poolkit("design").stdout
    for each in library.design_names():
        assert each.form in said


def test_the_facts_of_a_design() -> None:
    facts = document("design", "hypercube-3-4-master", "--samples", 500)
    described = library.design("hypercube-3-4-master").describe(500)
    assert facts["n_pools"] == list(described.n_pools)
    assert facts["dilution_cycles"] == list(described.dilution_cycles)
    said = poolkit("design", "hypercube-3-4-master", "--samples", 500).stdout
    for name, value in described.facts():
        assert name in said
        assert value in said


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_its_pools_are_written_and_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own{suffix}"
    assert f"written to {path}" in poolkit("design", "hierarchical-10-5-1", "--out", path).stdout
    assert document("design", path)["n_pools"] == [1, 2]
    assert document("design", path)["name"] == str(path)


def test_it_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "array.svg"
    assert document("design", "array-8x12", "--picture", path)["picture"] == str(path)
    assert path.read_text(encoding="utf-8").startswith("<svg ")


def test_refusals(tmp_path: Path) -> None:
    said = poolkit("design", "array-1x12", status=2).stderr
    assert said == (
        "there is no design array-1x12, 2 problem(s):\n"
        "  - rows: must be from 2 to 8192, found 1\n"
        "  - nearest: array-2x12\n"
    )
    assert "did you mean array-ROWSxCOLUMNS" in poolkit("design", "aray-8x12", status=2).stderr
    path = tmp_path / "array.png"
    assert "suffix: expected .svg, found '.png'" in poolkit("design", "array-8x12", "--picture", path, status=2).stderr
    assert "suffix: expected one of" in poolkit("design", "array-8x12", "--out", path, status=2).stderr
    assert not path.exists()

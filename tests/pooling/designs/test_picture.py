"""Pictures of designs: whole, the same each time, and true to the pools."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

import poolkit
from poolkit.pooling.designs.picture import picture

SVG = "{http://www.w3.org/2000/svg}"
COLOURS = ("#0072B2", "#D55E00", "#009E73")


@pytest.mark.parametrize(
    ("name", "n"),
    [
        *(("two-stage-2", None), ("array-8x12", 7), ("hierarchical-27-9-3-1", None), ("hypercube-3-4-master", 30)),
        *(("partitions-3x10", 250), ("array-24x40", None), ("array-50x60", None), ("two-stage-10", 1)),
    ],
)
def test_everything_stands_inside_the_picture(name: str, n: int | None) -> None:
    drawn = picture(poolkit.design(name), n)
    assert drawn == picture(poolkit.design(name), n)
    root = ElementTree.fromstring(drawn)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for shape in root.iter():
        for across, down in (("x", "y"), ("x1", "y1"), ("x2", "y2")):
            if shape.get(across) is not None:
                assert 0 <= float(shape.get(across, -1)) <= width
                assert 0 <= float(shape.get(down, -1)) <= height
        if shape.tag == f"{SVG}path":
            for x, y in re.findall(r"M([\d.]+) ([\d.]+)", shape.get("d", "")):
                assert 0 <= float(x) <= width
                assert 0 <= float(y) <= height


@pytest.mark.parametrize("name", ["array-8x12", "hierarchical-27-9-3-1", "hypercube-3-3-master", "partitions-3x4"])
def test_the_wells_and_the_matrix_are_those_of_the_pools(name: str) -> None:
    design = poolkit.design(name)
    layout = design.layout(design.block)
    root = ElementTree.fromstring(picture(design))
    dots = [each.get("d", "").count("M") for each in root.iter(f"{SVG}path") if each.get("stroke") in COLOURS]
    assert dots == [int(size) for size in layout.offsets[1:] - layout.offsets[:-1]]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts[0] == f"{name}, {design.block} samples"
    for pool in range(layout.stage.size):
        assert f"P{pool + 1}" in texts
    cell = min(24.0, (1000 - 20 - 64) / design.block)
    marks = [each for each in root.iter(f"{SVG}rect") if each.get("fill") in COLOURS and each.get("height") != "11"]
    assert sum(float(each.get("width", 0)) for each in marks) == pytest.approx(layout.members.size * cell, rel=1e-2)


def test_what_is_left_out_is_said() -> None:
    texts = [text.text for text in ElementTree.fromstring(picture(poolkit.design("array-50x60"))).iter(f"{SVG}text")]
    assert "110 pools (rows) and the first 1,536 of 3,000 samples (columns)" in texts
    assert "the first 96 of 110 pools; samples stand on the 4 plates of 384 column by column" in texts
    blocks = [
        text.text for text in ElementTree.fromstring(picture(poolkit.design("array-8x12"), 200)).iter(f"{SVG}text")
    ]
    assert "20 pools (rows) and 96 samples (columns) of the first of 3 blocks" in blocks


def test_nothing_to_draw() -> None:
    with pytest.raises(poolkit.DesignError) as error:
        picture(poolkit.design("array-8x12"), 0)
    assert str(error.value) == "no picture, 1 problem(s):\n  - n: must be at least 1, found 0"

"""The picture of monitoring is well-formed, holds what was found, and is the same each time."""

from datetime import timedelta
from xml.etree import ElementTree

from poolkit.drawing import Drawing
from poolkit.quality import Monitoring
from poolkit.quality.picture import picture
from tests.quality.stores import BEGAN, Made
from tests.quality.test_controls import BASELINE, charted

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('1')</script>&\"\x00\u202e"


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_an_empty_store_is_a_picture_too() -> None:
    said = texts(picture(Made().found()))
    assert said[0] == "Monitoring: nothing to judge"
    assert "nothing was tested in pools" in said
    assert "no control has enough readings for a chart" in said


def test_limits_verdicts_and_readings_are_shown() -> None:
    made = charted([*BASELINE, 31.0, 30.5, 31.5, 31.2, 40.0, None], instrument="I1", lots=(None, None))
    made.daily(3)
    made.alone(0, 100, 10)
    made.pooled(1, 1000, 50)
    made.pooled(2, 1000, 500, name="b")
    found = made.found()
    said = texts(picture(found))
    assert said[0] == "Monitoring: stop pooling"
    for text in ("reassess below 8.5 %", "stop above 25 %", "reference 10 %", "27.5 % now", "limit 5 %", "I1"):
        assert text in said
    assert "26 readings, 2022-04-01 to 2022-04-02" in said
    assert "watch, 2/6" in said
    root = ElementTree.fromstring(picture(found))
    assert len(list(root.iter(f"{SVG}path"))) == 2  # the rejected reading and the one in the legend
    assert picture(found) == picture(made.found())


def test_one_day_is_enough() -> None:
    made = Made()
    made.daily(1)
    made.pooled(0, 100, 5)
    assert "5 % now" in texts(picture(made.found()))


def test_names_are_written_as_text() -> None:
    found = charted([*BASELINE, 31.0], instrument=HOSTILE, lots=(None, None)).found()
    svg = picture(found)
    root = ElementTree.fromstring(svg)
    assert {each.tag for each in root.iter()} <= {
        f"{SVG}{tag}" for tag in ("svg", "title", "rect", "line", "circle", "path", "polyline", "polygon", "text")
    }
    assert any(each.text.startswith("<script>alert('1')") for each in root.iter(f"{SVG}title") if each.text)
    assert "\u202e" not in svg


def test_at_most_a_dozen_charts_the_worst_first() -> None:
    made = Made()
    for instrument in range(15):
        for number in range(23):
            run = made.run(
                f"R{instrument}-{number}",
                BEGAN + timedelta(hours=number),
                instrument=f"I{instrument}",
                lots=(None, None),
            )
            bad = instrument == 13 and number >= 20
            made.control(run, "A01", {"N": 40.0 if bad else (BASELINE * 2)[number]})
    said = texts(picture(made.found()))
    shown = [text for text in said if text.startswith("I") and text[1:].isdecimal()]
    assert "Control charts, 12 of 15, worst first" in said
    assert (len(shown), shown[0]) == (12, "I13")


def test_numbers_are_written_the_same_way() -> None:
    drawing = Drawing(10, 10, "t")
    drawing.circle(1.0, 1.005, -0.001, fill="none")
    assert '<circle cx="1" cy="1" r="0" fill="none"/>' in str(drawing)


def test_worst_verdict_of_nothing() -> None:
    found = Made().found()
    assert Monitoring(found.rates, found.charts, found.points).verdicts.num_rows == 0

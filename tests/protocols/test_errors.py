"""What is wrong with a protocol is said field by field, all at once."""

import re

import pytest

from poolkit.errors import FormatError, ProtocolError
from poolkit.protocols import ControlRule, Protocol, load_protocol
from poolkit.protocols.load import _PRESETS

BASE = load_protocol("cn-10in1-2020")


def said(error):
    return [str(problem) for problem in error.value.problems]


def window(low, high, target="N", content="weak_positive_control"):
    return {"controls": {content: ControlRule(minimum=1, windows={target: (low, high)})}}


CONTRADICTIONS = [
    ({"ct_positive": 41.0}, "ct_positive, ct_limit: the grey zone starts at 41 above its limit 40"),
    ({"ct_limit": 70.0}, "ct_limit: must be above 0 and at most 60 cycles, found 70"),
    ({"ct_internal": 0.0}, "ct_internal: must be above 0 and at most 60 cycles, found 0"),
    (
        {"max_pool_size": 30},
        "max_pool_size, validated_pool_size: pools of 30 are larger than the 10 that were validated",
    ),
    ({"max_pool_size": 0}, "max_pool_size: must be at least 1, found 0"),
    ({"targets_for_positive": 3}, "targets_for_positive, targets: asks for 3 of 2 targets"),
    ({"targets_for_positive": 0}, "targets_for_positive: must be at least 1, found 0"),
    ({"targets": ("N", "ORF1ab", "N")}, "targets: named twice: N"),
    ({"targets": ("N", "")}, "targets: must name at least one target and no empty one"),
    ({"internal_control": "N"}, "internal_control, targets: N is a pathogen target too"),
    ({"internal_control": ""}, "internal_control: must not be empty"),
    ({"internal_control": None}, "internal_control, ct_internal: ct_internal is given without internal_control"),
    ({"ct_internal": None}, "internal_control, ct_internal: internal_control is given without ct_internal"),
    (window(30.0, 20.0), "controls.weak_positive_control.windows.N: the lowest Ct 30 is above the highest 20"),
    (
        window(30.0, 37.0),
        "controls.weak_positive_control.windows.N, ct_positive: 30 to 37 is not inside detected, 0 to below 37",
    ),
    (
        window(-1.0, 30.0),
        "controls.weak_positive_control.windows.N, ct_positive: -1 to 30 is not inside detected, 0 to below 37",
    ),
    (
        window(20.0, 30.0, "E"),
        "controls.weak_positive_control.windows.E, targets: E is not a pathogen target",
    ),
    (
        window(20.0, 30.0, "RNaseP"),
        "controls.weak_positive_control.windows.RNaseP, targets: RNaseP is not a pathogen target",
    ),
    (
        window(20.0, 30.0, "N", "blank"),
        "controls.blank.windows: only positive controls have windows; this one must be absent",
    ),
    ({"controls": {"blank": ControlRule(minimum=-1)}}, "controls.blank.minimum: must be at least 0, found -1"),
    ({"sensitivity": ()}, "sensitivity: must have at least one point"),
    ({"sensitivity": ((1, 0.9), (5, 0.95))}, "sensitivity: must not increase with pool size, found [0.9, 0.95]"),
    ({"sensitivity": ((1, 1.5),)}, "sensitivity: must be above 0 and at most 1, found [1.5]"),
    ({"sensitivity": ((1, 0.9), (2, 0.0))}, "sensitivity: must be above 0 and at most 1, found [0.9, 0.0]"),
    ({"sensitivity": ((5, 0.9), (5, 0.8))}, "sensitivity: pool sizes must be from 1 and increase, found [5, 5]"),
    ({"sensitivity": ((0, 0.9),)}, "sensitivity: pool sizes must be from 1 and increase, found [0]"),
    ({"specificity": 0.0}, "specificity: must be above 0 and at most 1, found 0"),
    ({"prior_prevalence": 0.0}, "prior_prevalence: must be between 0 and 1, both excluded, found 0"),
    ({"prior_prevalence": 1.0}, "prior_prevalence: must be between 0 and 1, both excluded, found 1"),
    ({"swabs_per_recollect": 0}, "swabs_per_recollect: must be at least 1, found 0"),
    ({"invalid_reruns": -1}, "invalid_reruns: must be at least 0, found -1"),
    ({"transport_hours": -4.0}, "transport_hours: must be above 0, found -4"),
    ({"report_hours": 0.0}, "report_hours: must be above 0, found 0"),
    ({"wells_per_instrument_hour": 0.0}, "wells_per_instrument_hour: must be above 0, found 0"),
    ({"due_hours": {"recollect": 1.0, "retest": -1.0, "rerun": 1.0}}, "due_hours.retest: must be above 0, found -1"),
    ({"due_hours": {"recollect": 1.0, "retest": 1.0}}, "due_hours.rerun: missing"),
    (
        {"due_hours": {"recollect": 1.0, "retest": 1.0, "rerun": 1.0, "phone": 1.0}},
        "due_hours.phone: must be one of recollect, retest, rerun",
    ),
    (
        {"controls": {"water": ControlRule(minimum=1)}},
        "controls.water: must be one of negative_control, positive_control, weak_positive_control, blank",
    ),
    ({"name": "two words"}, "name: must be a word without '@', '/' or spaces, found 'two words'"),
]


@pytest.mark.parametrize(("values", "expected"), CONTRADICTIONS, ids=lambda each: str(each)[:60])
def test_each_contradiction_names_its_fields(values, expected):
    with pytest.raises(ProtocolError, match="contradicts itself") as error:
        BASE.revised("2", source="test", **values)
    assert said(error) == [expected]


def test_a_version_stands_behind_one_at_sign():
    with pytest.raises(ProtocolError) as error:
        BASE.revised("2@3", source="test")
    assert said(error) == ["version: must be a word without '@', '/' or spaces, found '2@3'"]


def test_contradictions_come_all_at_once():
    with pytest.raises(ProtocolError) as error:
        BASE.revised("2", source="test", ct_positive=45.0, max_pool_size=11, specificity=2.0)
    assert str(error.value) == (
        "protocol cn-10in1-2020 contradicts itself, 3 problem(s):\n"
        "  - max_pool_size, validated_pool_size: pools of 11 are larger than the 10 that were validated\n"
        "  - ct_positive, ct_limit: the grey zone starts at 45 above its limit 40\n"
        "  - specificity: must be above 0 and at most 1, found 2"
    )


def test_sources_are_complete():
    values = BASE.model_dump()
    del values["sources"]["ct_limit"]
    values["sources"]["targets"]["text"] = " "
    values["sources"]["colour"] = {"text": "x", "verified": True}
    with pytest.raises(ProtocolError) as error:
        Protocol(**values)
    assert said(error) == [
        "sources.targets: must not be empty",
        "sources.ct_limit: missing: every value has a source",
        "sources.colour: names no value",
    ]


def test_types_and_fields_come_all_at_once():
    values = BASE.model_dump()
    del values["ct_limit"]
    values |= {"max_pool_size": "10", "invalid_reruns": True, "positive_pool": "maybe", "colour": 1}
    values |= {"specificity": float("nan"), "controls": {"blank": {"minimum": 1.5}}}
    with pytest.raises(ProtocolError, match="is not complete or not of the right types") as error:
        Protocol(**values)
    assert said(error) == [
        "max_pool_size: should be a valid integer, found '10'",
        "positive_pool: should be 'recollect' or 'retest', found 'maybe'",
        "invalid_reruns: should be a valid integer, found True",
        "ct_limit: missing",
        "controls.blank.minimum: should be a valid integer, found 1.5",
        "specificity: should be a finite number, found nan",
        "colour: unknown field",
    ]


def test_no_such_value_has_a_source():
    with pytest.raises(ProtocolError, match="protocol cn-10in1-2020@1 has no value 'colour'; it has max_pool_size,"):
        BASE.source("colour")


def test_an_unknown_name_lists_the_names():
    with pytest.raises(ProtocolError, match=r"no protocol is called 'cn'; there are cn-10in1-2020, cn-20in1-2022, de-"):
        load_protocol("cn")


PRESET = (_PRESETS / "cn-10in1-2020.toml").read_text(encoding="utf-8")


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "lab.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_file_of_ones_own(written):
    path = written(PRESET.replace('name = "cn-10in1-2020"', 'name = "lab"'))
    assert load_protocol(path).label == "lab@1"
    assert load_protocol(str(path)) == load_protocol(path)


def test_null_is_a_table_without_a_value(written):
    text = re.sub(r'\[internal_control\]\nvalue = "RNaseP"', "[internal_control]", PRESET)
    text = re.sub(r"\[ct_internal\]\nvalue = 40.0", "[ct_internal]", text)
    protocol = load_protocol(written(text))
    assert (protocol.internal_control, protocol.ct_internal) == (None, None)
    assert '"ct_internal":null' in protocol.canonical()


def test_windows_in_a_file(written):
    text = PRESET.replace(
        "weak_positive_control = { minimum = 1 }",
        "weak_positive_control = { minimum = 1, windows = { N = [28, 35.5] } }",
    )
    assert load_protocol(written(text)).controls["weak_positive_control"].windows == {"N": (28.0, 35.5)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('name = "x"\nversion = = 1\n', ["lab.toml:2: invalid value"]),
        ("[targets]\nvalue = [1,", ["lab.toml:2: invalid value at the end of the file"]),
        (b'name = "x"\n\nversion = "\xff"\n', ["lab.toml:3: must be UTF-8"]),
    ],
)
def test_what_is_not_toml_names_its_line(written, text, expected):
    with pytest.raises(FormatError, match="is not TOML") as error:
        load_protocol(written(text))
    assert said(error) == expected


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FormatError, match=r"none\.toml cannot be read: No such file"):
        load_protocol(tmp_path / "none.toml")


def test_the_layout_of_a_file_comes_all_at_once(written):
    text = PRESET.replace("[ct_limit]\nvalue = 40.0", "[ct_limit]")
    text = text.replace("[specificity]\nvalue = 0.999", '[specificity]\nvalue = "high"\nunit = "1"')
    text = re.sub(r"\[max_pool_size\]\nvalue = 10\nsource = .*\nverified = true\n", "", text)
    text = re.sub(r"\[ct_positive\]\nvalue = 37.0\nsource = .*\nverified = true\n", "", text)
    text = re.sub(
        r"\[report_hours\]\nvalue = 24.0\nsource = .*\nverified = true\n", "[report_hours]\nvalue = 24\n", text
    )
    text = "max_pool_size = 10\n" + text + "[colour]\nvalue = 1\n[sources]\n"
    with pytest.raises(ProtocolError, match=r"lab\.toml: protocol cn-10in1-2020 is not complete") as error:
        load_protocol(written(text))
    assert said(error) == [
        "max_pool_size: must be a table of value, source, verified, found 10",
        "ct_limit: missing: the table has no value",
        "report_hours.source: missing or not text: every value has a source",
        "report_hours.verified: missing or not true or false",
        "specificity.unit: unknown field",
        "sources: unknown field; a source stands in the table of its value",
        "ct_positive: missing",
        "specificity: should be a valid number, found 'high'",
        "colour: unknown field",
    ]


def test_only_a_missing_source(written):
    text = re.sub(r"(\[report_hours\]\nvalue = 24.0\n)source = .*\n", r"\1", PRESET)
    with pytest.raises(ProtocolError) as error:
        load_protocol(written(text))
    assert said(error) == ["report_hours.source: missing or not text: every value has a source"]


def test_only_an_unknown_key_of_a_value(written):
    text = PRESET.replace("[specificity]\n", '[specificity]\nunit = "1"\n')
    with pytest.raises(ProtocolError, match="is not complete") as error:
        load_protocol(written(text))
    assert said(error) == ["specificity.unit: unknown field"]


def test_contradictions_in_a_file(written):
    text = PRESET.replace("[ct_positive]\nvalue = 37.0", "[ct_positive]\nvalue = 42")
    with pytest.raises(ProtocolError, match=r"lab\.toml: protocol cn-10in1-2020 contradicts itself") as error:
        load_protocol(written(text))
    assert said(error) == ["ct_positive, ct_limit: the grey zone starts at 42 above its limit 40"]

"""The protocols that come with poolkit: complete, sourced, and honest about what nobody checked."""

import copy
import json
import pickle
import subprocess
import sys

import pytest

from poolkit.protocols import VALUE_FIELDS, ControlRule, Protocol, load_protocol, protocol_names

NAMES = ("cn-10in1-2020", "cn-20in1-2022", "de-lolli", "us-fda-media-pool", "us-fda-swab-pool")


def test_the_names():
    assert protocol_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_loads_and_every_value_has_a_source(name):
    protocol = load_protocol(name)
    assert protocol.name == name
    assert protocol.label == f"{name}@{protocol.version}"
    assert protocol.description
    assert set(protocol.sources) == set(VALUE_FIELDS)
    for field in VALUE_FIELDS:
        source = protocol.source(field)
        assert source.text
        assert source.verified == ("not verified" not in source.text), field


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_survives_pickle_copy_and_json(name):
    protocol = load_protocol(name)
    assert pickle.loads(pickle.dumps(protocol)) == protocol
    assert copy.deepcopy(protocol) == protocol
    assert Protocol.model_validate_json(protocol.model_dump_json()) == protocol
    assert Protocol(**protocol.model_dump()) == protocol
    assert hash(Protocol(**protocol.model_dump())) == hash(protocol)


def test_a_protocol_is_returned_as_it_is():
    protocol = load_protocol("cn-10in1-2020")
    assert load_protocol(protocol) is protocol
    assert load_protocol("cn-10in1-2020") is protocol


def test_the_values_of_the_ten_in_one():
    protocol = load_protocol("cn-10in1-2020")
    assert (protocol.max_pool_size, protocol.positive_pool, protocol.invalid_reruns) == (10, "recollect", 1)
    assert (protocol.targets, protocol.internal_control, protocol.targets_for_positive) == (
        ("ORF1ab", "N"),
        "RNaseP",
        2,
    )
    assert (protocol.ct_positive, protocol.ct_limit, protocol.transport_hours) == (37.0, 40.0, 4.0)
    assert protocol.controls == {
        "negative_control": ControlRule(minimum=2),
        "weak_positive_control": ControlRule(minimum=1),
        "blank": ControlRule(minimum=1),
    }
    assert [protocol.minimum(each) for each in ("negative_control", "positive_control", "blank")] == [2, 0, 1]


def test_what_sets_the_others_apart():
    assert load_protocol("cn-20in1-2022").max_pool_size == 20
    assert load_protocol("de-lolli").positive_pool == "retest"
    swab, media = load_protocol("us-fda-swab-pool"), load_protocol("us-fda-media-pool")
    assert (swab.positive_pool, media.positive_pool) == ("recollect", "retest")
    assert {swab.exhausted_pool, media.exhausted_pool} == {"suspect"}
    assert {swab.invalid_reruns, media.invalid_reruns} == {0}


def test_loading_brings_neither_numba_nor_pandas():
    code = (
        "import sys; from poolkit.protocols import load_protocol; load_protocol('cn-10in1-2020');"
        "assert not {'numba', 'pandas'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_protocol_cannot_be_changed():
    protocol = load_protocol("cn-10in1-2020")
    with pytest.raises(ValueError, match="frozen"):
        protocol.ct_positive = 38.0
    with pytest.raises(TypeError):
        protocol.controls["blank"] = ControlRule(minimum=0)
    with pytest.raises(TypeError):
        protocol.controls["blank"].windows["N"] = (1.0, 2.0)


def test_a_mapping_reads_like_a_dict():
    due = load_protocol("cn-10in1-2020").due_hours
    assert repr(due) == repr(dict(due))
    assert len(due) == 3
    assert hash(due) == hash(copy.copy(due))


def test_canonical_holds_the_values_and_not_the_citations():
    protocol = load_protocol("cn-10in1-2020")
    content = json.loads(protocol.canonical())
    assert set(content) == {"name", "version", *VALUE_FIELDS}
    assert content["sensitivity"] == [[1, 0.95], [5, 0.95], [10, 0.943]]
    assert content["controls"]["blank"] == {"minimum": 1, "windows": {}}
    assert protocol.canonical().isascii()
    cited = Protocol(
        **{
            **protocol.model_dump(),
            "description": "",
            "sources": protocol.model_dump()["sources"] | {"ct_limit": {"text": "Another edition", "verified": True}},
        }
    )
    assert cited != protocol
    assert cited.canonical() == protocol.canonical()


def test_canonical_does_not_depend_on_the_order_of_writing_or_on_whole_numbers():
    protocol = load_protocol("cn-10in1-2020")
    values = protocol.model_dump()
    turned = dict(reversed(values.items()))
    turned["controls"] = dict(reversed(values["controls"].items()))
    turned["ct_limit"] = 40
    again = Protocol(**turned)
    assert again.canonical() == protocol.canonical()
    assert again == protocol


def test_sensitivity_is_linear_between_points_and_constant_outside():
    protocol = load_protocol("cn-10in1-2020").revised("t", source="test", sensitivity=((2, 0.9), (4, 0.8), (10, 0.5)))
    found = [protocol.sensitivity_at(n) for n in (1, 2, 3, 4, 7, 10, 50)]
    assert found == pytest.approx([0.9, 0.9, 0.85, 0.8, 0.65, 0.5, 0.5])


def test_a_revision_keeps_what_it_does_not_change():
    protocol = load_protocol("cn-10in1-2020")
    revised = protocol.revised("2", source="Validation report 7", ct_internal=35.0, name="our-lab")
    assert revised.label == "our-lab@2"
    assert revised.ct_internal == 35.0
    assert revised.source("ct_internal").text == "Validation report 7"
    assert revised.source("ct_limit") == protocol.source("ct_limit")
    assert protocol.ct_internal == 40.0

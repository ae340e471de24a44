"""People, queues, tubes, plates and instruments, each by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit.errors import DesignError
from poolkit.protocols import load_protocol, protocol_names
from poolkit.schemas import CONTENTS
from poolkit.simulation import Failures
from poolkit.simulation.layout import EMPTY, SPECIMEN, WELL_NAMES, lay_out, n_controls, plate_problems
from poolkit.simulation.people import HOUSEHOLD_CORRELATION, HOUSEHOLD_SIZE_SHARES, draw_people
from poolkit.simulation.runs import MINUTE_US, PREPARATION_US, RUN_US, schedule
from poolkit.simulation.streams import streams
from poolkit.simulation.tubes import OPEN_SECONDS, collect

DAY_TOOL = load_protocol("cn-10in1-2020")


def standard_error(prevalence, correlation, sizes):
    n_people = sizes.sum()
    inflation = 1 + correlation * ((sizes**2).sum() / n_people - 1)
    return np.sqrt(prevalence * (1 - prevalence) * inflation / n_people)


@pytest.mark.parametrize("prevalence", [0.001, 0.02, 0.3])
@pytest.mark.parametrize("correlation", [0.0, HOUSEHOLD_CORRELATION, 0.6])
def test_prevalence_within_four_standard_errors(prevalence, correlation):
    people = draw_people(100_000, prevalence, correlation, streams(3, 0))
    error = standard_error(prevalence, correlation, np.bincount(people.household))
    assert abs(people.infected.mean() - prevalence) < 4 * error


def test_positives_cluster_as_the_correlation_says():
    people = draw_people(200_000, 0.05, 0.16, streams(4, 0))
    sizes = np.bincount(people.household)
    counts = np.bincount(people.household, weights=people.infected)
    fours = counts[sizes == 4]
    binomial = 4 * 0.05 * 0.95
    assert fours.var() == pytest.approx(binomial * (1 + 3 * 0.16), rel=0.1)
    assert fours.var() > 1.3 * binomial
    alone = draw_people(200_000, 0.05, 0.0, streams(4, 0))
    counts = np.bincount(alone.household, weights=alone.infected)
    assert counts[np.bincount(alone.household) == 4].var() == pytest.approx(binomial, rel=0.1)


def test_nobody_or_everybody():
    assert not draw_people(500, 0.0, 0.2, streams(1, 0)).infected.any()
    assert draw_people(500, 1.0, 0.2, streams(1, 0)).infected.all()


def test_loads_are_drawn_from_the_published_quantiles():
    people = draw_people(50_000, 1.0, 0.2, streams(5, 0))
    seen = np.quantile(people.log10_load, [0.05, 0.25, 0.5, 0.75, 0.95])
    assert seen == pytest.approx([3.96, 5.13, 6.51, 7.91, 9.39], abs=0.06)


def test_household_sizes_are_those_stated():
    sizes = np.bincount(draw_people(200_000, 0.0, 0.0, streams(6, 0)).household)[:-1]
    assert sum(HOUSEHOLD_SIZE_SHARES) == pytest.approx(1.0)
    assert np.bincount(sizes, minlength=7)[1:] / sizes.size == pytest.approx(HOUSEHOLD_SIZE_SHARES, abs=0.006)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 3000), st.integers(1, 12), st.integers(1, 30), st.sampled_from([0.0, 0.3, 1.0]), st.integers(0, 9)
)
def test_every_swab_is_in_one_tube_in_the_order_of_its_queue(n_people, n_sites, tube_size, unfilled, seed):
    rng = streams(seed, 0)
    household = draw_people(n_people, 0.0, 0.0, rng).household
    swabs = collect(household, n_sites=n_sites, tube_size=tube_size, unfilled_tube=unfilled, rng=rng)
    assert swabs.n_members.sum() == n_people
    assert swabs.n_members.min(initial=1) >= 1
    assert swabs.n_members.max(initial=1) <= tube_size
    assert (np.diff(swabs.tube) >= 0).all()
    assert (swabs.slot == np.arange(n_people) - np.searchsorted(swabs.tube, swabs.tube) + 1).all()
    assert (swabs.tube_site[swabs.tube] == swabs.site).all()
    assert swabs.collected_s.min(initial=0) >= 0
    assert swabs.collected_s.max(initial=0) <= OPEN_SECONDS
    same_station = np.diff(swabs.tube_station[swabs.tube]) == 0
    assert (np.diff(swabs.collected_s)[same_station] >= 0).all()
    assert not (np.diff(household) == 0)[~same_station].any()
    assert (swabs.opened_s <= swabs.closed_s).all()
    transport = swabs.received_s - swabs.closed_s
    assert transport.min(initial=1200) >= 1200
    assert transport.max(initial=0) <= 7200
    last_of_station = np.append(np.diff(swabs.tube_station) != 0, True)[: swabs.n_members.size]
    if unfilled == 0.0:
        assert (swabs.n_members[~last_of_station] == tube_size).all()
    if unfilled == 1.0 and tube_size > 1:
        assert (swabs.n_members < tube_size).all()


def test_unfilled_tubes_occur_at_their_rate():
    rng = streams(8, 0)
    household = draw_people(60_000, 0.0, 0.0, rng).household
    swabs = collect(household, n_sites=60, tube_size=10, unfilled_tube=0.1, rng=rng)
    full_or_short = np.append(np.diff(swabs.tube_station) == 0, False)
    short = (swabs.n_members[full_or_short] < 10).mean()
    assert short == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / full_or_short.sum()))


@pytest.mark.parametrize("name", protocol_names())
@pytest.mark.parametrize("wells", [96, 384])
@pytest.mark.parametrize("n_specimens", [0, 1, 92, 93, 1000])
def test_each_plate_holds_the_protocols_controls(name, wells, n_specimens):
    protocol = load_protocol(name)
    layout = lay_out(n_specimens, wells=wells, protocol=protocol, rng=np.random.default_rng(1))
    assert layout.n_plates == -(-n_specimens // (wells - n_controls(protocol)))
    held = layout.specimen >= 0
    assert (layout.specimen[held] == np.arange(n_specimens)).all()
    assert ((layout.content == SPECIMEN) == held).all()
    for plate in range(layout.n_plates):
        rows = layout.plate == plate
        names = [WELL_NAMES[well] for well in layout.well[rows]]
        assert len(set(names)) == wells
        assert names[:3] == ["A01", "B01", "C01"]
        assert names[-1] == ("H12" if wells == 96 else "P24")
        found = np.bincount(layout.content[rows], minlength=len(CONTENTS))
        for code, content in enumerate(CONTENTS):
            if content not in ("specimen", "empty"):
                assert found[code] == protocol.minimum(content)
        assert not found[EMPTY] or plate == layout.n_plates - 1
        empties = np.flatnonzero(layout.content[rows] == EMPTY)
        assert (empties == np.arange(wells - empties.size, wells)).all()


def test_controls_stand_at_random_places():
    layout = lay_out(92 * 2000, wells=96, protocol=DAY_TOOL, rng=np.random.default_rng(2))
    controls = (layout.content != SPECIMEN).reshape(-1, 96)
    assert (controls.sum(axis=1) == 4).all()
    assert controls.mean(axis=0) == pytest.approx(np.full(96, 4 / 96), abs=5 * np.sqrt(4 / 96 / 2000))


def test_plates_that_cannot_be():
    assert str(plate_problems(95, DAY_TOOL)[0]) == "wells: must be 96 or 384, found 95"
    assert plate_problems(96, DAY_TOOL) == []
    crowded = DAY_TOOL.revised("x", source="test", controls={"blank": {"minimum": 96}})
    assert str(plate_problems(96, crowded)[0]) == "wells, controls: 96 controls leave no place on a plate of 96"


@given(st.lists(st.integers(0, 600), max_size=60), st.sampled_from([96, 384]), st.sampled_from([40.0, 96.0, 400.0]))
def test_the_schedule_against_a_plain_loop(minutes, wells, pace):
    ready = np.sort(np.array(minutes, np.int64)) * MINUTE_US
    instrument, started = schedule(ready, wells=wells, wells_per_instrument_hour=pace, runs_per_instrument=8)
    n_instruments = max(1, -(-ready.size // 8))
    apart = max(105 * MINUTE_US, -(-wells * 60 // int(pace)) * MINUTE_US)
    free = [-(10**18)] * n_instruments
    for plate in range(ready.size):
        which = plate % n_instruments
        start = max(int(ready[plate]) + PREPARATION_US, free[which])
        assert (instrument[plate], started[plate]) == (which, start)
        free[which] = start + apart
    assert apart >= RUN_US


def test_failure_rates_are_probabilities():
    with pytest.raises(DesignError) as failure:
        Failures(late_plate=1.5, dropped_reading=-0.1)
    assert str(failure.value) == (
        "not a set of failure rates, 2 problem(s):\n"
        "  - late_plate: must be between 0 and 1, found 1.5\n"
        "  - dropped_reading: must be between 0 and 1, found -0.1"
    )


def test_streams_are_independent_and_repeatable():
    drawn = [stream.random() for part in (0, 1) for stream in streams(9, part)]
    assert len(set(drawn)) == len(drawn)
    assert drawn == [stream.random() for part in (0, 1) for stream in streams(9, part)]
    with pytest.raises(DesignError, match="seed: must not be negative, found -1"):
        streams(-1, 0)

"""The simulator event for event against its slow twin, on small lines with every feature."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from poolkit import load_protocol
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, Shift, Sites, Stage, Stock, Team, simulate_line
from tests.reference import line as twin

SPREADS = st.sampled_from(["fixed", "exponential", "lognormal"])
# Round minutes make many things happen at the same instant, where their order has to be the right one.
MINUTES = st.sampled_from([1.0, 2.5, 5.0, 10.0, 30.0, 45.0])
HOURS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.25])
shifts = st.lists(
    st.builds(
        lambda start, hours, servers: Shift(start, start + hours, servers),
        st.sampled_from([0, 1, 2, 3.5, 22]),
        st.sampled_from([0.5, 1, 4, 8, 24]),
        st.one_of(st.none(), st.integers(0, 2)),
    ),
    max_size=2,
).map(tuple)
teams = st.lists(
    st.builds(
        lambda servers, start, hours: Team(servers, start, start + hours),
        st.integers(1, 2),
        HOURS,
        st.sampled_from([1.0, 5.0, float("inf")]),
    ),
    max_size=2,
).map(tuple)
PROVIDED = st.sampled_from([0.0, 1.0, 2.5, 8.0, 1000.0])
BROUGHT = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 1.75, 5.0]), st.sampled_from([0.0, 1.0, 2.5, 9.0])), max_size=3
)


def stocks(item):
    """Draw no stock of an item two times out of three."""
    some = st.builds(lambda units, lots: Stock(item, units, tuple(sorted(lots))), PROVIDED, BROUGHT)
    return st.one_of(st.none(), st.none(), some)


PROTOCOLS = [
    load_protocol("cn-10in1-2020"),
    load_protocol("cn-10in1-2020").revised("twice", source="a test", swabs_per_recollect=2, specificity=0.7),
    load_protocol("cn-10in1-2020").revised("kept", source="a test", positive_pool="retest"),
    load_protocol("cn-10in1-2020").revised("reruns", source="a test", invalid_reruns=3),
    load_protocol("cn-10in1-2020").revised("once", source="a test", invalid_reruns=0, positive_pool="retest"),
]


@st.composite
def stages(draw, names, at):
    slots = draw(st.sampled_from([1, 1, 3, 8]))
    item = draw(st.sampled_from([None, None, "kit", "tips"]))
    return Stage(
        names[at],
        draw(st.sampled_from([0, 1, 1, 1, 2, 2, 3])),
        minutes=draw(MINUTES),
        minutes_each=draw(st.sampled_from([0.0, 0.25])),
        spread=draw(SPREADS),
        variation=0.5,
        slots=slots,
        controls=draw(st.integers(0, min(2, slots - 1))),
        linger_minutes=draw(st.sampled_from([0.0, 5.0, 30.0])),
        retests_first=draw(st.booleans()),
        fails=draw(st.sampled_from([0.0, 0.0, 0.3])),
        rerun_at=names[draw(st.integers(0, at))] if draw(st.booleans()) else None,
        shifts=draw(shifts),
        teams=draw(teams),
        breakdown_minutes=draw(st.sampled_from([None, None, 20.0])),
        repair_minutes=15.0,
        item=item,
        units_a_batch=draw(st.sampled_from([0.0, 2.0])) if item else 0.0,
        units_a_specimen=draw(st.sampled_from([0.0, 0.7, 1.0])) if item else 0.0,
    )


@st.composite
def labs(draw):
    names = ["reception", "extraction", "amplification", "reporting"][: draw(st.integers(1, 4))]
    reads = draw(st.integers(0, len(names) - 1))
    steps = []
    for k in range(len(names)):
        stage = draw(stages(names, k))
        again = stage.rerun_at if k <= reads else None
        steps.append(replace(stage, reads=k == reads, rerun_at=again))
    stocks = tuple(
        Stock(item, draw(st.sampled_from([0.0, 5.0, 40.0, 1000.0])), ((1.0, 6.0), (4.0, 500.0)))
        for item in ("kit", "tips")
    )
    opens = draw(st.sampled_from([0.0, 0.0, 1.5]))
    return Laboratory(
        "some",
        tuple(steps),
        opens,
        draw(st.sampled_from([1.0, 2.5])),
        stocks,
        draw(st.sampled_from(names)),
        draw(st.sampled_from([0.0, 0.0, 0.4])),
        draw(st.sampled_from([None, *names[: reads + 1]])),
    )


lines = st.builds(
    Line,
    arrivals=st.builds(
        Arrivals,
        people=st.integers(0, 60),
        profile=st.sampled_from([((0.0, 1.0), (2.0, 0.0)), ((0.0, 3.0), (1.0, 0.0), (2.0, 1.0), (2.5, 0.0))]),
        bursts=st.sampled_from([(), ((0.5, 9),), ((2.0, 4), (0.25, 5))]),
        random=st.booleans(),
    ),
    sites=st.builds(
        Sites,
        count=st.integers(1, 3),
        tables=st.sampled_from([0, 1, 1, 2, 3]),
        minutes=st.sampled_from([0.5, 2.0]),
        spread=SPREADS,
        variation=st.just(0.4),
        tube_linger_minutes=st.sampled_from([0.0, 10.0, 60.0]),
        shifts=shifts,
        teams=teams,
        swabs=stocks("swab"),
        tubes=stocks("tube"),
    ),
    courier=st.builds(
        Courier,
        headway_minutes=st.sampled_from([5.0, 30.0]),
        travel_minutes=st.sampled_from([0.0, 20.0]),
        capacity=st.sampled_from([None, 1, 3]),
    ),
    labs=st.lists(labs(), min_size=1, max_size=2).map(tuple),
    pool_size=st.sampled_from([1, 3, 5]),
    protocol=st.sampled_from(PROTOCOLS),
    prevalence=st.sampled_from([0.0, 0.05, 0.5]),
    retest_minutes=st.sampled_from([0.0, 30.0]),
    recollect_minutes=st.sampled_from([0.0, 45.0]),
    horizon_hours=st.sampled_from([6.0, 40.0]),
)


@given(lines, st.integers(0, 2**40))
def test_every_event_is_the_twins(line, seed):
    run = simulate_line(line, seed=seed, events=True)
    people, tubes, rows = twin.run(line, seed)
    ours = np.column_stack([run.people.arrived, run.people.began, run.people.sampled, run.resulted, run.way])
    np.testing.assert_allclose(ours, np.array(people).reshape(-1, 5), rtol=1e-12, atol=1e-9)
    assert run.tubes.members.tolist() == [len(tube[0]) for tube in tubes]
    assert run.tubes.lab.tolist() == [tube[4] for tube in tubes]
    assert run.tubes.reacts.tolist() == [tube[5] for tube in tubes]
    ours = np.column_stack([run.tubes.closed, run.tubes.left, run.tubes.arrives])
    np.testing.assert_allclose(ours, np.array([tube[1:4] for tube in tubes]).reshape(-1, 3), rtol=1e-12, atol=1e-9)
    events = run.events().to_pandas()
    events = events[events["lab"].notna()]
    names = [[stage.name for stage in lab.stages] for lab in line.labs]
    places = [names[int(lab)].index(stage) for lab, stage in zip(events["lab"], events["stage"], strict=True)]
    ours = np.column_stack([events["lab"], events["specimen"], places, events["batch"]]).astype(int)
    assert ours.tolist() == [list(row[:4]) for row in rows]
    times = events[["enter", "start", "end"]].to_numpy()
    np.testing.assert_allclose(times, np.array([row[4:] for row in rows]).reshape(-1, 3), rtol=1e-12, atol=1e-9)

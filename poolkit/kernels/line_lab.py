"""One laboratory of the line, event by event: batches that start full or after a linger time, reruns, retests, stock.

At an instant, first batches end and servers come back, in the order in which the batches were started; then shifts
change and deliveries of stock come, then retests, then tubes. Only then batches are started, stage by stage.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.line_chance import chance, noise
from poolkit.kernels.line_heap import pop, push
from poolkit.kernels.line_sites import engage, tally

WORKED, DELIVERED = 0, 1


class Bench(NamedTuple):
    """The stages of the laboratory (stages,), as `poolkit.planning.Stage` has them; keys (stages, 4) of their chance."""

    minutes: NDArray[np.float64]
    each: NDArray[np.float64]
    spread: NDArray[np.int64]
    sigma: NDArray[np.float64]
    usable: NDArray[np.int64]
    linger: NDArray[np.float64]
    lanes: NDArray[np.int64]
    fails: NDArray[np.float64]
    rerun_at: NDArray[np.int64]
    between: NDArray[np.float64]
    repair: NDArray[np.float64]
    item: NDArray[np.int64]
    a_batch: NDArray[np.float64]
    a_specimen: NDArray[np.float64]
    keys: NDArray[np.uint64]


class Asked(NamedTuple):
    """What the laboratory does with a reactive pool, when it stops, and the width of the bins, in minutes."""

    reads: int
    retest_at: int
    delay: float
    swabs: int
    horizon: float
    width: float


class Calendar(NamedTuple):
    """What changes at which minute (changes,), in order: servers at work of a stage, or units that come of an item."""

    time: NDArray[np.float64]
    kind: NDArray[np.int64]
    which: NDArray[np.int64]
    value: NDArray[np.float64]


class Specimens(NamedTuple):
    """Tubes in the order in which they arrive (tubes,), and then their members alone (specimens,): minutes.

    arrives, members and reacts (tubes,) are read. first (tubes,) is the first of a reactive tube's members, or -1;
    reported (specimens,) is infinite where there is no report. Both are written.
    """

    arrives: NDArray[np.float64]
    members: NDArray[np.int32]
    reacts: NDArray[np.int8]
    first: NDArray[np.int64]
    reported: NDArray[np.float64]


class Ledger(NamedTuple):
    """What happened: specimens (3 * stages, bins) that enter, start and end, batches (2 * stages, bins), busy minutes
    (stages, bins), used units (items, bins), people whose tube was read (bins,), and a row an event where it has room:
    which (events, 3) specimen, stage and batch; when (events, 3) it enters, starts and ends.
    """

    specimens: NDArray[np.int64]
    batches: NDArray[np.int64]
    busy: NDArray[np.float64]
    used: NDArray[np.float64]
    tested: NDArray[np.int64]
    which: NDArray[np.int64]
    when: NDArray[np.float64]


class _State(NamedTuple):
    """Where everything stands: queues as chains (two lanes a stage), running batches, stock and counters."""

    after: NDArray[np.int32]
    entered: NDArray[np.float64]
    urgent: NDArray[np.int8]
    head: NDArray[np.int32]
    tail: NDArray[np.int32]
    waiting: NDArray[np.int64]
    working: NDArray[np.int64]
    busy: NDArray[np.int64]
    begun: NDArray[np.int64]
    due: NDArray[np.float64]
    stock: NDArray[np.float64]
    heap_time: NDArray[np.float64]
    heap_slot: NDArray[np.int64]
    slot_batch: NDArray[np.int64]
    slot_stage: NDArray[np.int64]
    slot_head: NDArray[np.int32]
    slot_fate: NDArray[np.int64]
    slot_repair: NDArray[np.float64]
    free: NDArray[np.int64]
    count: NDArray[np.int64]


_HEAP, _FREE, _EVENTS, _BATCHES = 0, 1, 2, 3
_ENDS, _FAILED, _BACK = 0, 1, 2


@kernel
def _enter(specimen: int, stage: int, t: float, bench: Bench, asked: Asked, state: _State, ledger: Ledger) -> None:
    """Put a specimen into the queue of a stage."""
    lane = 2 * stage + (0 if state.urgent[specimen] == 1 and bench.lanes[stage] == 1 else 1)
    state.entered[specimen] = t
    state.after[specimen] = -1
    if state.head[lane] < 0:
        state.head[lane] = specimen
    else:
        state.after[state.tail[lane]] = specimen
    state.tail[lane] = specimen
    state.waiting[stage] += 1
    tally(t, 3 * stage, ledger.specimens, asked.width)


@kernel
def _start(stage: int, n: int, t: float, bench: Bench, asked: Asked, state: _State, ledger: Ledger) -> None:
    """Start a batch of n waiting specimens, those of the lane of retests first."""
    number = state.begun[stage]
    state.begun[stage] += 1
    minutes = bench.minutes[stage] + bench.each[stage] * n
    minutes *= noise(bench.spread[stage], bench.sigma[stage], bench.keys[stage, 0], number)
    ends = t + minutes
    state.count[_FREE] -= 1
    slot = state.free[state.count[_FREE]]
    batch = state.count[_BATCHES]
    state.count[_BATCHES] += 1
    last = np.int64(-1)
    taken = np.int64(0)
    for lane in range(2 * stage, 2 * stage + 2):
        at = np.int64(state.head[lane])
        while at >= 0 and taken < n:
            if last < 0:
                state.slot_head[slot] = at
            else:
                state.after[last] = at
            row = state.count[_EVENTS]
            if row < ledger.which.shape[0]:
                ledger.which[row, 0], ledger.which[row, 1], ledger.which[row, 2] = at, stage, batch
                ledger.when[row, 0], ledger.when[row, 1], ledger.when[row, 2] = state.entered[at], t, ends
            state.count[_EVENTS] += 1
            last = at
            at = np.int64(state.after[at])
            taken += 1
        state.head[lane] = at
    state.after[last] = -1
    state.waiting[stage] -= n
    state.busy[stage] += 1
    state.slot_stage[slot], state.slot_batch[slot] = stage, batch
    state.slot_fate[slot] = _ENDS
    if bench.fails[stage] > 0.0 and chance(bench.keys[stage, 1], number) < bench.fails[stage]:
        state.slot_fate[slot] = _FAILED
    state.slot_repair[slot] = 0.0
    if bench.between[stage] < np.inf:
        likely = 1.0 - np.exp(-minutes / bench.between[stage])
        if chance(bench.keys[stage, 2], number) < likely:
            state.slot_repair[slot] = -np.log(chance(bench.keys[stage, 3], number)) * bench.repair[stage]
    push(state.heap_time, state.heap_slot, state.slot_batch, state.count[_HEAP], ends, slot)
    state.count[_HEAP] += 1
    if t < ledger.busy.shape[1] * asked.width:
        k = min(np.int64(t / asked.width), ledger.busy.shape[1] - 1)
        ledger.specimens[3 * stage + 1, k] += n
        ledger.batches[2 * stage, k] += 1
        if bench.item[stage] >= 0:
            ledger.used[bench.item[stage], k] += bench.a_batch[stage] + bench.a_specimen[stage] * n
    engage(t, 1.0, ledger.busy[stage], asked.width)


@kernel
def _start_all(stage: int, t: float, bench: Bench, asked: Asked, state: _State, ledger: Ledger) -> None:
    """Start what a stage can: one batch is filled at a time, and starts full or when its oldest has waited enough."""
    state.due[stage] = np.inf
    item = bench.item[stage]
    while state.busy[stage] < state.working[stage] and state.waiting[stage] > 0:
        n = state.waiting[stage]
        if n < bench.usable[stage]:
            oldest = np.inf
            for lane in range(2 * stage, 2 * stage + 2):
                if state.head[lane] >= 0:
                    oldest = min(oldest, state.entered[state.head[lane]])
            if t < oldest + bench.linger[stage]:
                state.due[stage] = oldest + bench.linger[stage]
                break
        else:
            n = bench.usable[stage]
        if item >= 0:
            left = state.stock[item] - bench.a_batch[stage]
            if left < 0.0:
                break
            if bench.a_specimen[stage] > 0.0:
                # What is left may be off by the rounding of many subtractions.
                n = min(n, np.int64(left / bench.a_specimen[stage] + 1e-9))
            if n < 1:
                break
            state.stock[item] -= bench.a_batch[stage] + bench.a_specimen[stage] * n
        _start(stage, n, t, bench, asked, state, ledger)


@kernel
def run(
    bench: Bench, asked: Asked, calendar: Calendar, stock: NDArray[np.float64], specimens: Specimens, ledger: Ledger
) -> int:
    """Run a laboratory until its horizon or until nothing is left to happen, and return the number of events.

    stock (items,) are the units at the start. An event is a specimen that passes a stage; see the other parameters.
    """
    n_stages, n_tubes, n_specimens = bench.minutes.size, specimens.arrives.size, specimens.reported.size
    # As many batches run at once as servers are ever at work, and a broken one still counts.
    most = np.zeros(n_stages, np.int64)
    for k in range(calendar.time.size):
        if calendar.kind[k] == WORKED:
            most[calendar.which[k]] = max(most[calendar.which[k]], np.int64(calendar.value[k]))
    n_slots = most.sum() + 1
    state = _State(
        np.empty(n_specimens, np.int32),
        np.empty(n_specimens),
        np.zeros(n_specimens, np.int8),
        np.full(2 * n_stages, -1, np.int32),
        np.full(2 * n_stages, -1, np.int32),
        np.zeros(n_stages, np.int64),
        np.zeros(n_stages, np.int64),
        np.zeros(n_stages, np.int64),
        np.zeros(n_stages, np.int64),
        np.full(n_stages, np.inf),
        stock.copy(),
        np.empty(n_slots),
        np.empty(n_slots, np.int64),
        np.zeros(n_slots, np.int64),
        np.zeros(n_slots, np.int64),
        np.zeros(n_slots, np.int32),
        np.zeros(n_slots, np.int64),
        np.zeros(n_slots),
        np.arange(n_slots),
        np.zeros(4, np.int64),
    )
    state.count[_FREE] = n_slots
    touched = np.zeros(n_stages, np.bool_)
    # Members of reactive tubes come to the bench in the order in which their tubes were read.
    n_reactive = 0
    for tube in range(n_tubes):
        n_reactive += 1 if specimens.reacts[tube] == 1 else 0
    back_tube, back_time = np.empty(n_reactive, np.int64), np.empty(n_reactive)
    n_back, back, tube, change, n_used = np.int64(0), np.int64(0), np.int64(0), np.int64(0), n_tubes
    while True:
        t = np.inf
        if state.count[_HEAP] > 0:
            t = state.heap_time[0]
        if tube < n_tubes:
            t = min(t, specimens.arrives[tube])
        if back < n_back:
            t = min(t, back_time[back])
        if change < calendar.time.size:
            t = min(t, calendar.time[change])
        for stage in range(n_stages):
            if state.due[stage] <= t:
                t = state.due[stage]
        if t > asked.horizon or t == np.inf:
            break
        for stage in range(n_stages):
            if state.due[stage] == t:
                touched[stage] = True
        while state.count[_HEAP] > 0 and state.heap_time[0] == t:
            slot = state.heap_slot[0]
            pop(state.heap_time, state.heap_slot, state.slot_batch, state.count[_HEAP])
            state.count[_HEAP] -= 1
            stage = state.slot_stage[slot]
            touched[stage] = True
            if state.slot_fate[slot] == _BACK:
                state.busy[stage] -= 1
                state.free[state.count[_FREE]] = slot
                state.count[_FREE] += 1
                continue
            failed = state.slot_fate[slot] == _FAILED
            to = bench.rerun_at[stage] if failed else stage + 1
            at, n = np.int64(state.slot_head[slot]), 0
            while at >= 0:
                following = np.int64(state.after[at])
                n += 1
                ahead = to
                if failed:
                    state.urgent[at] = 1
                elif stage == asked.reads and at < n_tubes:
                    if t < ledger.tested.size * asked.width:
                        ledger.tested[min(np.int64(t / asked.width), ledger.tested.size - 1)] += specimens.members[at]
                    if specimens.reacts[at] == 1:
                        ahead = np.int64(-1)
                        specimens.first[at] = n_used
                        n_used += specimens.members[at] * asked.swabs
                        back_tube[n_back], back_time[n_back] = at, t + asked.delay
                        n_back += 1
                if ahead == n_stages:
                    specimens.reported[at] = t
                elif ahead >= 0:
                    _enter(at, ahead, t, bench, asked, state, ledger)
                    touched[ahead] = True
                at = following
            if t < ledger.busy.shape[1] * asked.width:
                k = min(np.int64(t / asked.width), ledger.busy.shape[1] - 1)
                ledger.specimens[3 * stage + 2, k] += n
                ledger.batches[2 * stage + 1, k] += 1
            engage(t, -1.0, ledger.busy[stage], asked.width)
            repair = state.slot_repair[slot]
            if repair > 0.0:
                state.slot_fate[slot] = _BACK
                push(state.heap_time, state.heap_slot, state.slot_batch, state.count[_HEAP], t + repair, slot)
                state.count[_HEAP] += 1
            else:
                state.busy[stage] -= 1
                state.free[state.count[_FREE]] = slot
                state.count[_FREE] += 1
        while change < calendar.time.size and calendar.time[change] == t:
            which = calendar.which[change]
            if calendar.kind[change] == WORKED:
                state.working[which] = np.int64(calendar.value[change])
                touched[which] = True
            else:
                state.stock[which] += calendar.value[change]
                for stage in range(n_stages):
                    touched[stage] = touched[stage] or bench.item[stage] == which
            change += 1
        while back < n_back and back_time[back] == t:
            first = specimens.first[back_tube[back]]
            for at in range(first, first + specimens.members[back_tube[back]] * asked.swabs):
                state.urgent[at] = 1
                _enter(at, asked.retest_at, t, bench, asked, state, ledger)
            touched[asked.retest_at] = True
            back += 1
        while tube < n_tubes and specimens.arrives[tube] == t:
            _enter(tube, 0, t, bench, asked, state, ledger)
            touched[0] = True
            tube += 1
        for stage in range(n_stages):
            if touched[stage]:
                touched[stage] = False
                _start_all(stage, t, bench, asked, state, ledger)
    return state.count[_EVENTS]

"""One laboratory of the line, event by event: batches that start full or after a linger time, reruns, retests, stock.

At an instant, first batches end and servers come back, in the order in which the batches were started; then shifts
change and deliveries of stock come, then retests, then tubes. Only then batches are started, stage by stage.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.line_chance import FIXED, chance, noise
from poolkit.kernels.line_heap import pop, push

WORKED, DELIVERED = 0, 1


class Bench(NamedTuple):
    """The stages of the laboratory (stages,), as `poolkit.planning.Stage` has them; keys (stages, 4) of chance."""

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
    """What the laboratory does with a reactive pool and an invalid reading, when it stops, and the width of the bins.

    A reading is invalid with this probability, by its key of chance, and comes back to a stage for so many reruns.
    """

    reads: int
    retest_at: int
    delay: float
    swabs: int
    invalid: float
    invalid_at: int
    reruns: int
    key: np.uint64
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

    arrives, members and reacts (tubes,) are read; a tube that stays invalid reacts, see `exhaust`. first (tubes,) is
    the first of a reactive tube's members, or -1; reported (specimens,) is infinite where there is no report. Both are
    written.
    """

    arrives: NDArray[np.float64]
    members: NDArray[np.int32]
    reacts: NDArray[np.int8]
    first: NDArray[np.int64]
    reported: NDArray[np.float64]


class Ledger(NamedTuple):
    """What happened in each bin of time, and each event where there is room.

    specimens (3 * stages, bins) that enter, start and end; batches (2 * stages, bins) that start and end; busy
    (stages, bins) minutes from each start, less those from each end, to the end of its bin; used (items, bins) units;
    tested (bins,) people whose tube was read. An event: which (events, 3) specimen, stage and batch, and when
    (events, 3) it enters, starts and ends. All are written.
    """

    specimens: NDArray[np.int64]
    batches: NDArray[np.int64]
    busy: NDArray[np.float64]
    used: NDArray[np.float64]
    tested: NDArray[np.int64]
    which: NDArray[np.int64]
    when: NDArray[np.float64]


_ENDS, _FAILED, _BACK = 0, 1, 2


@kernel
def exhaust(asked: Asked, members: NDArray[np.int32], reacts: NDArray[np.int8]) -> None:
    """Set reacts[k] = 1 for each tube of several members that is invalid every time it is read: they are asked for."""
    for k in range(members.size):
        draw = 0
        while draw <= asked.reruns and chance(asked.key, k * (asked.reruns + 1) + draw) < asked.invalid:
            draw += 1
        if draw > asked.reruns and members[k] > 1:
            reacts[k] = 1


@kernel
def servers_of(calendar: Calendar, most: NDArray[np.int64]) -> None:
    """Write the most servers that are ever at work at each stage (stages,)."""
    for k in range(calendar.time.size):
        if calendar.kind[k] == WORKED:
            most[calendar.which[k]] = max(most[calendar.which[k]], np.int64(calendar.value[k]))


@kernel
def run(
    bench: Bench, asked: Asked, calendar: Calendar, stock: NDArray[np.float64], specimens: Specimens, ledger: Ledger
) -> int:
    """Run a laboratory until its horizon or until nothing is left to happen, and return the number of events.

    stock (items,) are the units at hand, changed by what is used and comes. An event is a specimen that passes a stage.
    Loops stand here as one, over arrays of their own: to hand so many arrays to a function takes longer than its work.
    """
    n_stages, n_tubes, n_specimens = bench.minutes.size, specimens.arrives.size, specimens.reported.size
    lanes, usable, linger, items, rerun_at = bench.lanes, bench.usable, bench.linger, bench.item, bench.rerun_at
    a_batch, a_specimen, keys, fails, between = bench.a_batch, bench.a_specimen, bench.keys, bench.fails, bench.between
    arrives, members, reacts, first, reported = specimens
    counted, batches, busy_minutes, used, tested, which, when = ledger
    horizon, width, n_bins = asked.horizon, asked.width, ledger.tested.size
    # Queues are chains, two lanes a stage: retests and reruns, and all others.
    after, entered, urgent = np.empty(n_specimens, np.int32), np.empty(n_specimens), np.zeros(n_specimens, np.int8)
    head, tail = np.full(2 * n_stages, -1, np.int64), np.full(2 * n_stages, -1, np.int64)
    waiting, working = np.zeros(n_stages, np.int64), np.zeros(n_stages, np.int64)
    busy, begun = np.zeros(n_stages, np.int64), np.zeros(n_stages, np.int64)
    tries = np.zeros(n_specimens if asked.invalid > 0.0 else 0, np.int64)
    due, touched = np.full(n_stages, np.inf), np.zeros(n_stages, np.bool_)
    # A batch has a slot while it runs and while its server is repaired.
    most = np.zeros(n_stages, np.int64)
    servers_of(calendar, most)
    n_slots = most.sum() + 1
    heap_time, heap_slot, n_heap = np.empty(n_slots), np.empty(n_slots, np.int64), 0
    slot_batch, slot_stage = np.zeros(n_slots, np.int64), np.zeros(n_slots, np.int64)
    slot_head, slot_fate = np.zeros(n_slots, np.int64), np.zeros(n_slots, np.int64)
    slot_repair, free, n_free = np.zeros(n_slots), np.arange(n_slots), n_slots
    # Members of reactive tubes come to the bench in the order in which their tubes were read.
    n_reactive = 0
    for k in range(n_tubes):
        n_reactive += 1 if reacts[k] == 1 else 0
    back_tube, back_time = np.empty(n_reactive, np.int64), np.empty(n_reactive)
    n_back, back, tube, change, n_used, n_events, n_batches = 0, 0, 0, 0, n_tubes, 0, 0
    while True:
        t = np.inf
        if n_heap > 0:
            t = heap_time[0]
        if tube < n_tubes:
            t = min(t, arrives[tube])
        if back < n_back:
            t = min(t, back_time[back])
        if change < calendar.time.size:
            t = min(t, calendar.time[change])
        for stage in range(n_stages):
            t = min(t, due[stage])
        if t > horizon or t == np.inf:
            break
        # The last bin takes what happens at the horizon itself.
        now = min(int(t / width), n_bins - 1)
        for stage in range(n_stages):
            touched[stage] = due[stage] == t
        while n_heap > 0 and heap_time[0] == t:
            slot = heap_slot[0]
            pop(heap_time, heap_slot, slot_batch, n_heap)
            n_heap -= 1
            stage = slot_stage[slot]
            touched[stage] = True
            if slot_fate[slot] != _BACK:
                failed = slot_fate[slot] == _FAILED
                to = rerun_at[stage] if failed else stage + 1
                if to < n_stages:
                    touched[to] = True
                at, n, n_entered = slot_head[slot], 0, 0
                while at >= 0:
                    following = np.int64(after[at])
                    n += 1
                    stays, goes = True, to
                    if failed:
                        urgent[at] = 1
                    elif (
                        tries.size > 0
                        and stage == asked.reads
                        and tries[at] < asked.reruns
                        and chance(asked.key, at * (asked.reruns + 1) + tries[at]) < asked.invalid
                    ):
                        tries[at] += 1
                        urgent[at] = 1
                        goes = asked.invalid_at
                        touched[goes] = True
                        waiting[goes] += 1
                        counted[3 * goes, now] += 1
                        n_entered -= 1
                    elif stage == asked.reads and at < n_tubes:
                        tested[now] += members[at]
                        if reacts[at] == 1:
                            stays = False
                            first[at] = n_used
                            n_used += members[at] * asked.swabs
                            back_tube[n_back], back_time[n_back] = at, t + asked.delay
                            n_back += 1
                    if stays and goes == n_stages:
                        reported[at] = t
                    elif stays:
                        lane = 2 * goes + (0 if urgent[at] == 1 and lanes[goes] == 1 else 1)
                        entered[at] = t
                        after[at] = -1
                        if head[lane] < 0:
                            head[lane] = at
                        else:
                            after[tail[lane]] = at
                        tail[lane] = at
                        n_entered += 1
                    at = following
                if to < n_stages:
                    waiting[to] += n_entered
                    counted[3 * to, now] += n_entered
                counted[3 * stage + 2, now] += n
                batches[2 * stage + 1, now] += 1
                busy_minutes[stage, now] -= (now + 1) * width - t
            if slot_fate[slot] != _BACK and slot_repair[slot] > 0.0:
                slot_fate[slot] = _BACK
                push(heap_time, heap_slot, slot_batch, n_heap, t + slot_repair[slot], slot)
                n_heap += 1
            else:
                busy[stage] -= 1
                free[n_free] = slot
                n_free += 1
        while change < calendar.time.size and calendar.time[change] == t:
            what = calendar.which[change]
            if calendar.kind[change] == WORKED:
                working[what] = np.int64(calendar.value[change])
                touched[what] = True
            else:
                stock[what] += calendar.value[change]
                for stage in range(n_stages):
                    touched[stage] = touched[stage] or items[stage] == what
            change += 1
        # What comes from outside: members of reactive tubes alone, then tubes.
        while True:
            if back < n_back and back_time[back] == t:
                start, to = first[back_tube[back]], asked.retest_at
                end = start + members[back_tube[back]] * asked.swabs
                urgent[start:end] = 1
                lane = 2 * to + (0 if lanes[to] == 1 else 1)
                back += 1
            elif tube < n_tubes and arrives[tube] == t:
                start, to, lane = tube, 0, 1
                tube += 1
                while tube < n_tubes and arrives[tube] == t:
                    tube += 1
                end = tube
            else:
                break
            for at in range(start, end):
                entered[at] = t
                after[at] = at + 1
            after[end - 1] = -1
            if head[lane] < 0:
                head[lane] = start
            else:
                after[tail[lane]] = start
            tail[lane] = end - 1
            waiting[to] += end - start
            counted[3 * to, now] += end - start
            touched[to] = True
        for stage in range(n_stages):
            if not touched[stage]:
                continue
            # One batch is filled at a time, and starts when it is full or when its oldest has waited long enough.
            due[stage] = np.inf
            item = items[stage]
            while busy[stage] < working[stage] and waiting[stage] > 0:
                n = waiting[stage]
                if n >= usable[stage]:
                    n = usable[stage]
                else:
                    oldest = np.inf
                    for lane in range(2 * stage, 2 * stage + 2):
                        if head[lane] >= 0:
                            oldest = min(oldest, entered[head[lane]])
                    if t < oldest + linger[stage]:
                        due[stage] = oldest + linger[stage]
                        break
                if item >= 0:
                    left = stock[item] - a_batch[stage]
                    if left < 0.0:
                        break
                    if a_specimen[stage] > 0.0:
                        # What is left may be off by the rounding of many subtractions.
                        n = min(n, int(left / a_specimen[stage] + 1e-9))
                    if n < 1:
                        break
                    stock[item] -= a_batch[stage] + a_specimen[stage] * n
                    used[item, now] += a_batch[stage] + a_specimen[stage] * n
                number = begun[stage]
                begun[stage] += 1
                minutes = bench.minutes[stage] + bench.each[stage] * n
                if bench.spread[stage] != FIXED:
                    minutes *= noise(bench.spread[stage], bench.sigma[stage], keys[stage, 0], number)
                ends = t + minutes
                n_free -= 1
                slot = free[n_free]
                last, taken = -1, 0
                for lane in range(2 * stage, 2 * stage + 2):
                    at = head[lane]
                    while at >= 0 and taken < n:
                        if last < 0:
                            slot_head[slot] = at
                        else:
                            after[last] = at
                        if n_events < which.shape[0]:
                            which[n_events, 0], which[n_events, 1], which[n_events, 2] = at, stage, n_batches
                            when[n_events, 0], when[n_events, 1], when[n_events, 2] = entered[at], t, ends
                        n_events += 1
                        last = at
                        at = np.int64(after[at])
                        taken += 1
                    head[lane] = at
                after[last] = -1
                waiting[stage] -= n
                busy[stage] += 1
                slot_stage[slot], slot_batch[slot], slot_fate[slot] = stage, n_batches, _ENDS
                n_batches += 1
                if fails[stage] > 0.0 and chance(keys[stage, 1], number) < fails[stage]:
                    slot_fate[slot] = _FAILED
                slot_repair[slot] = 0.0
                if between[stage] < np.inf:
                    likely = 1.0 - np.exp(-minutes / between[stage])
                    if chance(keys[stage, 2], number) < likely:
                        slot_repair[slot] = -np.log(chance(keys[stage, 3], number)) * bench.repair[stage]
                push(heap_time, heap_slot, slot_batch, n_heap, ends, slot)
                n_heap += 1
                counted[3 * stage + 1, now] += n
                batches[2 * stage, now] += 1
                busy_minutes[stage, now] += (now + 1) * width - t
    return n_events

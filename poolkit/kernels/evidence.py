"""Calls to what is known of a specimen, and from there to each sample: status, action, probability."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.calling import INVALID, NEGATIVE, POSITIVE, SUSPECT

# Outcomes of a specimen, the more serious the larger.
IS_NEGATIVE, IS_UNREAD, IS_INVALID, IS_EXHAUSTED, IS_SUSPECT, IS_SECOND_SUSPECT, IS_POSITIVE = 0, 1, 2, 3, 4, 5, 6
# Codes of schemas.STATUSES, and of schemas.ACTIONS with none before them.
STATUS_NEGATIVE, STATUS_POSITIVE, STATUS_SUSPECT, STATUS_INVALID, STATUS_PENDING = 0, 1, 2, 3, 4
NO_ACTION, RECOLLECT, RETEST, RERUN = 0, 1, 2, 3
NO_REASON, POSITIVE_POOL, SUSPECT_POOL, INVALID_POOL, UNUSABLE_POOL, SUSPECT_SINGLE, INVALID_SINGLE, IDENTITY = range(8)
_NEVER = np.iinfo(np.int64).min


class Looks(NamedTuple):
    """What is known of each specimen: pools, one for all samples never tested alone, then each sample that was."""

    outcome: NDArray[np.int8]
    evidence: NDArray[np.int32]  # row of the deciding call, -1 where nothing was read
    decided: NDArray[np.int64]  # end of its run
    last: NDArray[np.int64]  # end of the last run that counts, whatever it said
    n_reactive: NDArray[np.int16]
    n_negative: NDArray[np.int16]
    n_invalid: NDArray[np.int16]
    n_suspect: NDArray[np.int16]


class Rules(NamedTuple):
    """The protocol's decisions."""

    invalid_reruns: int
    recollect_pool: bool  # a positive pool formed at collection asks for new swabs
    second_suspect_positive: bool
    exhausted_status: int


@kernel
def _seriousness(call: int) -> int:
    """Rank a call: positive over suspect over negative over invalid."""
    if call == POSITIVE:
        return 3
    if call == SUSPECT:
        return 2
    if call == NEGATIVE:
        return 1
    return 0


@kernel
def look(
    offsets: NDArray[np.int64],
    rows: NDArray[np.int32],
    calls: NDArray[np.int8],
    ended: NDArray[np.int64],
    rank: NDArray[np.int64],
    n_pools: int,
    invalid_reruns: int,
    known: Looks,
) -> None:
    """Fold the calls of each specimen, in order of time, into its outcome.

    offsets (specimens + 1,) and rows (calls,) give each specimen's call rows, which are put in order of (ended, rank)
    in place; calls, ended and rank (calls,) are read; specimens below n_pools are pools; the arrays of known
    (specimens,) are written.
    """
    for specimen in range(offsets.size - 1):
        start, stop = offsets[specimen], offsets[specimen + 1]
        known.outcome[specimen] = IS_UNREAD
        known.evidence[specimen] = -1
        known.last[specimen] = _NEVER
        if start == stop:
            continue
        for k in range(start + 1, stop):
            row = rows[k]
            j = k
            while j > start and (
                ended[rows[j - 1]] > ended[row] or (ended[rows[j - 1]] == ended[row] and rank[rows[j - 1]] > rank[row])
            ):
                rows[j] = rows[j - 1]
                j -= 1
            rows[j] = row
        outcome = IS_UNREAD
        n_invalid = 0
        n_suspect = 0
        k = start
        while k < stop:
            worst = rows[k]
            moment = ended[worst]
            k += 1
            while k < stop and ended[rows[k]] == moment:
                if _seriousness(calls[rows[k]]) > _seriousness(calls[worst]):
                    worst = rows[k]
                k += 1
            known.last[specimen] = moment
            said = calls[worst]
            if said == INVALID:
                n_invalid += 1
                if outcome == IS_UNREAD or outcome == IS_INVALID:
                    outcome = IS_INVALID
                    known.evidence[specimen] = worst
                    known.decided[specimen] = moment
                continue
            if said == NEGATIVE:
                known.n_negative[specimen] += 1
                # A later negative look at a reactive pool never clears its members.
                if specimen < n_pools and (outcome == IS_POSITIVE or outcome == IS_SUSPECT):
                    continue
                outcome = IS_NEGATIVE
            else:
                known.n_reactive[specimen] += 1
                if said == POSITIVE:
                    outcome = IS_POSITIVE
                else:
                    outcome = IS_SECOND_SUSPECT if specimen >= n_pools and n_suspect > 0 else IS_SUSPECT
                    n_suspect += 1
            known.evidence[specimen] = worst
            known.decided[specimen] = moment
        known.n_invalid[specimen] = n_invalid
        known.n_suspect[specimen] = n_suspect
        if outcome == IS_INVALID and n_invalid > invalid_reruns:
            outcome = IS_EXHAUSTED
        known.outcome[specimen] = outcome


class Memberships(NamedTuple):
    """Which specimens each sample is in: ``pools[offsets[s]:offsets[s + 1]]``, and ``alone[s]`` by itself."""

    offsets: NDArray[np.int64]
    pools: NDArray[np.int32]
    alone: NDArray[np.int32]


class Pools(NamedTuple):
    """What decides about a pool besides its looks."""

    unusable: NDArray[np.bool_]
    at_collection: NDArray[np.bool_]
    stage: NDArray[np.int8]  # of a designed pool; 0 for any other


class Standing(NamedTuple):
    """Where each sample stands by its own evidence."""

    status: NDArray[np.int8]
    action: NDArray[np.int8]
    reason: NDArray[np.int8]
    evidence: NDArray[np.int32]
    decided: NDArray[np.int64]


@kernel
def settle(
    membership: Memberships,
    known: Looks,
    pools: Pools,
    cleared: NDArray[np.bool_],
    doubtful: NDArray[np.bool_],
    rules: Rules,
    at: int,
    standing: Standing,
) -> None:
    """Decide for each sample from its own looks and those of its pools.

    membership.offsets (samples + 1,), known (specimens,), pools (pools,), cleared and doubtful (samples,) are read;
    the arrays of standing (samples,) are written.
    """
    for sample in range(doubtful.size):
        alone = membership.alone[sample]
        single = known.outcome[alone]
        worst = np.int32(-1)
        worst_outcome = IS_NEGATIVE
        against = _NEVER
        for k in range(membership.offsets[sample], membership.offsets[sample + 1]):
            pool = membership.pools[k]
            outcome = known.outcome[pool]
            if outcome == IS_NEGATIVE and pools.unusable[pool]:
                outcome = IS_EXHAUSTED
            if cleared[sample] and pools.stage[pool] > 0 and outcome >= IS_EXHAUSTED:
                continue
            if outcome != IS_NEGATIVE and known.last[pool] > against:
                against = known.last[pool]
            if (
                worst < 0
                or outcome > worst_outcome
                or (
                    outcome == worst_outcome
                    and (
                        known.decided[pool] > known.decided[worst]
                        or (known.decided[pool] == known.decided[worst] and pool < worst)
                    )
                )
            ):
                worst = pool
                worst_outcome = outcome
        status, action, reason = STATUS_PENDING, NO_ACTION, NO_REASON
        decider = alone
        if single == IS_POSITIVE:
            status = STATUS_POSITIVE
        elif single == IS_SECOND_SUSPECT:
            if rules.second_suspect_positive:
                status = STATUS_POSITIVE
            else:
                status, action, reason = STATUS_SUSPECT, RECOLLECT, SUSPECT_SINGLE
        elif single == IS_SUSPECT:
            status, action, reason = STATUS_SUSPECT, RETEST, SUSPECT_SINGLE
        elif single == IS_NEGATIVE and (worst < 0 or against < known.decided[alone]):
            status = STATUS_NEGATIVE
        elif worst < 0:
            if single == IS_INVALID:
                action, reason = RERUN, INVALID_SINGLE
            elif single == IS_EXHAUSTED:
                status, action, reason = STATUS_INVALID, RECOLLECT, INVALID_SINGLE
        else:
            decider = worst
            if worst_outcome == IS_NEGATIVE:
                status = STATUS_NEGATIVE
            elif worst_outcome == IS_INVALID:
                action, reason = RERUN, INVALID_POOL
            elif worst_outcome != IS_UNREAD:
                action = RECOLLECT if pools.at_collection[worst] and rules.recollect_pool else RETEST
                if worst_outcome == IS_EXHAUSTED:
                    status = rules.exhausted_status
                    reason = UNUSABLE_POOL if known.outcome[worst] == IS_NEGATIVE else INVALID_POOL
                else:
                    status = STATUS_SUSPECT
                    reason = POSITIVE_POOL if worst_outcome == IS_POSITIVE else SUSPECT_POOL
                if action == RETEST and single == IS_INVALID:
                    action, reason = RERUN, INVALID_SINGLE
                elif action == RETEST and single == IS_EXHAUSTED:
                    action, reason = RECOLLECT, INVALID_SINGLE
        standing.evidence[sample] = known.evidence[decider]
        standing.decided[sample] = known.decided[decider] if known.evidence[decider] >= 0 else at
        if doubtful[sample]:
            status = STATUS_SUSPECT if status == STATUS_POSITIVE or status == STATUS_SUSPECT else STATUS_INVALID
            action, reason = RECOLLECT, IDENTITY
            standing.evidence[sample] = -1
            standing.decided[sample] = at
        standing.status[sample] = status
        standing.action[sample] = action
        standing.reason[sample] = reason


class Assay(NamedTuple):
    """What a test is worth: sensitivity by pool size (index), specificity."""

    sensitivity: NDArray[np.float64]
    specificity: float


@kernel
def _weights(reactive: int, negative: int, sensitivity: float, specificity: float) -> tuple[float, float]:
    """Give the likelihood of the looks at something infected, and at something that is not."""
    if reactive == 0 and negative == 0:
        return 1.0, 1.0
    infected = sensitivity**reactive * (1.0 - sensitivity) ** negative
    clear = (1.0 - specificity) ** reactive * specificity**negative
    return infected, clear


@kernel
def posterior(
    offsets: NDArray[np.int64],
    members: NDArray[np.int32],
    membership: Memberships,
    known: Looks,
    unusable: NDArray[np.bool_],
    prior: NDArray[np.float64],
    assay: Assay,
    probability: NDArray[np.float64],
) -> None:
    """Write the probability that each sample is infected, given every look at it and at its pool.

    offsets (pools + 1,) and members (memberships,) give each pool's samples; prior and probability are
    (samples,). A sample of several pools, of an unusable one, of which nothing was read, or whose looks contradict a
    perfect assay is left as it is.
    """
    n_pools = unusable.size
    for sample in range(prior.size):
        alone = membership.alone[sample]
        in_no_pool = membership.offsets[sample] == membership.offsets[sample + 1]
        if in_no_pool and known.n_reactive[alone] + known.n_negative[alone] > 0:
            infected, clear = _weights(
                known.n_reactive[alone], known.n_negative[alone], assay.sensitivity[1], assay.specificity
            )
            yes = prior[sample] * infected
            no = (1.0 - prior[sample]) * clear
            if yes + no > 0.0:
                probability[sample] = yes / (yes + no)
    largest = np.int64(1)
    for pool in range(n_pools):
        largest = max(largest, offsets[pool + 1] - offsets[pool])
    weight_yes = np.empty(largest)
    weight_no = np.empty(largest)
    # Among the members after the k-th: the weight of none infected, and of at least one.
    none_after = np.empty(largest + 1)
    some_after = np.empty(largest + 1)
    for pool in range(n_pools):
        start = offsets[pool]
        n = offsets[pool + 1] - start
        if unusable[pool] or n == 0:
            continue
        pool_read = known.n_reactive[pool] + known.n_negative[pool] > 0
        any_alone = False
        alike = True
        for k in range(n):
            sample = members[start + k]
            reactive, negative = known.n_reactive[membership.alone[sample]], known.n_negative[membership.alone[sample]]
            any_alone = any_alone or reactive + negative > 0
            alike = alike and prior[sample] == prior[members[start]]
            yes, no = _weights(reactive, negative, assay.sensitivity[1], assay.specificity)
            weight_yes[k] = yes * prior[sample]
            weight_no[k] = no * (1.0 - prior[sample])
        if not (pool_read or any_alone):
            continue
        alike = alike and not any_alone
        sensitivity = assay.sensitivity[min(n, assay.sensitivity.size - 1)]
        infected, clear = _weights(known.n_reactive[pool], known.n_negative[pool], sensitivity, assay.specificity)
        none_after[n] = 1.0
        some_after[n] = 0.0
        for k in range(n - 1, -1, -1):
            some_after[k] = some_after[k + 1] * (weight_yes[k] + weight_no[k]) + none_after[k + 1] * weight_yes[k]
            none_after[k] = none_after[k + 1] * weight_no[k]
        none_before, some_before, common = 1.0, 0.0, -1.0
        for k in range(n):
            sample = members[start + k]
            alone = membership.alone[sample]
            if membership.offsets[sample + 1] - membership.offsets[sample] == 1 and (
                pool_read or known.n_reactive[alone] + known.n_negative[alone] > 0
            ):
                if common < 0.0 or not alike:
                    # Where all members are alike, everybody's others are those after the first.
                    after = 1 if alike else k + 1
                    none = none_before * none_after[after]
                    some = some_before * (some_after[after] + none_after[after]) + none_before * some_after[after]
                    yes = weight_yes[k] * (some + none) * infected
                    no = weight_no[k] * (some * infected + none * clear)
                    common = yes / (yes + no) if yes + no > 0.0 else -1.0
                if common >= 0.0:
                    probability[sample] = common
            if not alike:
                some_before = some_before * (weight_yes[k] + weight_no[k]) + none_before * weight_yes[k]
                none_before *= weight_no[k]


@kernel
def newest_of(
    offsets: NDArray[np.int64], members: NDArray[np.int32], collected: NDArray[np.int64], newest: NDArray[np.int64]
) -> None:
    """Write for each pool when the last of its members was collected.

    offsets (pools + 1,), members (memberships,) and collected (samples,) are read; newest (pools,) is written.
    """
    for pool in range(newest.size):
        newest[pool] = _NEVER
        for k in range(offsets[pool], offsets[pool + 1]):
            newest[pool] = max(newest[pool], collected[members[k]])

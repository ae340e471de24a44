"""Whether pooling is still sound: rolling positivity in pools against what it was, or was of individual tests."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.quality.answers import OK, RATES, REASSESS, STOP, TOO_FEW, Counts, rate_rows
from poolkit.quality.looks import NEVER, Looks
from poolkit.quality.rules import MonitorRules
from poolkit.schemas import STATUSES

Days = NDArray[np.int64]
Flags = NDArray[np.bool_]
_POSITIVE, _NEGATIVE = STATUSES.index("positive"), STATUSES.index("negative")


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of a store, and the window that ends on each.

    Attributes
    ----------
    of_run : numpy.ndarray of int64
        (runs,) the day on which each run ended, days since 1970.
    first, last : int
        The first and the last of them.
    width : int
        Days of a window.
    """

    of_run: Days
    first: int
    last: int
    width: int

    @property
    def days(self) -> Days:
        """Every day from the first to the last."""
        return np.arange(self.first, self.last + 1)

    @property
    def starts(self) -> Days:
        """The first day of the window that ends on each day."""
        return np.maximum(self.days - self.width + 1, self.first)

    def daily(self, day: Days) -> Days:
        """Return how many of some things fall on each day."""
        return np.bincount(day - self.first, minlength=self.last - self.first + 1)

    def rolled(self, daily: Days) -> Days:
        """Return the sum over each day's window."""
        total = np.concatenate((np.zeros(1, np.int64), np.cumsum(daily)))
        return total[1:] - total[self.starts - self.first]


def positivity(read: Looks, ended: Days, calendar: Calendar, rules: MonitorRules) -> pa.Table:
    """Return the rolling rates of pools and samples, and what the FDA's rules say of them.

    Parameters
    ----------
    read
        Who was read when.
    ended
        (runs,) ends of the runs, the times in `read`.
    calendar
        Their days.
    rules
        Windows and limits.

    Returns
    -------
    pyarrow.Table
        Rows of ``rates``.
    """
    order = np.argsort(ended, kind="stable")

    def on(at: Days) -> Days:
        """Return the day of some ends of runs; runs that end at one time end on one day."""
        return calendar.of_run[order[np.searchsorted(ended[order], at)]]

    reactive = read.pools.positive | read.pools.suspect
    pooled = read.pools.at != NEVER
    waiting = reactive & (read.n_positive == 0) & (read.n_unsettled > 0)
    settled = reactive & ((read.n_positive > 0) | (read.n_unsettled == 0))
    first = np.minimum(read.pool_at, read.alone_at)
    in_pools = (read.pool_at != NEVER) & (read.pool_at <= read.alone_at) & ~read.again
    alone = (read.alone_at < read.pool_at) & ~read.again
    later = (first != NEVER) & (read.again | ((read.pool_at < read.alone_at) & (read.alone_at != NEVER)))
    positive, is_open = read.status == _POSITIVE, ~np.isin(read.status, (_POSITIVE, _NEGATIVE))

    def daily(at: Days, which: Flags) -> Days:
        return calendar.daily(on(at[which]))

    of_pools = Counts(
        daily(read.pools.at, pooled),
        daily(read.pools.at, pooled & read.pools.positive),
        daily(read.pools.at, pooled & read.pools.suspect),
    )
    pairs = Counts(
        daily(read.pool_at, in_pools),
        daily(read.pool_at, in_pools & positive),
        daily(read.pools.at, pooled & waiting),
    )
    singles = _samples(daily, read.alone_at, alone, positive, is_open)
    seconds = np.where(read.again, first, read.alone_at)
    retests = _samples(daily, seconds, later, positive, is_open)
    discordant = Counts(
        daily(read.pools.at, pooled & settled),
        daily(read.pools.at, pooled & settled & (read.n_positive == 0)),
        daily(read.pools.at, pooled & waiting),
    )
    limits = {"in_pools": (rules.stop_above, STOP), "discordant": (rules.discordant_limit, REASSESS)}
    every = {"pools": of_pools, "in_pools": pairs, "alone": singles, "retests": retests, "discordant": discordant}
    parts = []
    for what, counts in every.items():
        limit, beyond = limits.get(what, (None, None))
        rolled = Counts(*(calendar.rolled(each) for each in (counts.n, counts.k, counts.n_open)))
        rows = rate_rows(
            what,
            "window",
            rolled,
            days=(calendar.starts, calendar.days),
            confidence=rules.confidence,
            limit=limit,
            beyond=beyond,
            current=calendar.days == calendar.last,
        )
        parts.append(rows.filter(pc.greater(rows["n"], 0)))
    parts += _drop(pairs, singles, calendar, rules)
    return pa.concat_tables(parts) if parts else RATES.empty()


def _samples(daily: Callable[[Days, Flags], Days], at: Days, which: Flags, positive: Flags, is_open: Flags) -> Counts:
    return Counts(daily(at, which), daily(at, which & positive), daily(at, which & is_open))


def _drop(pairs: Counts, singles: Counts, calendar: Calendar, rules: MonitorRules) -> list[pa.Table]:
    """Return the reference, and each later window held to it."""
    if not pairs.n.any():
        return []
    began = int(np.flatnonzero(pairs.n)[0])
    by, first, last, n, k = _reference(pairs, singles, began, calendar, rules)
    share = rules.drop_from_initial if by == "initial" else rules.drop_from_individual
    one = Counts(np.array([n]), np.array([k]), np.zeros(1, np.int64))
    days = (np.array([calendar.first + first]), np.array([calendar.first + last]))
    reference = rate_rows("reference", by, one, days=days, confidence=rules.confidence)
    enough = k >= rules.least_positives
    reference = _replaced(reference, verdict=[OK if enough else TOO_FEW])
    if by == "given":
        reference = _replaced(reference, first_day=[None], last_day=[None])
    # The initial window is not held against itself.
    judged = calendar.days - calendar.first >= (last + 1 if by == "initial" else began)
    if not judged.any() or not n:
        return [reference]
    rolled = Counts(*(calendar.rolled(each)[judged] for each in (pairs.n, pairs.k, pairs.n_open)))
    limit = share * k / n
    rows = rate_rows(
        "drop",
        by,
        rolled,
        days=(calendar.starts[judged], calendar.days[judged]),
        confidence=rules.confidence,
        current=calendar.days[judged] == calendar.last,
    )
    # A reactive pool that waits for its retests holds at least one positive; leaving it out would look like a drop.
    likely = rolled.k + rolled.n_open
    least = np.maximum(rolled.n, 1)
    # A share that is the limit itself is not below it, whatever the last bit of the division says.
    below = likely / least < limit * (1.0 - 1e-12)
    few = (likely < rules.least_positives) & (rolled.n * (k / n) < rules.least_positives)
    high = rate_rows(
        "drop", by, Counts(rolled.n, likely, rolled.n_open), days=(rolled.n, rolled.n), confidence=rules.confidence
    )["high"].to_numpy()
    words = np.where(few | (not enough), TOO_FEW, np.where(below, REASSESS, OK))
    sure = (words == REASSESS) & (high < limit)
    rows = _replaced(rows, limit=np.full(rolled.n.size, limit), verdict=words, sure=sure)
    return [reference, rows.filter(pc.greater(rows["n"], 0))]


def _reference(
    pairs: Counts, singles: Counts, began: int, calendar: Calendar, rules: MonitorRules
) -> tuple[str, int, int, int, int]:
    """Return what positivity is held to: whose, from which to which place in the calendar, all and positive."""
    if rules.individual is not None:
        return "given", 0, 0, rules.individual[1], rules.individual[0]
    if singles.n[:began].any():
        # Of the tests before the first pool the last window's, and as many days more as the positives take.
        k_back = np.cumsum(singles.k[:began][::-1])
        n_days = max(calendar.width, int(np.searchsorted(k_back, rules.least_positives)) + 1)
        first = max(began - n_days, 0)
        k = int(singles.k[first:began].sum())
        if k >= rules.least_positives:
            return "individual", first, began - 1, int(singles.n[first:began].sum()), k
    last = min(began + calendar.width, pairs.n.size) - 1
    return "initial", began, last, int(pairs.n[began : last + 1].sum()), int(pairs.k[began : last + 1].sum())


def _replaced(rows: pa.Table, **columns: object) -> pa.Table:
    for name, values in columns.items():
        field = rows.schema.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))
    return rows

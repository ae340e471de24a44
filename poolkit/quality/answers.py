"""The tables in which monitoring answers, and the rates in them with their intervals and verdicts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import betaincinv

from poolkit.schemas import RUNS, column, table
from poolkit.schemas.tables import TEXT

OK, TOO_FEW, WATCH, REASSESS, STOP, OUT = "ok", "too few", "watch", "reassess", "stop pooling", "out of control"
# From what lets work go on to what ends it.
VERDICTS = (OK, TOO_FEW, WATCH, REASSESS, STOP, OUT)
GROUPS = ("instrument_id", "extraction_lot", "amplification_lot")

RATES = table(
    "rates",
    "What was counted in a window, and how it stands to its limit.",
    column(
        "what",
        TEXT,
        "What was counted.",
        vocabulary=(
            "pools",
            "in_pools",
            "drop",
            "alone",
            "reference",
            "retests",
            "discordant",
            "invalid",
            "failed_runs",
            "controls",
        ),
    ),
    column("by", TEXT, "What the group is.", vocabulary=("window", "individual", "initial", "given", "day", *GROUPS)),
    column("group", TEXT, "The instrument or lot; null for the whole laboratory.", null=True),
    column("control", TEXT, "The control, for control charts.", null=True),
    column("target", TEXT, "Its target.", null=True),
    column("first_day", pa.date32(), "First day of the window; null for a given reference.", null=True),
    column("last_day", pa.date32(), "Its last day.", null=True),
    column("n", pa.int64(), "All that were counted."),
    column("k", pa.int64(), "Those of them that are what is counted, e.g. positive."),
    column("n_open", pa.int64(), "Those that are not settled: suspect pools, reactive pools that wait for retests."),
    column("estimate", pa.float64(), "Their share; null where nothing was counted.", null=True),
    column("low", pa.float64(), "Lower end of the exact interval.", null=True),
    column("high", pa.float64(), "Upper end.", null=True),
    column("limit", pa.float64(), "What the share is held to; null where no rule gives one.", null=True),
    column("verdict", TEXT, "What follows; null where no rule gives a limit.", null=True, vocabulary=VERDICTS),
    column("sure", pa.bool_(), "Whether the whole interval lies beyond the limit."),
    column("current", pa.bool_(), "Whether the window is the last one."),
)

CHARTS = table(
    "charts",
    "The control charts: mean and standard deviation of one target of one control on an instrument or lot.",
    column("chart", pa.int32(), "Number of the chart, from 0."),
    column("by", TEXT, "What the group is.", vocabulary=GROUPS),
    column("group", TEXT, "The instrument or lot."),
    column("control", TEXT, "The control."),
    column("target", TEXT, "The target."),
    column("n_baseline", pa.int64(), "Readings that mean and standard deviation were taken from."),
    column(
        "baseline",
        TEXT,
        "Whose they are: the chart's own first, those before a lot's first, given; null where there are too few.",
        null=True,
        vocabulary=("own", "before", "given"),
    ),
    column("mean_cycles", pa.float64(), "Their mean.", unit="cycle", null=True),
    column("sd_cycles", pa.float64(), "Their standard deviation, n - 1 in the denominator.", unit="cycle", null=True),
    key=("chart",),
)

POINTS = table(
    "points",
    "The readings of control wells in order of chart and time.",
    column("chart", pa.int32(), "The chart."),
    column("run_id", TEXT, "The run."),
    column("well", TEXT, "The well."),
    column("at", RUNS["ended_at"].type, "End of the run."),
    column("ct_cycles", pa.float64(), "Threshold cycle; null when no curve crossed.", unit="cycle", null=True),
    column("z", pa.float64(), "Standard deviations from the mean; null without a Ct or a baseline.", null=True),
    column("baseline", pa.bool_(), "Whether the baseline rests on it, so that no rule is applied."),
    column("rules", pa.list_(TEXT), "The rules that it breaks."),
    column("rejected", pa.bool_(), "Whether one of them rejects."),
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers counted side by side: all, those that are it, those that are open.

    Attributes
    ----------
    n, k, n_open : numpy.ndarray of int64
        (rows,) each.
    """

    n: NDArray[np.int64]
    k: NDArray[np.int64]
    n_open: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """What monitoring found.

    Attributes
    ----------
    rates : pyarrow.Table
        One row for each thing counted in each window or group.
    charts : pyarrow.Table
        One row a control chart.
    points : pyarrow.Table
        One row a reading on a chart.
    """

    rates: pa.Table
    charts: pa.Table
    points: pa.Table

    @property
    def verdicts(self) -> pa.Table:
        """The rates of the last window that a rule was applied to, the worst first."""
        rows = [row for row in self.rates.to_pylist() if row["current"] and row["verdict"] is not None]
        rows.sort(key=lambda row: (-VERDICTS.index(row["verdict"]), not row["sure"], -(row["low"] or 0.0)))
        return pa.Table.from_pylist(rows, schema=RATES.schema)

    @property
    def verdict(self) -> str | None:
        """The worst verdict of the last window; null when there is none."""
        worst = self.verdicts["verdict"]
        return worst[0].as_py() if len(worst) else None


def interval(k: NDArray[np.int64], n: NDArray[np.int64], confidence: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the exact interval of a share, where n is not 0.

    References
    ----------
    Clopper, Pearson 1934, The use of confidence or fiducial limits illustrated in the case of the binomial,
    Biometrika 26:404-413.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = interval(np.array([3]), np.array([100]), 0.95)
    >>> round(float(low[0]), 5), round(float(high[0]), 5)
    (0.00623, 0.08518)
    """
    tail = (1.0 - confidence) / 2.0
    low, high = np.zeros(n.size), np.ones(n.size)
    some, few = k > 0, k < n
    low[some] = betaincinv(k[some], n[some] - k[some] + 1, tail)
    high[few] = betaincinv(k[few] + 1, n[few] - k[few], 1.0 - tail)
    return low, high


def rate_rows(
    what: str,
    by: str,
    counts: Counts,
    *,
    days: tuple[NDArray[np.int64], NDArray[np.int64]],
    confidence: float,
    group: pa.Array | None = None,
    control: pa.Array | None = None,
    target: pa.Array | None = None,
    limit: float | None = None,
    beyond: str | None = None,
    current: NDArray[np.bool_] | None = None,
) -> pa.Table:
    """Return counts as rows of ``rates``.

    A share above its limit is `beyond`; where `beyond` is "out of control" that takes the whole interval, and less is
    "watch".
    """
    size = counts.n.size
    counted = counts.n > 0
    low, high = interval(counts.k, np.maximum(counts.n, 1), confidence)
    estimate = counts.k / np.maximum(counts.n, 1)
    sure = np.zeros(size, np.bool_)
    verdict = pa.nulls(size, TEXT)
    if limit is not None and beyond is not None:
        above = counted & (estimate > limit)
        sure = counted & (low > limit)
        words = np.array([OK, WATCH if beyond == OUT else beyond, beyond])
        verdict = pa.array(words[above.astype(np.int8) + sure], TEXT)
    columns = {
        "what": pa.repeat(what, size),
        "by": pa.repeat(by, size),
        "group": group,
        "control": control,
        "target": target,
        "first_day": _dates(days[0]),
        "last_day": _dates(days[1]),
        "n": counts.n,
        "k": counts.k,
        "n_open": counts.n_open,
        "estimate": pa.array(estimate, mask=~counted),
        "low": pa.array(low, mask=~counted),
        "high": pa.array(high, mask=~counted),
        "limit": pa.nulls(size, pa.float64()) if limit is None else pa.repeat(limit, size),
        "verdict": verdict,
        "sure": sure,
        "current": np.ones(size, np.bool_) if current is None else current,
    }
    return pa.table(
        {name: pa.nulls(size, TEXT) if values is None else values for name, values in columns.items()},
        schema=RATES.schema,
    )


def _dates(days: NDArray[np.int64]) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32())

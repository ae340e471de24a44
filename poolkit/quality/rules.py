"""What a laboratory is held to: windows, limits and which rules reject."""

from dataclasses import dataclass

from poolkit.errors import Problem, ProtocolError

# Names of what a point of a control chart can break; the last one names how many points lie on one side.
NO_CT = "no_ct"
_FIXED = (NO_CT, "1-2s", "1-3s", "2-2s", "R-4s", "4-1s")
_SAME_SIDE = (8, 10, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRules:
    """Windows and limits of `Lab.monitor`; the defaults are those of the documents under References.

    Parameters
    ----------
    window_days
        Length of the rolling window, 7 to 10 days [1]_.
    least_positives
        Fewer positives than this make no reference, and decide nothing where no more could be expected [1]_.
    drop_from_individual
        Reassess when the positivity in pools is below this share of the positivity of individual tests [1]_.
    drop_from_initial
        Without individual tests before: reassess below this share of the first window's positivity in pools [1]_.
    stop_above
        Stop pooling when the positivity in pools is above this [1]_.
    individual
        Positive and all individual tests of a reference that the laboratory gives itself, as after a reassessment;
        by default what was tested alone before the first pool.
    invalid_limit
        Reassess nothing but look at whoever has a larger share of invalid calls, plates that failed left out [2]_.
    failed_run_limit
        The same for runs whose plate failed its controls; assumed, no document gives one.
    discordant_limit
        Largest share of reactive pools without a positive member; no document gives one, so by default none is judged.
    baseline_points
        Readings of a control that mean and standard deviation are taken from: at least 20 [3]_.
    same_side
        Points on one side of the mean that reject: 10 [4]_, or 8 or 12 as in later variants.
    rejecting
        Which rules reject; all by default but 1-2s, which only warns [4]_.
    rejection_limit
        Share of readings that the rules may reject on a control chart before it is out of control. Computed: charts of
        independent normal readings lose 2 in 100 on average where mean and standard deviation come from 20 readings,
        but 1 chart in 10 loses more than 5 in 100, and 1 in 300 more than 20; with 50 readings none of 600 lost 6.
    confidence
        Of the intervals.

    Raises
    ------
    ProtocolError
        When a value is out of its range.

    References
    ----------
    .. [1] FDA, Template for Developers of Molecular Diagnostic Tests, 6 October 2021, Appendix B.
    .. [2] FDA, amendment letter on pooling with serial screening, 20 April 2021: invalid at most 5 %.
    .. [3] CLSI C24, Statistical Quality Control for Quantitative Measurement Procedures: at least 20 results; not
       verified.
    .. [4] Westgard, Barry, Hunt, Groth 1981, A multi-rule Shewhart chart for quality control in clinical chemistry,
       Clinical Chemistry 27(3):493-501.

    Examples
    --------
    >>> MonitorRules(window_days=7).stop_above
    0.25
    """

    window_days: int = 10
    least_positives: int = 10
    drop_from_individual: float = 0.85
    drop_from_initial: float = 0.90
    stop_above: float = 0.25
    individual: tuple[int, int] | None = None
    invalid_limit: float = 0.05
    failed_run_limit: float = 0.05
    discordant_limit: float | None = None
    baseline_points: int = 20
    same_side: int = 10
    rejecting: tuple[str, ...] = (NO_CT, "1-3s", "2-2s", "R-4s", "4-1s", "same_side")
    rejection_limit: float = 0.20
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what is out of range, all of it at once."""
        problems = [
            Problem(name, f"must be at least {least}, found {getattr(self, name)}")
            for name, least in (("window_days", 1), ("least_positives", 1), ("baseline_points", 2))
            if getattr(self, name) < least
        ]
        shares = ("drop_from_individual", "drop_from_initial", "stop_above", "invalid_limit", "failed_run_limit")
        for name in (*shares, "rejection_limit", "confidence", "discordant_limit"):
            share = getattr(self, name)
            if share is not None and not 0.0 < share < 1.0:
                problems.append(Problem(name, f"must be between 0 and 1, found {share}"))
        if self.same_side not in _SAME_SIDE:
            problems.append(Problem("same_side", f"must be one of 8, 10, 12, found {self.same_side}"))
        unknown = sorted(set(self.rejecting) - {*_FIXED, "same_side"})
        if unknown:
            problems.append(Problem("rejecting", f"expected names of rules, found {', '.join(unknown)}"))
        if self.individual is not None and not 0 <= self.individual[0] <= self.individual[1]:
            problems.append(Problem("individual", f"must be positive and all tests, found {self.individual}"))
        if problems:
            raise ProtocolError("not rules to monitor by", problems)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rules in the order of their bits, e.g. ``10x`` for ten points on one side of the mean."""
        return (*_FIXED, f"{self.same_side}x")

    @property
    def reject_bits(self) -> int:
        """The bits of the rules that reject."""
        return sum(1 << place for place, name in enumerate((*_FIXED, "same_side")) if name in self.rejecting)


def reestablished(n_positive: int, n_tested: int) -> float:
    """Return the positivity of individual tests after a reassessment that ended with its last positive.

    Parameters
    ----------
    n_positive
        Consecutive positives that were waited for, 10 or 20.
    n_tested
        All individual tests up to the last of them.

    Returns
    -------
    float
        ``n/N * n/(n + 1)``: stopping at a positive makes the plain share too large.

    Raises
    ------
    ProtocolError
        When there are no positives or more of them than tests.

    References
    ----------
    FDA, Template for Developers of Molecular Diagnostic Tests, 6 October 2021, Appendix B, part C.

    Examples
    --------
    >>> round(reestablished(10, 500), 5)
    0.01818
    """
    if not 0 < n_positive <= n_tested:
        problem = Problem("n_positive", f"must be from 1 to {n_tested}, found {n_positive}")
        raise ProtocolError("no reassessment", [problem])
    return n_positive / n_tested * n_positive / (n_positive + 1)

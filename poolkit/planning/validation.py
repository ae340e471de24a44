"""What a pooling has to show before it is used: the rules, and how likely it passes them."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special

from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.protocols.model import Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RULES = Path(__file__).parent / "rules"
_COUNTS = ("positive_pools", "negative_pools", "sites", "site_positives", "detection_pools", "window_days")


@dataclass(frozen=True, slots=True)
class ValidationRules:
    """What an authority asks of pooling, each value with the document that it comes from.

    Attributes
    ----------
    name, version, description : str
        What the rules are called.
    single_agreement : float
        Least agreement of the test of single samples for which pools are allowed.
    positive_pools, negative_pools : int
        Pools with one positive sample, and of negative samples only, that a study has at least.
    weak_share, weak_cycles : float
        Share of the positives that has to be weak: within so many cycles of the mean Ct at the limit of detection.
    preliminary_agreement, agreement : float
        Least positive agreement of pools in the first study, and at each site afterwards.
    sites, site_positives : int
        Sites, and consecutive positives of each.
    detection_pools, detection_agreement : int and float
        Pools at the limit of detection, and the share of them that has to react.
    shift_cycles : float
        Largest mean shift of Ct by pooling.
    invalid_share : float
        Largest share of invalid pools.
    pool_to_single, pool_to_initial : float
        Positivity of pooled testing, by that of single tests before or by its own at first, below which it is
        re-assessed.
    stop_positivity : float
        Positivity above which pooling stops.
    window_days, window_positives : int
        Days that positivity is taken over, and positives that it needs.
    reassess_positives : int
        Consecutive positives tested alone and in pools when the pool size is re-assessed, and once more where asked.
    reassess_keep, reassess_more, reassess_keep_both : float
        Agreement that keeps the pool size, that asks for as many more, and that both together need.
    sources : mapping of str to Source
        Of every value: the document, and whether its passage was read.

    Examples
    --------
    >>> rules = ValidationRules.named("us-fda-2021")
    >>> rules.agreement, rules.shift_cycles, rules.positive_pools, rules.negative_pools
    (0.85, 1.7, 20, 20)
    >>> rules.sources["shift_cycles"].verified
    True
    """

    name: str
    version: str
    description: str
    single_agreement: float
    positive_pools: int
    negative_pools: int
    weak_share: float
    weak_cycles: float
    preliminary_agreement: float
    agreement: float
    sites: int
    site_positives: int
    detection_pools: int
    detection_agreement: float
    shift_cycles: float
    invalid_share: float
    pool_to_single: float
    pool_to_initial: float
    stop_positivity: float
    window_days: int
    window_positives: int
    reassess_positives: int
    reassess_keep: float
    reassess_more: float
    reassess_keep_both: float
    sources: Mapping[str, Source] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse values that are no shares, no counts, or contradict each other."""
        problems = []
        for each in fields(self)[3:-1]:
            value = getattr(self, each.name)
            if each.name.endswith("_cycles"):
                if not value > 0.0:
                    problems.append(Problem(each.name, f"must be above 0, found {value:g}"))
            elif each.type is int or each.name in {*_COUNTS, "window_positives", "reassess_positives"}:
                if not (isinstance(value, int) and value >= 1):
                    problems.append(Problem(each.name, f"must be a whole number from 1, found {value}"))
            elif not 0.0 <= value <= 1.0:
                problems.append(Problem(each.name, f"must be from 0 to 1, found {value:g}"))
        if not problems and self.reassess_more > self.reassess_keep:
            problems.append(Problem("reassess_more", "must not be above reassess_keep"))
        if problems:
            raise DesignError("these rules cannot be kept", problems)

    @staticmethod
    def named(name: str = "us-fda-2021") -> "ValidationRules":
        """Return the rules of that name that come with poolkit."""
        return _named(name)


@cache
def _named(name: str) -> ValidationRules:
    known = sorted(each.stem for each in _RULES.glob("*.toml"))
    if name not in known:
        raise DesignError("no such rules", [Problem("name", f"must be one of {', '.join(known)}, found {name}")])
    read: dict[str, Any] = tomllib.loads((_RULES / f"{name}.toml").read_text(encoding="utf-8"))
    values = {key: each["value"] if isinstance(each, dict) else each for key, each in read.items()}
    sources = {
        key: Source(text=each["source"], verified=each["verified"])
        for key, each in read.items()
        if isinstance(each, dict)
    }
    return ValidationRules(**values, sources=sources)


def least(agreement: float, of: int) -> int:
    """Return how many of so many reach an agreement.

    Examples
    --------
    >>> least(0.85, 15), least(0.85, 20), least(0.95, 20)
    (13, 17, 19)
    """
    return int(np.ceil(agreement * of - 1e-9))


def validation_odds(sensitivity: float | Sequence[float], *, rules: ValidationRules | None = None) -> pd.DataFrame:
    """Say how likely a pooling of a given sensitivity passes the studies that validate it.

    Parameters
    ----------
    sensitivity
        Probability that a pool with one positive sample reacts, over the positives that a study meets; one or several.
    rules
        What is asked; FDA's of 2021 where not given.

    Returns
    -------
    pandas.DataFrame
        ``sensitivity``, and the probabilities to pass: ``preliminary`` (first study), ``sites`` (all sites, or all but
        one and that with as many positives more), ``both`` of these, ``agreement`` (as many pools as in the first
        study, at the agreement of a site) and ``detection`` (pools at the limit of detection, of this sensitivity).

    Raises
    ------
    DesignError
        When a sensitivity is out of range.

    Notes
    -----
    Binomial tails: 16 of 20, 13 of 15 at each of three sites or 26 of 30 at the third, 17 of 20, 19 of 20. A pooling of
    just the sensitivity that is asked for passes less often than one would think.

    References
    ----------
    FDA, Template for Developers of Molecular Diagnostic Tests, 6 Oct 2021; see `ValidationRules.sources`.

    Examples
    --------
    >>> validation_odds([0.85, 0.95]).round(3).values.tolist()
    [[0.85, 0.83, 0.308, 0.255, 0.648, 0.176], [0.95, 0.997, 0.973, 0.97, 0.984, 0.736]]
    """
    rules = rules or ValidationRules.named()
    values = [float(value) for value in np.atleast_1d(np.asarray(sensitivity, np.float64))]
    if not all(0.0 <= value <= 1.0 for value in values):
        raise DesignError("no odds", [Problem("sensitivity", "must be from 0 to 1")])
    rows = []
    for value in values:
        preliminary = _at_least(least(rules.preliminary_agreement, rules.positive_pools), rules.positive_pools, value)
        site = _at_least(least(rules.agreement, rules.site_positives), rules.site_positives, value)
        second = _second_chance(rules, value)
        sites = site**rules.sites + rules.sites * site ** (rules.sites - 1) * second
        agreement = _at_least(least(rules.agreement, rules.positive_pools), rules.positive_pools, value)
        detection = _at_least(least(rules.detection_agreement, rules.detection_pools), rules.detection_pools, value)
        rows.append((value, preliminary, sites, preliminary * sites, agreement, detection))
    return pd.DataFrame(rows, columns=["sensitivity", "preliminary", "sites", "both", "agreement", "detection"])


def _at_least(k: int, n: int, p: float) -> float:
    return 1.0 if k <= 0 else float(special.betainc(k, n - k + 1, p))


def _second_chance(rules: ValidationRules, p: float) -> float:
    """Return how likely a site fails at first and passes with as many positives more."""
    n = rules.site_positives
    need, both = least(rules.agreement, n), least(rules.agreement, 2 * n)
    k = np.arange(need)
    log = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    first = np.exp(log + special.xlogy(k, p) + special.xlog1py(n - k, -p))
    return sum(
        float(chance) * _at_least(both - int(found), n, p)
        for found, chance in zip(k, first, strict=True)
        if both - found <= n
    )


def plot_validation_odds(frame: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how likely a pooling passes its validation, by its true sensitivity.

    Parameters
    ----------
    frame
        What `validation_odds` returned for several sensitivities.
    ax
        Axes to draw on; of a new figure where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Probability to pass each study, in per cent.

    Examples
    --------
    >>> plot_validation_odds(validation_odds([0.7, 0.8, 0.9, 1.0])).get_ylabel()
    'probability to pass (%)'
    """
    ax = axes_for(ax)
    rows = frame.sort_values("sensitivity")
    for name, label, colour, dash in (
        ("preliminary", "first study", BLUE, "-"),
        ("sites", "three sites", ORANGE, "-"),
        ("both", "first study and sites", VERMILLION, "--"),
        ("agreement", "agreement option", GREEN, ":"),
        ("detection", "limit of detection option", GREY, "-."),
    ):
        ax.plot(
            100.0 * rows["sensitivity"], 100.0 * rows[name], color=colour, linestyle=dash, linewidth=1.6, label=label
        )
    ax.set_ylim(0.0, 102.0)
    ax.set_xlabel("true sensitivity of a pool with one positive sample (%)")
    ax.set_ylabel("probability to pass (%)")
    ax.legend(loc="upper left", frameon=False, fontsize=8)
    ax.grid(alpha=0.3)
    return ax


def expected_agreement(
    ct_cycles: Sequence[float], *, shift_cycles: float, lod_ct: float, cutoff_ct: float, detected: float
) -> pd.DataFrame:
    """Predict the positive agreement of pools from the Ct of positive samples and the shift by pooling.

    Parameters
    ----------
    ct_cycles
        Ct of positive samples tested alone.
    shift_cycles
        By which a pool comes later.
    lod_ct, cutoff_ct
        Mean Ct at the limit of detection, and the last Ct that is positive.
    detected
        Share of replicates that react at the limit of detection divided by the pool size, from 0 to 1.

    Returns
    -------
    pandas.DataFrame
        One row a zone of Ct, latest first: ``zone``, ``samples``, ``agreement`` (of them); last ``all``, with the mean.

    Raises
    ------
    DesignError
        When no Ct is given, one is after the cutoff, or a number is out of range.

    Notes
    -----
    Samples that the shift takes past the cutoff: 0; later than the limit of detection: ``detected / 2``; within the
    shift before it: ``(0.95 + detected) / 2``; earlier: 1. A sample on a border counts to the later zone.

    References
    ----------
    FDA, Template for Developers of Molecular Diagnostic Tests, 6 Oct 2021: evaluation in silico.

    Examples
    --------
    >>> found = expected_agreement([22, 28, 33.5, 35.5, 37.5], shift_cycles=2.3, lod_ct=35, cutoff_ct=38, detected=0.4)
    >>> found["agreement"].round(3).tolist()
    [0.0, 0.2, 0.675, 1.0, 0.575]
    """
    given = np.asarray(ct_cycles, np.float64)
    problems = []
    if given.size == 0 or np.isnan(given).any():
        problems.append(Problem("ct_cycles", "must hold at least one Ct, and none that is missing"))
    elif (given > cutoff_ct).any():
        rows = tuple(np.flatnonzero(given > cutoff_ct).tolist())
        problems.append(Problem("ct_cycles", f"must not be after the cutoff of {cutoff_ct:g}", rows))
    if not shift_cycles >= 0.0:
        problems.append(Problem("shift_cycles", f"must not be below 0, found {shift_cycles:g}"))
    if not lod_ct <= cutoff_ct:
        problems.append(Problem("lod_ct", f"must not be after the cutoff, found {lod_ct:g}"))
    if not 0.0 <= detected <= 1.0:
        problems.append(Problem("detected", f"must be from 0 to 1, found {detected:g}"))
    if problems:
        raise DesignError("no agreement can be expected", problems)
    borders = (cutoff_ct - shift_cycles, lod_ct, lod_ct - shift_cycles, -np.inf)
    shares = (0.0, detected / 2.0, (0.95 + detected) / 2.0, 1.0)
    zones = ("past the cutoff", "after the limit of detection", "shifted past the limit of detection", "well before it")
    rest = np.ones(given.size, np.bool_)
    found, rows_of = 0.0, []
    for zone, border, share in zip(zones, borders, shares, strict=True):
        inside = rest & (given >= border)
        rest &= ~inside
        found += share * int(inside.sum())
        rows_of.append((zone, int(inside.sum()), share))
    rows_of.append(("all", given.size, found / given.size))
    return pd.DataFrame(rows_of, columns=["zone", "samples", "agreement"])

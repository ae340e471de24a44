"""The rules that the values of a protocol must not break together."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from poolkit.errors import Problem
from poolkit.schemas.tables import ACTIONS, CONTENTS, CT_MAX_CYCLES

if TYPE_CHECKING:
    from poolkit.protocols.model import Protocol

_CONTROLS = tuple(content for content in CONTENTS if content not in ("specimen", "empty"))
_POSITIVE_CONTROLS = ("positive_control", "weak_positive_control")


def contradictions(protocol: "Protocol") -> list[Problem]:
    """Return every rule that the values of the protocol break.

    Parameters
    ----------
    protocol
        A protocol whose fields are all there and of the right types.

    Returns
    -------
    list of Problem
        Each names the field or fields at fault; empty when there is none.
    """
    return [
        *_names(protocol),
        *_counts(protocol),
        *_targets(protocol),
        *_cycles(protocol),
        *_controls(protocol),
        *_times(protocol),
        *_probabilities(protocol),
        *_sources(protocol),
    ]


def _names(protocol: "Protocol") -> Iterator[Problem]:
    for field in ("name", "version"):
        text = getattr(protocol, field)
        if not text or any(letter in "@/" or letter.isspace() for letter in text):
            yield Problem(field, f"must be a word without '@', '/' or spaces, found {text!r}")


def _counts(protocol: "Protocol") -> Iterator[Problem]:
    for field, least in (
        ("max_pool_size", 1),
        ("validated_pool_size", 1),
        ("swabs_per_recollect", 1),
        ("invalid_reruns", 0),
        ("targets_for_positive", 1),
        ("negatives_to_clear", 0),
        ("amendment_approvals", 0),
    ):
        found = getattr(protocol, field)
        if found < least:
            yield Problem(field, f"must be at least {least}, found {found}")
    if protocol.max_pool_size > protocol.validated_pool_size:
        yield Problem(
            "max_pool_size, validated_pool_size",
            f"pools of {protocol.max_pool_size} are larger than the {protocol.validated_pool_size} that were validated",
        )


def _targets(protocol: "Protocol") -> Iterator[Problem]:
    targets = protocol.targets
    if not targets or not all(targets):
        yield Problem("targets", "must name at least one target and no empty one")
    twice = sorted({target for target in targets if targets.count(target) > 1})
    if twice:
        yield Problem("targets", f"named twice: {', '.join(twice)}")
    if protocol.targets_for_positive > len(set(targets)):
        yield Problem(
            "targets_for_positive, targets",
            f"asks for {protocol.targets_for_positive} of {len(set(targets))} targets",
        )
    if protocol.internal_control is not None and protocol.internal_control in targets:
        yield Problem("internal_control, targets", f"{protocol.internal_control} is a pathogen target too")
    if protocol.internal_control == "":
        yield Problem("internal_control", "must not be empty")
    if (protocol.internal_control is None) != (protocol.ct_internal is None):
        has, lacks = "internal_control", "ct_internal"
        if protocol.internal_control is None:
            has, lacks = lacks, has
        yield Problem("internal_control, ct_internal", f"{has} is given without {lacks}")


def _cycles(protocol: "Protocol") -> Iterator[Problem]:
    for field in ("ct_positive", "ct_limit", "ct_internal"):
        found = getattr(protocol, field)
        if found is not None and not 0.0 < found <= CT_MAX_CYCLES:
            yield Problem(field, f"must be above 0 and at most {CT_MAX_CYCLES:g} cycles, found {found:g}")
    if protocol.ct_positive > protocol.ct_limit:
        yield Problem(
            "ct_positive, ct_limit",
            f"the grey zone starts at {protocol.ct_positive:g} above its limit {protocol.ct_limit:g}",
        )


def _controls(protocol: "Protocol") -> Iterator[Problem]:
    for content, rule in protocol.controls.items():
        if content not in _CONTROLS:
            yield Problem(f"controls.{content}", f"must be one of {', '.join(_CONTROLS)}")
            continue
        if rule.minimum < 0:
            yield Problem(f"controls.{content}.minimum", f"must be at least 0, found {rule.minimum}")
        if rule.windows and content not in _POSITIVE_CONTROLS:
            yield Problem(f"controls.{content}.windows", "only positive controls have windows; this one must be absent")
        for target, (low, high) in rule.windows.items():
            where = f"controls.{content}.windows.{target}"
            if target not in protocol.targets:
                yield Problem(f"{where}, targets", f"{target} is not a pathogen target")
            if low > high:
                yield Problem(where, f"the lowest Ct {low:g} is above the highest {high:g}")
            if low < 0.0 or high >= protocol.ct_positive:
                yield Problem(
                    f"{where}, ct_positive",
                    f"{low:g} to {high:g} is not inside detected, 0 to below {protocol.ct_positive:g}",
                )


def _times(protocol: "Protocol") -> Iterator[Problem]:
    hours = {field: getattr(protocol, field) for field in ("transport_hours", "report_hours")}
    hours |= {f"due_hours.{action}": found for action, found in protocol.due_hours.items()}
    hours["wells_per_instrument_hour"] = protocol.wells_per_instrument_hour
    for field, found in hours.items():
        if found <= 0.0:
            yield Problem(field, f"must be above 0, found {found:g}")
    for action in protocol.due_hours:
        if action not in ACTIONS:
            yield Problem(f"due_hours.{action}", f"must be one of {', '.join(ACTIONS)}")
    for action in ACTIONS:
        if action not in protocol.due_hours:
            yield Problem(f"due_hours.{action}", "missing")


def _probabilities(protocol: "Protocol") -> Iterator[Problem]:
    points = protocol.sensitivity
    sizes = [size for size, _ in points]
    values = [value for _, value in points]
    if not points:
        yield Problem("sensitivity", "must have at least one point")
    if any(size < 1 for size in sizes) or sizes != sorted(set(sizes)):
        yield Problem("sensitivity", f"pool sizes must be from 1 and increase, found {sizes}")
    if not all(0.0 < value <= 1.0 for value in values):
        yield Problem("sensitivity", f"must be above 0 and at most 1, found {values}")
    if any(later > earlier for earlier, later in pairwise(values)):
        yield Problem("sensitivity", f"must not increase with pool size, found {values}")
    if not 0.0 < protocol.specificity <= 1.0:
        yield Problem("specificity", f"must be above 0 and at most 1, found {protocol.specificity:g}")
    if not 0.0 < protocol.prior_prevalence < 1.0:
        yield Problem(
            "prior_prevalence", f"must be between 0 and 1, both excluded, found {protocol.prior_prevalence:g}"
        )


def _sources(protocol: "Protocol") -> Iterator[Problem]:
    from poolkit.protocols.model import VALUE_FIELDS  # noqa: PLC0415 - the model is made before its rules

    for field in VALUE_FIELDS:
        if field not in protocol.sources:
            yield Problem(f"sources.{field}", "missing: every value has a source")
        elif not protocol.sources[field].text.strip():
            yield Problem(f"sources.{field}", "must not be empty")
    for field in protocol.sources:
        if field not in VALUE_FIELDS:
            yield Problem(f"sources.{field}", "names no value")

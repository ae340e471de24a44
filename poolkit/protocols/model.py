"""`Protocol`: the values that a programme decided, each with the document it comes from."""

import json
from bisect import bisect_right
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    WrapSerializer,
    model_validator,
)

from poolkit.errors import Problem, ProtocolError
from poolkit.protocols.frozen import Frozen

Key = TypeVar("Key")
Value = TypeVar("Value")


def _thawed(value: Mapping[Any, Any], inner: SerializerFunctionWrapHandler) -> Any:
    """Hand a frozen mapping to pydantic's own writer of dicts."""
    return inner(dict(value))


FrozenMap = Annotated[Mapping[Key, Value], AfterValidator(Frozen), WrapSerializer(_thawed)]

_CONFIG = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
_PLAIN = ("name", "version", "description")


class Source(BaseModel):
    """Where a value comes from.

    Attributes
    ----------
    text : str
        The document and its passage.
    verified : bool
        Whether the passage was read; otherwise the value is an assumption to be replaced by the laboratory's own.
    """

    model_config = _CONFIG

    text: str
    verified: bool


class ControlRule(BaseModel):
    """What a plate must show of one kind of control.

    Attributes
    ----------
    minimum : int
        Wells of this control that a plate must hold.
    windows : mapping of str to (float, float)
        Lowest and highest Ct allowed, inclusive, by target; only for positive controls.
    """

    model_config = _CONFIG

    minimum: int
    windows: FrozenMap[str, tuple[float, float]] = Frozen({})


class Protocol(BaseModel):
    """What a programme decided about pools, readings and what follows from them.

    Every value is checked on construction; see Raises. A protocol cannot be changed afterwards: make a revision
    of it with `revised`.

    Attributes
    ----------
    name, version, description : str
        What it is called; ``name@version`` stands in every result.
    max_pool_size : int
        Most samples that a pool may hold.
    validated_pool_size : int
        Most samples that the test was validated for; never below `max_pool_size`.
    positive_pool : {"recollect", "retest"}
        What a reactive pool formed at collection asks for: new swabs, or a test of the retained second swab.
    swabs_per_recollect : int
        Swabs taken of each member when it is called back; all must be negative to release it.
    second_suspect : {"positive", "recollect"}
        What a second suspect call of a single specimen means.
    invalid_reruns : int
        How often an invalid specimen is run again before it counts as exhausted.
    exhausted_pool : {"invalid", "suspect"}
        Status of the members of an exhausted pool.
    targets : tuple of str
        Pathogen targets that the assay reads.
    internal_control : str or None
        Target that proves swab and extraction.
    targets_for_positive : int
        Pathogen targets that must be detected for a positive call.
    ct_positive, ct_limit : float
        Detected below `ct_positive`, grey from there to `ct_limit` inclusive, absent above, in cycles.
    ct_internal : float or None
        Highest Ct of a valid internal control, in cycles.
    controls : mapping of str to ControlRule
        By control content; a content not named asks for no wells.
    transport_hours, report_hours : float
        From swab to laboratory and from swab to result, in hours.
    due_hours : mapping of str to float
        Hours until an order is past due, by action; one for each action.
    wells_per_instrument_hour : float
        Wells that one instrument can read in an hour.
    sensitivity : tuple of (int, float)
        Probability that a pool of this size with one infected member is reactive; see `sensitivity_at`.
    negatives_to_clear : int
        Designed pools that must be negative to clear a member of a reactive one; 0: pools clear nobody of those.
    amendment_approvals : int
        Persons besides its author who have to approve a correction before it counts.
    specificity : float
        Probability that a specimen without an infected member is not reactive.
    prior_prevalence : float
        Probability that a sample is infected before anything was read.
    sources : mapping of str to Source
        One for each value above except name, version and description.

    Raises
    ------
    ProtocolError
        When fields are missing, unknown or of a wrong type (all are named), or else when values contradict each
        other (all contradictions are named).

    Notes
    -----
    Equality compares everything, the sources included; `canonical` leaves out what does not change a result.

    Examples
    --------
    >>> from poolkit.protocols import load_protocol
    >>> protocol = load_protocol("cn-10in1-2020")
    >>> protocol.label, protocol.max_pool_size, protocol.targets
    ('cn-10in1-2020@1', 10, ('ORF1ab', 'N'))
    """

    model_config = _CONFIG

    name: str
    version: str
    description: str
    max_pool_size: int
    validated_pool_size: int
    positive_pool: Literal["recollect", "retest"]
    swabs_per_recollect: int
    second_suspect: Literal["positive", "recollect"]
    invalid_reruns: int
    exhausted_pool: Literal["invalid", "suspect"]
    targets: tuple[str, ...]
    internal_control: str | None
    targets_for_positive: int
    ct_positive: float
    ct_limit: float
    ct_internal: float | None
    controls: FrozenMap[str, ControlRule]
    transport_hours: float
    report_hours: float
    due_hours: FrozenMap[str, float]
    wells_per_instrument_hour: float
    negatives_to_clear: int
    amendment_approvals: int
    sensitivity: tuple[tuple[int, float], ...]
    specificity: float
    prior_prevalence: float
    sources: FrozenMap[str, Source]

    @model_validator(mode="wrap")
    @classmethod
    def _prove(cls, data: Any, handler: ModelWrapValidatorHandler["Protocol"]) -> "Protocol":
        """Turn what pydantic found, or else every contradiction, into one ProtocolError."""
        from poolkit.protocols.rules import contradictions  # noqa: PLC0415 - the rules read the model

        name = data.get("name") if isinstance(data, dict) else None
        title = f"protocol {name}" if isinstance(name, str) else "protocol"
        try:
            protocol = handler(_tupled(data))
        except ValidationError as reason:
            raise ProtocolError(f"{title} is not complete or not of the right types", _problems(reason)) from None
        problems = contradictions(protocol)
        if problems:
            raise ProtocolError(f"{title} contradicts itself", problems)
        return protocol

    @property
    def label(self) -> str:
        """The protocol as it stands in a result, ``name@version``."""
        return f"{self.name}@{self.version}"

    def minimum(self, control: str) -> int:
        """Return how many wells of a control content a plate must hold.

        Examples
        --------
        >>> from poolkit.protocols import load_protocol
        >>> load_protocol("cn-10in1-2020").minimum("negative_control")
        2
        """
        return self.controls[control].minimum if control in self.controls else 0

    def sensitivity_at(self, n: int) -> float:
        """Return the sensitivity of a pool of n samples.

        Parameters
        ----------
        n
            Samples in the pool.

        Returns
        -------
        float
            Linear between the protocol's points, constant outside them.

        Examples
        --------
        >>> from poolkit.protocols import load_protocol
        >>> round(load_protocol("us-fda-swab-pool").sensitivity_at(3), 3)
        0.9
        """
        sizes = [size for size, _ in self.sensitivity]
        above = bisect_right(sizes, n)
        if above == 0:
            return self.sensitivity[0][1]
        if above == len(sizes):
            return self.sensitivity[-1][1]
        (low, start), (high, end) = self.sensitivity[above - 1], self.sensitivity[above]
        return start + (end - start) * (n - low) / (high - low)

    def source(self, field: str) -> Source:
        """Return where a value comes from.

        Parameters
        ----------
        field
            Name of a value, such as ``ct_positive``.

        Returns
        -------
        Source
            The document and whether it was read.

        Raises
        ------
        ProtocolError
            When there is no such value.

        Examples
        --------
        >>> from poolkit.protocols import load_protocol
        >>> load_protocol("cn-10in1-2020").source("ct_positive").verified
        True
        """
        if field not in self.sources:
            raise ProtocolError(f"protocol {self.label} has no value {field!r}; it has {', '.join(VALUE_FIELDS)}")
        return self.sources[field]

    def canonical(self) -> str:
        """Return the name, version and values as one line of JSON that is the same wherever it is made.

        Returns
        -------
        str
            Keys sorted, no spaces, ASCII. Description and sources are left out: a corrected citation changes no result.

        Examples
        --------
        >>> from poolkit.protocols import load_protocol
        >>> load_protocol("cn-10in1-2020").canonical()[:46]
        '{"amendment_approvals":1,"controls":{"blank":{'
        """
        values = {name: getattr(self, name) for name in ("name", "version", *VALUE_FIELDS)}
        return json.dumps(values, default=_plain, sort_keys=True, separators=(",", ":"))

    def revised(self, version: str, *, source: str, verified: bool = True, **values: Any) -> "Protocol":
        """Return a new version of the protocol with some values changed, checked like the first.

        Parameters
        ----------
        version
            The new version.
        source
            Where the changed values come from, e.g. the laboratory's own validation report.
        verified
            Whether that document was read.
        **values
            The changed values; also `name` or `description`.

        Returns
        -------
        Protocol
            The revision; unchanged values keep their sources.

        Raises
        ------
        ProtocolError
            As for a protocol made from the start.

        Examples
        --------
        >>> from poolkit.protocols import load_protocol
        >>> load_protocol("cn-10in1-2020").revised("1+lab2", source="Validation report 12", ct_internal=35.0).label
        'cn-10in1-2020@1+lab2'
        """
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        changed = {name: Source(text=source, verified=verified) for name in values if name in VALUE_FIELDS}
        return type(self)(**{**kept, **values, "version": version, "sources": {**self.sources, **changed}})


VALUE_FIELDS: tuple[str, ...] = tuple(name for name in Protocol.model_fields if name not in (*_PLAIN, "sources"))


def _tupled(value: Any) -> Any:
    """Turn lists, which is what TOML and JSON know, into tuples, all the way down."""
    if isinstance(value, list):
        return tuple(_tupled(each) for each in value)
    if isinstance(value, dict):
        return {key: _tupled(each) for key, each in value.items()}
    return value


def _plain(value: Any) -> Any:
    """Turn what json does not know into what it does."""
    if isinstance(value, Mapping):
        return dict(value)
    assert isinstance(value, ControlRule), value
    return {"minimum": value.minimum, "windows": dict(value.windows)}


def _problems(reason: ValidationError) -> list[Problem]:
    """Name each field with what pydantic expected there."""
    problems = []
    for each in reason.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in each["loc"]) or "protocol"
        if each["type"] == "missing":
            what = "missing"
        elif each["type"] == "extra_forbidden":
            what = "unknown field"
        else:
            what = f"{each['msg'].removeprefix('Input ')}, found {each['input']!r}"
        problems.append(Problem(where, what))
    return problems

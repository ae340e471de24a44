"""How often things go wrong in a simulated day."""

from dataclasses import dataclass, fields

from poolkit.errors import DesignError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How often each thing goes wrong, each a probability between 0 and 1.

    Attributes
    ----------
    unfilled_tube : float
        A tube is closed before it is full. The last tube of a station is short by itself.
    tube_not_received : float
        A registered tube stands in no well.
    late_plate : float
        A plate is mapped, but its run comes with the evening.
    failed_plate : float
        A run's controls fail: a negative control or blank reads positive, or a positive control reads nothing.
    failed_internal_control : float
        A specimen well fails in extraction: nothing is read of the pathogen, the internal control comes late or never.
    dropped_reading : float
        Nothing at all is on file of a specimen well that was read.
    false_signal : float
        A specimen well without detected virus shows one target late.

    Raises
    ------
    DesignError
        When a rate is not between 0 and 1.

    Notes
    -----
    No paper gives these rates for one laboratory; the defaults are assumptions of an ordinary, well run day. What is
    known: validation asks for less than 5 % invalid.

    References
    ----------
    FDA, *Template for Developers of Molecular Diagnostic Tests*, 6 Oct 2021 (invalid below 5 %).

    Examples
    --------
    >>> Failures(late_plate=0.1).late_plate, Failures.none().late_plate
    (0.1, 0.0)
    """

    unfilled_tube: float = 0.02
    tube_not_received: float = 1e-4
    late_plate: float = 0.002
    failed_plate: float = 0.005
    failed_internal_control: float = 0.002
    dropped_reading: float = 1e-4
    false_signal: float = 1e-5

    def __post_init__(self) -> None:
        """Check every rate."""
        problems = [
            Problem(each.name, f"must be between 0 and 1, found {getattr(self, each.name)}")
            for each in fields(self)
            if not 0.0 <= getattr(self, each.name) <= 1.0
        ]
        if problems:
            raise DesignError("not a set of failure rates", problems)

    @classmethod
    def none(cls) -> "Failures":
        """Return the rates of a day on which nothing goes wrong.

        Examples
        --------
        >>> Failures.none().failed_plate
        0.0
        """
        return cls(**{each.name: 0.0 for each in fields(cls)})

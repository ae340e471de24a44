"""`Item`: something that testing uses up, and the items of a campaign by default."""

from dataclasses import dataclass
from typing import Literal, get_args

from poolkit.errors import DesignError, Problem

Per = Literal["person", "tube", "well", "plate", "sampler shift", "laboratory shift"]
_ESFT = "WHO, COVID-19 Essential Supplies Forecasting Tool"


@dataclass(frozen=True, slots=True)
class Item:
    """Something that testing uses up.

    Parameters
    ----------
    name : str
        What it is.
    per : {"person", "tube", "well", "plate", "sampler shift", "laboratory shift"}
        What uses it up. Wells are those of specimens, first tests and retests; a plate adds its controls.
    quantity : float
        Units for one of them.
    wastage : float
        Part of the units that is lost, from 0 to below 1: 1 / (1 - wastage) units are drawn for one that is used.
    lead_hours : float
        Hours from order to delivery.
    safety_hours : float
        Hours of use that should still be there when the delivery comes.
    source : str
        Where the figures come from.
    verified : bool
        Whether the source was read.

    Raises
    ------
    DesignError
        When a figure is out of range.

    Examples
    --------
    >>> Item("extraction kit", per="well", quantity=1, wastage=0.1, lead_hours=72).per
    'well'
    """

    name: str
    per: Per
    quantity: float
    wastage: float = 0.0
    lead_hours: float = 48.0
    safety_hours: float = 24.0
    source: str = "given"
    verified: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no item."""
        problems = []
        if self.per not in get_args(Per):
            problems.append(Problem("per", f"must be one of {', '.join(get_args(Per))}, found {self.per}"))
        if not self.quantity > 0.0:
            problems.append(Problem("quantity", f"must be above 0, found {self.quantity:g}"))
        if not 0.0 <= self.wastage < 1.0:
            problems.append(Problem("wastage", f"must be from 0 to below 1, found {self.wastage:g}"))
        problems += [
            Problem(name, f"must be at least 0, found {value:g}")
            for name, value in (("lead_hours", self.lead_hours), ("safety_hours", self.safety_hours))
            if not value >= 0.0
        ]
        if problems:
            raise DesignError(f"not an item '{self.name}'", problems)


ITEMS = (
    Item("swabs", "person", 1.0, 0.02, source="one a person; 2 % dropped or spoilt", verified=False),
    Item("tubes", "tube", 1.0, 0.02, source="one a pool; 2 % dropped or spoilt", verified=False),
    Item("extraction tests", "well", 1.0, 0.10, source=f"{_ESFT}: 10 % of manual kits wasted", verified=True),
    Item("PCR tests", "well", 1.0, 0.10, source=f"{_ESFT}: 10 % of manual kits wasted, 100 tests a kit", verified=True),
    Item("filter tips", "well", 6.0, 0.05, source="six steps of pipetting a specimen", verified=False),
    Item("plates", "plate", 2.0, 0.02, source="one to extract in and one to amplify in", verified=False),
    Item("protective clothing", "sampler shift", 2.0, 0.05, source="two sets a shift of sampling", verified=False),
    Item("laboratory gowns", "laboratory shift", 2.0, 0.05, source="two sets a shift", verified=False),
)

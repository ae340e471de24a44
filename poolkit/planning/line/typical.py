"""`TYPICAL`: figures of a line that scenarios, stages and answers take where nobody tells others, each just once."""

from typing import Literal, NamedTuple

Told = Literal["read", "computed", "assumed"]


class Typical(NamedTuple):
    """A figure that is taken where nobody tells another.

    Attributes
    ----------
    value : int or float
        The figure, in `unit`.
    unit : str
        Its unit.
    source : str
        Where it comes from.
    told : {"read", "computed", "assumed"}
        Whether the source says it, it follows from figures that the source says, or it is a planner's guess.
    """

    value: float
    unit: str
    source: str
    told: Told


_TRANSFER = "MGISTP-7000: 192 tubes to plates in 40 min (Xinhua)"
# In the order in which a specimen meets them.
TYPICAL: dict[str, Typical] = {
    "sampling_seconds": Typical(45.0, "second", "oropharyngeal swab in a line: 30-60 s a person", "assumed"),
    "courier_minutes": Typical(30.0, "minute", "time between two couriers of a route", "assumed"),
    "transport_minutes": Typical(60.0, "minute", "from a site to its laboratory; to arrive within 2-4 h", "assumed"),
    "transfer_minutes": Typical(40.0, "minute", _TRANSFER, "read"),
    "transfer_tubes": Typical(192, "tubes", _TRANSFER, "read"),
    "inactivation_minutes": Typical(30.0, "minute", "heat, 56-60 degrees", "assumed"),
    "inactivation_tubes": Typical(384, "tubes", "tubes an oven", "assumed"),
    "extraction_minutes": Typical(
        45.0, "minute", "96-well instrument, 45 min (Stabroek News, 16 Oct 2020); quoted capacities: 35-65", "read"
    ),
    "pcr_minutes": Typical(
        110.0,
        "minute",
        "80,000 tubes a day from 64 cyclers of 96 wells (Gansu Daily, 25 Oct 2021), with loading; vans: 138-152",
        "computed",
    ),
    "tubes_a_plate": Typical(
        94, "wells", "specimens a plate of 96 beside two controls; the press counts 96", "assumed"
    ),
    "linger_minutes": Typical(15.0, "minute", "a plate waits so long to be full", "assumed"),
    "analysis_seconds": Typical(
        60.0, "second", "post-analytical minute a specimen, doi 10.1177/2211068214533195", "read"
    ),
}

"""The stages of a laboratory for about a million people a day at ten a tube, each figure with its source."""

from poolkit.planning.line.stages import Stage
from poolkit.planning.line.typical import TYPICAL

_PLATE = 96
_TUBES = int(TYPICAL["tubes_a_plate"].value)
_LINGER = TYPICAL["linger_minutes"].value

# 1,064 plates of 94 a day keep 34 extractors and 82 cyclers busy; at 85 % of use that is 40 and 96.
RECEPTION = Stage(
    "reception",
    24,
    minutes=TYPICAL["transfer_minutes"].value,
    slots=int(TYPICAL["transfer_tubes"].value),
    linger_minutes=10.0,
    source=f"{TYPICAL['transfer_minutes'].source}; 24 of them and 10 min [A]",
)
INACTIVATION = Stage(
    "inactivation",
    20,
    minutes=TYPICAL["inactivation_minutes"].value,
    slots=int(TYPICAL["inactivation_tubes"].value),
    linger_minutes=10.0,
    source=f"{TYPICAL['inactivation_minutes'].source}; minutes, places, ovens and linger time [A]",
)
EXTRACTION = Stage(
    "extraction",
    40,
    minutes=TYPICAL["extraction_minutes"].value,
    slots=_PLATE,
    controls=_PLATE - _TUBES,
    linger_minutes=_LINGER,
    source=f"{TYPICAL['extraction_minutes'].source}; two controls, linger time [A]",
)
AMPLIFICATION = Stage(
    "amplification",
    96,
    minutes=TYPICAL["pcr_minutes"].value,
    slots=_PLATE,
    controls=_PLATE - _TUBES,
    linger_minutes=_LINGER,
    source=f"computed: {TYPICAL['pcr_minutes'].source}",
)
ANALYSIS = Stage(
    "analysis",
    100,
    minutes_each=TYPICAL["analysis_seconds"].value / 60.0,
    slots=_TUBES,
    linger_minutes=5.0,
    reads=True,
    source=f"{TYPICAL['analysis_seconds'].source}; 100 readers, a plate each [A]",
)
REPORTING = Stage(
    "reporting",
    20,
    minutes=5.0,
    slots=_TUBES,
    linger_minutes=5.0,
    source="5 min to sign and send the results of a plate [A]",
)
STAGES = (RECEPTION, INACTIVATION, EXTRACTION, AMPLIFICATION, ANALYSIS, REPORTING)

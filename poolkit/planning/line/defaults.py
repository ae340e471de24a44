"""The stages of a laboratory for about a million people a day at ten a tube, each figure with its source."""

from poolkit.planning.line.stages import Stage

# 1,064 plates of 94 a day keep 34 extractors and 82 cyclers busy; at 85 % of use that is 40 and 96.
RECEPTION = Stage(
    "reception",
    24,
    minutes=40.0,
    slots=192,
    linger_minutes=10.0,
    source="192 tubes into plates in 40 min (MGISTP-7000, Xinhua); 24 of them and 10 min [A]",
)
INACTIVATION = Stage(
    "inactivation",
    20,
    minutes=30.0,
    slots=384,
    linger_minutes=10.0,
    source="30 min at 56 to 60 degrees; places, ovens and linger time [A]",
)
EXTRACTION = Stage(
    "extraction",
    40,
    minutes=45.0,
    slots=96,
    controls=2,
    linger_minutes=15.0,
    source="45 min a run of 96 (Stabroek News, 16 October 2020); two controls, linger time [A]",
)
AMPLIFICATION = Stage(
    "amplification",
    96,
    minutes=110.0,
    slots=96,
    controls=2,
    linger_minutes=15.0,
    source="110 min a run with loading, implied by 64 cyclers and 80,000 tubes a day (Gansu Daily, 25 October 2021)",
)
ANALYSIS = Stage(
    "analysis",
    100,
    minutes_each=1.0,
    slots=94,
    linger_minutes=5.0,
    reads=True,
    source="1 min a specimen after the analyser (doi 10.1177/2211068214533195); 100 readers, a plate each [A]",
)
REPORTING = Stage(
    "reporting",
    20,
    minutes=5.0,
    slots=94,
    linger_minutes=5.0,
    source="5 min to sign and send the results of a plate [A]",
)
STAGES = (RECEPTION, INACTIVATION, EXTRACTION, AMPLIFICATION, ANALYSIS, REPORTING)

"""Planning: what a design costs and finds before it is run, and which one to take."""

from poolkit.planning.campaign import CampaignPlan, build_line, plan_campaign, plot_plan_campaign
from poolkit.planning.compare import compare_designs
from poolkit.planning.expected import Expected, expected_tests
from poolkit.planning.line import (
    Arrivals,
    Courier,
    Laboratory,
    Line,
    LineRun,
    Shift,
    Sites,
    Stage,
    Stock,
    Team,
    allen_cunneen,
    batch_forming_delay,
    capacity,
    erlang_c,
    fluid_backlog,
    littles_law,
    simulate_line,
    simulate_lines,
    wait_exceeds,
)
from poolkit.planning.matching import match_stages, matching, plot_matching
from poolkit.planning.rate import FittedRate, fit_rate, plot_fit_rate
from poolkit.planning.replay import replay_trace
from poolkit.planning.scenarios import Scenario, lab_kinds, norms, read_changes, scenario, scenario_names
from poolkit.planning.sizes import Sizes, best_hierarchical, best_partitions

__all__ = ["Expected", "Sizes", "best_hierarchical", "best_partitions", "compare_designs", "expected_tests"]

__all__ += [
    "Arrivals",
    "Courier",
    "Laboratory",
    "Line",
    "LineRun",
    "Shift",
    "Sites",
    "Stage",
    "Stock",
    "Team",
    "allen_cunneen",
    "batch_forming_delay",
    "capacity",
    "erlang_c",
    "fluid_backlog",
    "littles_law",
    "simulate_line",
    "simulate_lines",
    "wait_exceeds",
]

__all__ += [
    "CampaignPlan",
    "FittedRate",
    "Scenario",
    "build_line",
    "fit_rate",
    "lab_kinds",
    "match_stages",
    "matching",
    "norms",
    "plan_campaign",
    "plot_fit_rate",
    "plot_matching",
    "plot_plan_campaign",
    "read_changes",
    "replay_trace",
    "scenario",
    "scenario_names",
]

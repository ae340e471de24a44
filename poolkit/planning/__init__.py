"""Planning: what a design costs and finds before it is run, and which one to take."""

from poolkit.planning.choice import (
    Choice,
    choose,
)
from poolkit.planning.compare import (
    compare_designs,
)
from poolkit.planning.correlated import (
    Correlated,
    correlated_array,
    correlated_hierarchical,
)
from poolkit.planning.evaluation import (
    decide_pool_size,
    evaluate_validation,
    reassess,
)
from poolkit.planning.expected import (
    Expected,
    expected_tests,
)
from poolkit.planning.operating import (
    Characteristics,
    characteristics,
)
from poolkit.planning.power import (
    plot_pool_sizes,
    plot_power_of_pools,
    pool_sizes,
    power_of_pools,
)
from poolkit.planning.precision import (
    pools_for_freedom,
    pools_for_precision,
    pools_for_test,
)
from poolkit.planning.retesting import (
    Sterrett,
    sterrett,
)
from poolkit.planning.shapes import (
    nested_pools,
)
from poolkit.planning.sizes import (
    Sizes,
    best_hierarchical,
    best_partitions,
)
from poolkit.planning.two_infections import (
    Multiplex,
    MultiplexChoice,
    choose_multiplex,
    multiplex,
)
from poolkit.planning.unbeaten import (
    frontier,
    plot_frontier,
)
from poolkit.planning.validation import (
    ValidationRules,
    expected_agreement,
    plot_validation_odds,
    validation_odds,
)
from poolkit.planning.wrong import (
    plot_wrong_prevalence,
    wrong_prevalence,
)

__all__ = [
    "Characteristics",
    "Choice",
    "Correlated",
    "Expected",
    "Multiplex",
    "MultiplexChoice",
    "Sizes",
    "Sterrett",
    "ValidationRules",
    "best_hierarchical",
    "best_partitions",
    "characteristics",
    "choose",
    "choose_multiplex",
    "compare_designs",
    "correlated_array",
    "correlated_hierarchical",
    "decide_pool_size",
    "evaluate_validation",
    "expected_agreement",
    "expected_tests",
    "frontier",
    "multiplex",
    "nested_pools",
    "plot_frontier",
    "plot_pool_sizes",
    "plot_power_of_pools",
    "plot_validation_odds",
    "plot_wrong_prevalence",
    "pool_sizes",
    "pools_for_freedom",
    "pools_for_precision",
    "pools_for_test",
    "power_of_pools",
    "reassess",
    "sterrett",
    "validation_odds",
    "wrong_prevalence",
from poolkit.planning.campaign import CampaignPlan, build_line, plan_campaign, plot_plan_campaign
from poolkit.planning.answers import (
    Allocation,
    Item,
    Placement,
    Required,
    Staff,
    Supplies,
    Surge,
    Tradeoff,
    Verified,
    allocate,
    allocation,
    assumptions,
    one_more,
    place,
    plot_allocation,
    plot_pool_size_tradeoff,
    plot_required,
    plot_supplies,
    plot_surge,
    plot_tornado,
    pool_size_tradeoff,
    required,
    staff,
    supplies,
    surge,
    tornado,
    verify_required,
)
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
from poolkit.planning.retesting import Sterrett, sterrett
from poolkit.planning.sizes import Sizes, best_hierarchical, best_partitions

__all__ = ["Expected", "Sizes", "best_hierarchical", "best_partitions", "compare_designs", "expected_tests"]
__all__ = [
    "Expected",
    "Multiplex",
    "MultiplexChoice",
    "Sizes",
    "Sterrett",
    "best_hierarchical",
    "best_partitions",
    "choose_multiplex",
    "compare_designs",
    "expected_tests",
    "multiplex",
    "sterrett",
]

__all__ += [
    "Allocation",
    "Item",
    "Placement",
    "Required",
    "Staff",
    "Supplies",
    "Surge",
    "Tradeoff",
    "Verified",
    "allocate",
    "allocation",
    "assumptions",
    "one_more",
    "place",
    "plot_allocation",
    "plot_pool_size_tradeoff",
    "plot_required",
    "plot_supplies",
    "plot_surge",
    "plot_tornado",
    "pool_size_tradeoff",
    "required",
    "staff",
    "supplies",
    "surge",
    "tornado",
    "verify_required",
]

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

"""poolkit: pooled nucleic-acid testing from swab to result and back."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Where each public name lives; a room is entered when a name of it is first asked for, so that importing does no work.
# Type checkers and editors read the same from __init__.pyi.
_ROOMS = {
    "assays": "Assay Dilution fit_dilution",
    "deconvolution": (
        "Candidates Decoded Estimate Estimated NextPools adaptive_tests decode estimate find_discordant "
        "hierarchical_tests next_pools pooling_bound rank_candidates"
    ),
    "errors": "ControlError DesignError FormatError PoolkitError ProtocolError SchemaError TraceError",
    "formats": "read_day read_instrument write_day",
    "lab": "Lab",
    "pipeline": "process",
    "planning": (
        "Characteristics Choice ValidationRules characteristics choose choose_multiplex compare_designs "
        "correlated_array correlated_hierarchical decide_pool_size evaluate_validation expected_agreement frontier "
        "multiplex nested_pools plot_frontier plot_pool_sizes plot_power_of_pools plot_validation_odds "
        "plot_wrong_prevalence pool_sizes pools_for_freedom pools_for_precision pools_for_test power_of_pools "
        "reassess sterrett validation_odds wrong_prevalence"
    ),
    "planning.answers": (
        "Allocation Item Placement Required Staff Supplies Surge Tradeoff Verified allocate allocation assumptions "
        "one_more place plot_allocation plot_pool_size_tradeoff plot_required plot_supplies plot_surge plot_tornado "
        "pool_size_tradeoff required staff supplies surge tornado verify_required"
    ),
    "planning.campaign": "CampaignPlan build_line plan_campaign plot_plan_campaign",
    "planning.line": (
        "Arrivals Courier Laboratory Line LineRun Shift Sites Stage Stock Team allen_cunneen batch_forming_delay "
        "capacity erlang_c fluid_backlog line_queues line_stocks line_turnaround line_use littles_law "
        "plot_line_queues plot_line_stocks plot_line_turnaround plot_line_use simulate_line simulate_lines "
        "wait_exceeds"
    ),
    "planning.matching": "match_stages matching plot_matching",
    "planning.rate": "FittedRate fit_rate plot_fit_rate",
    "planning.replay": "replay_trace",
    "planning.scenarios": "Scenario lab_kinds norms scenario scenario_names",
    "plates": "layout_plates",
    "pooling": "design design_names next_stage_pools pool_samples pool_tubes",
    "protocols": "Protocol load_protocol protocol_names",
    "schemas": "Day History Outcome conform",
    "simulation": "Failures simulate_custody simulate_day simulate_evening",
    "surveillance": (
        "Regression alarm coefficients compare_prevalence coverage mean_run_length nowcast plot_alarms "
        "plot_coefficients plot_coverage plot_nowcast plot_prevalence prevalence prevalence_test regress"
    ),
    "trace": "KeyRing check_proof",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = ["__version__", *sorted(_ROOM_OF)]  # noqa: PLE0604 - all of them are strings


def __getattr__(name: str) -> Any:
    """Find a public name in its room."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'poolkit' has no attribute {name!r}")
    value = getattr(import_module(f"poolkit.{_ROOM_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, found or not."""
    return sorted(__all__)

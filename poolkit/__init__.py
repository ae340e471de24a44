"""poolkit: pooled nucleic-acid testing from swab to result and back."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from poolkit.assays import (
        Assay,
        Dilution,
        fit_dilution,
    )
    from poolkit.deconvolution import (
        Candidates,
        Decoded,
        Estimate,
        Estimated,
        NextPools,
        adaptive_tests,
        decode,
        estimate,
        find_discordant,
        hierarchical_tests,
        next_pools,
        pooling_bound,
        rank_candidates,
    )
    from poolkit.errors import (
        ControlError,
        DesignError,
        FormatError,
        PoolkitError,
        ProtocolError,
        SchemaError,
        TraceError,
    )
    from poolkit.formats import (
        read_day,
        read_instrument,
        write_day,
    )
    from poolkit.lab import (
        Lab,
    )
    from poolkit.pipeline import (
        process,
    )
    from poolkit.planning import (
        choose_multiplex,
        compare_designs,
        correlated_array,
        correlated_hierarchical,
        multiplex,
        sterrett,
    )
    from poolkit.plates import (
        layout_plates,
    )
    from poolkit.pooling import (
        design,
        design_names,
        next_stage_pools,
        pool_samples,
        pool_tubes,
    )
    from poolkit.protocols import (
        Protocol,
        load_protocol,
        protocol_names,
    )
    from poolkit.schemas import (
        Day,
        History,
        Outcome,
        conform,
    )
    from poolkit.simulation import (
        Failures,
        simulate_custody,
        simulate_day,
        simulate_evening,
    )
    from poolkit.surveillance import (
        Regression,
        alarm,
        coefficients,
        mean_run_length,
        nowcast,
        plot_alarms,
        plot_coefficients,
        plot_nowcast,
        regress,
    )
    from poolkit.trace import (
        KeyRing,
        check_proof,
    )
    from poolkit.formats import read_day, read_instrument, write_day
    from poolkit.lab import Lab
    from poolkit.pipeline import process
    from poolkit.planning import (
        ValidationRules,
        compare_designs,
        decide_pool_size,
        evaluate_validation,
        expected_agreement,
        plot_pool_sizes,
        plot_power_of_pools,
        plot_validation_odds,
        pool_sizes,
        pools_for_freedom,
        pools_for_precision,
        pools_for_test,
        power_of_pools,
        reassess,
        validation_odds,
        Characteristics,
        Choice,
        characteristics,
        choose,
        compare_designs,
        frontier,
        nested_pools,
        plot_frontier,
        plot_wrong_prevalence,
        wrong_prevalence,
    )
    from poolkit.plates import layout_plates
    from poolkit.pooling import design, design_names, next_stage_pools, pool_samples, pool_tubes
    from poolkit.protocols import Protocol, load_protocol, protocol_names
    from poolkit.schemas import Day, History, Outcome, conform
    from poolkit.simulation import Failures, simulate_custody, simulate_day, simulate_evening
    from poolkit.surveillance import (
        compare_prevalence,
        coverage,
        plot_coverage,
        plot_prevalence,
        prevalence,
        prevalence_test,
    )
    from poolkit.trace import KeyRing, check_proof

# Where each public name lives; a room is entered when a name of it is first asked for, so that importing does no work.
_ROOMS = {
    "assays": (
        "Assay",
        "Dilution",
        "fit_dilution",
    ),
    "deconvolution": (
        "Candidates",
        "Decoded",
        "Estimate",
        "Estimated",
        "NextPools",
        "adaptive_tests",
        "decode",
        "estimate",
        "find_discordant",
        "hierarchical_tests",
        "next_pools",
        "pooling_bound",
        "rank_candidates",
    ),
    "errors": (
        "ControlError",
        "DesignError",
        "FormatError",
        "PoolkitError",
        "ProtocolError",
        "SchemaError",
        "TraceError",
    ),
    "formats": (
        "read_day",
        "read_instrument",
        "write_day",
    ),
    "lab": ("Lab",),
    "pipeline": ("process",),
    "planning": (
        "choose_multiplex",
        "compare_designs",
        "correlated_array",
        "correlated_hierarchical",
        "multiplex",
        "sterrett",
        "ValidationRules",
        "compare_designs",
        "decide_pool_size",
        "evaluate_validation",
        "expected_agreement",
        "plot_pool_sizes",
        "plot_power_of_pools",
        "plot_validation_odds",
        "pool_sizes",
        "pools_for_freedom",
        "pools_for_precision",
        "pools_for_test",
        "power_of_pools",
        "reassess",
        "validation_odds",
        "Characteristics",
        "Choice",
        "characteristics",
        "choose",
        "compare_designs",
        "frontier",
        "nested_pools",
        "plot_frontier",
        "plot_wrong_prevalence",
        "wrong_prevalence",
    ),
    "plates": ("layout_plates",),
    "pooling": (
        "design",
        "design_names",
        "next_stage_pools",
        "pool_samples",
        "pool_tubes",
    ),
    "protocols": (
        "Protocol",
        "load_protocol",
        "protocol_names",
    ),
    "schemas": (
        "Day",
        "History",
        "Outcome",
        "conform",
    ),
    "simulation": (
        "Failures",
        "simulate_custody",
        "simulate_day",
        "simulate_evening",
    ),
    "surveillance": (
        "compare_prevalence",
        "coverage",
        "plot_coverage",
        "plot_prevalence",
        "prevalence",
        "prevalence_test",
        "Regression",
        "alarm",
        "coefficients",
        "mean_run_length",
        "nowcast",
        "plot_alarms",
        "plot_coefficients",
        "plot_nowcast",
        "regress",
    ),
    "trace": (
        "KeyRing",
        "check_proof",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Assay",
    "Candidates",
    "Characteristics",
    "Choice",
    "ControlError",
    "Day",
    "Decoded",
    "DesignError",
    "Dilution",
    "Estimate",
    "Estimated",
    "Failures",
    "FormatError",
    "History",
    "KeyRing",
    "Lab",
    "NextPools",
    "Outcome",
    "PoolkitError",
    "Protocol",
    "ProtocolError",
    "Regression",
    "SchemaError",
    "TraceError",
    "ValidationRules",
    "__version__",
    "adaptive_tests",
    "alarm",
    "check_proof",
    "choose_multiplex",
    "coefficients",
    "characteristics",
    "check_proof",
    "choose",
    "compare_designs",
    "compare_prevalence",
    "conform",
    "coverage",
    "decide_pool_size",
    "correlated_array",
    "correlated_hierarchical",
    "decode",
    "design",
    "design_names",
    "estimate",
    "evaluate_validation",
    "expected_agreement",
    "find_discordant",
    "fit_dilution",
    "frontier",
    "hierarchical_tests",
    "layout_plates",
    "load_protocol",
    "mean_run_length",
    "multiplex",
    "next_pools",
    "next_stage_pools",
    "plot_coverage",
    "plot_pool_sizes",
    "plot_power_of_pools",
    "plot_prevalence",
    "plot_validation_odds",
    "plot_alarms",
    "plot_coefficients",
    "nested_pools",
    "next_pools",
    "next_stage_pools",
    "plot_frontier",
    "plot_wrong_prevalence",
    "nowcast",
    "plot_alarms",
    "plot_coefficients",
    "plot_nowcast",
    "pool_samples",
    "pool_sizes",
    "pool_tubes",
    "pooling_bound",
    "pools_for_freedom",
    "pools_for_precision",
    "pools_for_test",
    "power_of_pools",
    "prevalence",
    "prevalence_test",
    "process",
    "protocol_names",
    "rank_candidates",
    "read_day",
    "read_instrument",
    "reassess",
    "regress",
    "simulate_custody",
    "simulate_day",
    "simulate_evening",
    "sterrett",
    "validation_odds",
    "write_day",
    "wrong_prevalence",
]


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

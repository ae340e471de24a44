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
    from poolkit.trace import (
        KeyRing,
        check_proof,
    )

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
        "multiplex",
        "sterrett",
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
    "trace": (
        "KeyRing",
        "check_proof",
    ),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Assay",
    "Candidates",
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
    "SchemaError",
    "TraceError",
    "__version__",
    "adaptive_tests",
    "check_proof",
    "choose_multiplex",
    "compare_designs",
    "conform",
    "decode",
    "design",
    "design_names",
    "estimate",
    "find_discordant",
    "fit_dilution",
    "hierarchical_tests",
    "layout_plates",
    "load_protocol",
    "multiplex",
    "next_pools",
    "next_stage_pools",
    "pool_samples",
    "pool_tubes",
    "pooling_bound",
    "process",
    "protocol_names",
    "rank_candidates",
    "read_day",
    "read_instrument",
    "simulate_custody",
    "simulate_day",
    "simulate_evening",
    "sterrett",
    "write_day",
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

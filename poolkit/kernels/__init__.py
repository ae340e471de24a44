"""The compiled loops: one file a stage, ndarrays in, ndarrays out; names and errors stay outside."""

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["kernel"]

_F = TypeVar("_F", bound=Callable[..., Any])


def kernel(function: _F) -> _F:
    """Compile a loop over ndarrays; ``POOLKIT_NO_CACHE`` keeps the machine code off the disk."""
    compiled = njit(cache="POOLKIT_NO_CACHE" not in os.environ, nogil=True, error_model="numpy")(function)
    return cast(_F, compiled)

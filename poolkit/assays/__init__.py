"""What a test is, before any reading: viral loads, the standard curve, dilution and the limit of detection."""

from poolkit.assays.dilution import (
    amplification_probability,
    dilution_cycles,
    expected_ct_cycles,
    pooled_log10_load,
    slope_cycles_per_log10,
)
from poolkit.assays.response import Assay
from poolkit.assays.shift import Dilution, fit_dilution
from poolkit.assays.viral_load import log10_load_quantile

__all__ = [
    "Assay",
    "Dilution",
    "amplification_probability",
    "dilution_cycles",
    "expected_ct_cycles",
    "fit_dilution",
    "log10_load_quantile",
    "pooled_log10_load",
    "slope_cycles_per_log10",
]

"""poolkit: pooled nucleic-acid testing from swab to result and back."""

__version__ = "0.1.0"

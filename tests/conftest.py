"""What the whole suite shares: how much to try, and where the reference data is."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

SCALE = os.environ.get("POOLKIT_TEST_SCALE", "default")

# The first call of a kernel compiles it, so no example has a deadline. Examples stay random, also in CI: a failure
# prints the blob that repeats it.
settings.register_profile("default", deadline=None, max_examples=100, print_blob=True, derandomize=False)
settings.register_profile("small", settings.get_profile("default"), max_examples=15)
settings.register_profile("deep", settings.get_profile("default"), max_examples=3000)
settings.load_profile(SCALE)


@pytest.fixture(scope="session")
def small() -> bool:
    """Whether the suite runs on small sizes, as it does with bounds checks or without compiling."""
    return SCALE == "small"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout, or where POOLKIT_SHARED says."""
    root = Path(__file__).parents[1]
    path = (root / os.environ.get("POOLKIT_SHARED", "../shared")).resolve()
    if not path.is_dir():
        pytest.skip(f"POOLKIT_SHARED: no reference data at {path}")
    return path

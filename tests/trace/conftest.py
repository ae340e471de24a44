"""Processes, days and databases that the tests of the trace share."""

import os
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from tests.trace.cluster import Cluster, running
from tests.trace.days import Days

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Real processes, forked from one that has loaded everything and opened nothing."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.trace.warmed"])
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        first = context.Process(target=os.getpid)
        first.start()
        first.join()
    return context


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    return Days(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running() as started:
        yield started

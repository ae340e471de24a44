"""A miscount of members is a defect of ours, and stops with the counts."""

import pytest

import poolkit
from poolkit.pooling import registration


def test_members_that_are_not_those_registered_stop_the_run(monkeypatch):
    counted = registration.kernels.tally

    def miscounted(pool_of, sample_of, slot, kind, n_members, kind_of, slots, flags):
        counted(pool_of, sample_of, slot, kind, n_members, kind_of, slots, flags)
        n_members[0] += 1

    day = poolkit.simulate_day(100, 0.01, seed=1).day
    poolkit.process(day)
    monkeypatch.setattr(registration.kernels, "tally", miscounted)
    with pytest.raises(
        AssertionError, match="members are not conserved: 100 registered, 100 in pools, 1 pools miscounted"
    ):
        poolkit.process(day)

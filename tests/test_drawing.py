"""Axes for the plots: the caller's, or new ones."""

import sys

import pytest
from matplotlib import pyplot

from poolkit.drawing import axes_for


def test_draws_on_given_axes_or_on_new_ones():
    _, mine = pyplot.subplots()
    assert axes_for(mine) is mine
    new = axes_for(width=5.0, height=2.0)
    assert new is not mine
    assert new.figure.get_size_inches().tolist() == [5.0, 2.0]
    assert not new.spines["top"].get_visible()


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'poolkit\[plot\]'"):
        axes_for()

"""The plots of a run: each shows its frame, with units, on the axes that it is given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from poolkit.planning.line import Arrivals, Laboratory, Line, Sites, Stage, Stock, simulate_line

STAGES = (
    Stage("extraction", 1, minutes=30.0, slots=24, linger_minutes=10.0, item="kit", units_a_specimen=1.0),
    Stage("amplification", 2, minutes=90.0, slots=24, linger_minutes=10.0, reads=True),
)
LAB = Laboratory("one", STAGES, stocks=(Stock("kit", 60, ((6.0, 500),)),))


@pytest.fixture(scope="module")
def run():
    line = Line(Arrivals(1_000, ((0.0, 1.0), (4.0, 0.0))), Sites(4), labs=(LAB, LAB), prevalence=0.01)
    return simulate_line(line, seed=2)


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_curves(run, ax):
    assert run.plot_curves(ax=ax) is ax
    curves = run.curves()
    assert [line.get_label() for line in ax.lines] == ["arrived", "sampled", "delivered", "tested", "resulted"]
    assert ax.lines[4].get_ydata()[-1] == curves["resulted"].iloc[-1] / 1e3 == 1.0
    assert "hours" in ax.get_xlabel()
    assert "people" in ax.get_ylabel()


def test_queues(run, ax):
    assert run.plot_queues(ax=ax) is ax
    queues = run.queues()
    assert queues.columns.tolist() == ["sampling", "courier", "extraction", "amplification"]
    assert ax.lines[2].get_ydata().tolist() == queues["extraction"].tolist()
    of_stage = run.stages().query("stage == 'extraction'")
    assert queues["extraction"].sum() == of_stage["waiting"].sum() > 0
    assert "waiting" in ax.get_ylabel()


def test_use(run, ax):
    assert run.plot_use(ax=ax) is ax
    assert [text.get_text() for text in ax.get_yticklabels()] == ["sampling", "extraction", "amplification"]
    shown = ax.collections[0].get_array()
    np.testing.assert_allclose(np.ma.filled(shown, np.nan).reshape(run.use().shape), 100 * run.use().to_numpy())
    assert ax.figure.axes[1].get_ylabel() == "busy (% of servers at work)"


def test_ecdf(run, ax):
    assert run.plot_ecdf(deadline_hours=8.0, since="arrival", ax=ax) is ax
    labels = [line.get_label() for line in ax.lines]
    part = (run.hours(since="arrival") <= 8.0).mean()
    assert labels[:3] == ["all", "first pass", "retest"]
    assert labels[-1].startswith("deadline: ")
    assert float(labels[-1].split()[1]) == pytest.approx(100 * part, abs=1.0)
    half = float(labels[3].split()[-2])
    assert half == pytest.approx(np.median(run.hours(since="arrival")), abs=0.2)
    assert ax.get_xlabel() == "hours from arrival to result"


def test_stocks(run, ax):
    assert run.plot_stocks(ax=ax) is ax
    assert [line.get_label() for line in ax.lines] == ["kit, laboratory 1", "kit, laboratory 2"]
    first = run.stocks().query("lab == 0")["units"].to_numpy()
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * first / first.max())


def test_without_axes_a_figure_is_made(run):
    for plot in (run.plot_curves, run.plot_queues, run.plot_use, run.plot_ecdf, run.plot_stocks):
        ax = plot()
        ax.figure.canvas.draw()
        plt.close(ax.figure)
    without = simulate_line(Line(Arrivals(50), Sites(1)), seed=1)
    assert not without.plot_stocks().lines
    plt.close("all")

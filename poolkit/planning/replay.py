"""`replay_trace`: an observed campaign run again by the simulator, its swabs as they came and one laboratory rate."""

import numpy as np
import pandas as pd

from poolkit.errors import DesignError, Problem
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, Sites, Stage, simulate_line
from poolkit.planning.matching import matching
from poolkit.planning.rate import SHORTEST_HOURS, fit_rate

# Of many laboratories not all runs begin together, so that few machines with short runs stand for all.
_MACHINES, _RUN_MINUTES, _HEADWAY_MINUTES = 10, 30.0, 10.0
_LINGER_MINUTES = 30.0


def replay_trace(
    curves: pd.DataFrame,
    *,
    seed: int,
    before: str = "sampled",
    after: str = "resulted",
    pool_size: int = 10,
    shortest_hours: float = SHORTEST_HOURS,
    share: float = 0.05,
) -> pd.DataFrame:
    """Return how many persons have a result when the simulator works with a trace's swabs and its fitted rate.

    Parameters
    ----------
    curves
        An observed trace as for `fit_rate`.
    seed
        Seed of the simulation.
    before, after, shortest_hours
        As for `fit_rate`.
    pool_size
        Persons that share a tube.
    share
        Part of the persons that is run, and of the rate; counts are given for all.

    Returns
    -------
    pandas.DataFrame
        As `matching` takes it: ``hour`` of the trace, from its first moment at which both are known, and persons
        ``before`` and ``after``, cumulative.

    Raises
    ------
    DesignError
        As `fit_rate`, and when the share or the pool size is out of range; all that is wrong with them is named.

    Notes
    -----
    A cross-check of the fluid of `fit_rate` by events: who waits at the first moment came the shortest time before it,
    all others come evenly between the moments of the trace; sites and couriers keep nobody waiting; tubes are tested in
    runs of one laboratory with the fitted rate. Nobody is infected; the one pool in a thousand that reacts falsely is
    looked into. Cost is that of `simulate_line` for the share.

    References
    ----------
    As for `fit_rate`.

    Examples
    --------
    >>> from poolkit.planning import scenario
    >>> trace = scenario("qingdao-2020-10").traces[0].curves()
    >>> again = replay_trace(trace, seed=1, share=0.002)
    >>> seen = np.interp(trace["hour"], again["hour"], again["resulted"])
    >>> bool((abs(seen / trace["resulted"] - 1.0) < 0.05).all())
    True
    """
    problems = []
    if not 0.0 < share <= 1.0:
        problems.append(Problem("share", f"must be above 0 and at most 1, found {share:g}"))
    if not 1 <= pool_size <= 10:
        problems.append(Problem("pool_size", f"must be from 1 to 10, found {pool_size}"))
    if problems:
        raise DesignError("nothing to replay", problems)
    fitted = fit_rate(curves, before=before, after=after, shortest_hours=shortest_hours)
    known = matching(curves, stages=[before, after]).dropna(subset=["backlog"])
    first = known.iloc[0]
    told = curves[["hour", before]].dropna()
    told = told[told["hour"] >= first["hour"]]
    lead = shortest_hours - first["hour"]
    rates = np.diff(told[before]) / np.diff(told["hour"])
    # Where nobody comes any more, only those who wait are run.
    moves = bool((rates > 0.0).any())
    profile = [*zip(told["hour"] + lead, [*rates, 0.0], strict=True)] if moves else [(0.0, 1.0), (1.0, 0.0)]
    came = share * float(told[before].iloc[-1] - first["entered"])
    waiting = round(share * float(first["backlog"]))
    tubes_an_hour = share * fitted.people_an_hour / pool_size
    slots = max(1, round(tubes_an_hour * _RUN_MINUTES / 60.0 / _MACHINES))
    minutes = _MACHINES * slots * 60.0 / tubes_an_hour
    test = Stage("testing", _MACHINES, minutes=minutes, slots=slots, linger_minutes=_LINGER_MINUTES, reads=True)
    travel = 60.0 * shortest_hours - _RUN_MINUTES - _HEADWAY_MINUTES / 2.0
    hours_of_work = (came + waiting) / (pool_size * tubes_an_hour)
    line = Line(
        arrivals=Arrivals(round(came), tuple(profile), ((0.0, waiting),) if waiting else (), random=False),
        sites=Sites(2, tables=2000, minutes=0.01, spread="fixed", tube_linger_minutes=_LINGER_MINUTES),
        courier=Courier(headway_minutes=_HEADWAY_MINUTES, travel_minutes=max(0.0, travel)),
        labs=(Laboratory(stages=(test,)),),
        pool_size=pool_size,
        prevalence=0.0,
        horizon_hours=float(np.ceil(profile[-1][0] + 2.0 * hours_of_work + 2.0 * shortest_hours + 24.0)),
    )
    run = simulate_line(line, seed=seed).curves()
    run = run[run["hour"] >= shortest_hours - 1e-9]
    return pd.DataFrame(
        {
            "hour": run["hour"].to_numpy(np.float64) - lead,
            before: first["left"] + run["sampled"].to_numpy(np.float64) / share,
            after: first["left"] + run["resulted"].to_numpy(np.float64) / share,
        }
    )

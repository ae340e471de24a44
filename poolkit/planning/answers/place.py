"""`place`: at which of the candidate places mobile laboratories save the most travel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from poolkit.errors import DesignError, Problem
from poolkit.planning.answers.allocate import Allocation, allocate
from poolkit.planning.answers.assumptions import assumed
from poolkit.planning.answers.tables import frame_of, travel_minutes

_SUPPOSED = ("km_per_hour", "travel_limit_minutes")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where mobile laboratories go.

    Attributes
    ----------
    places : pandas.DataFrame
        The candidate places as given, with ``chosen`` and the ``tubes`` that come there.
    allocation : Allocation
        The best routes to the chosen places and the fixed laboratories, with prices.
    gap : float
        How far the choice may be above the best, as a part of it: 0 is proven best. Out of time it is 1 or more where
        it is not even proven that as many tubes have to be left.
    bound : float
        No choice that serves as many tubes takes fewer tube-minutes, as far as is proven.
    """

    places: pd.DataFrame
    allocation: Allocation
    gap: float
    bound: float

    def __repr__(self) -> str:
        """Give the places that were chosen, how sure that is, and the routes."""
        chosen = self.places.loc[self.places["chosen"], "lab"].tolist()
        named = ", ".join(str(name) for name in chosen[:8]) + (", ..." if len(chosen) > 8 else "")
        where = f"{len(chosen)} of {len(self.places)} places" + (f": {named}" if chosen else "")
        return f"Placement({where}; gap {self.gap:.2g})\n  {self.allocation!r}"


def place(
    sites: Any,
    places: Any,
    *,
    n_mobile: int,
    labs: Any = None,
    hours: int = 1,
    gap: float = 0.0,
    seconds: float = 60.0,
    values: Mapping[str, float] | None = None,
) -> Placement:
    """Return which of the candidate places get the mobile laboratories, so that all tubes are taken with least travel.

    Parameters
    ----------
    sites
        Table with ``site``, ``tubes``, ``x_km``, ``y_km``.
    places
        Candidate places: ``lab`` (its name), ``tubes_per_hour`` of a mobile laboratory there, ``x_km``, ``y_km``.
    n_mobile
        Mobile laboratories at most.
    labs
        Fixed laboratories, as `places`; none where not given.
    hours
        Hours in which the tubes are to be started.
    gap
        The search ends when it is proven to be within this part of the best.
    seconds
        The search ends after so long, with the gap that is proven by then.
    values
        Assumptions of your own: ``km_per_hour``, ``travel_limit_minutes``.

    Returns
    -------
    Placement
        The places, the routes, and how far from the best they may be.

    Raises
    ------
    DesignError
        When a table lacks a column or holds what cannot be, or a number is out of range.

    Notes
    -----
    Capacitated facility location as a mixed integer programme, by HiGHS: fewest tubes left, then fewest tube-minutes.
    A site sends to a place at most its tubes where the place is chosen, which makes the linear bound tight. Hard in
    general: some seconds for 300 sites and 40 places. `gap` says what is proven, and the routes are then the best ones
    of the choice (see `allocate`).

    References
    ----------
    Santini 2021, *Optimising the assignment of swabs and reagent for PCR testing during a viral epidemic*, Omega 102,
    102341; Huangfu and Hall 2018, Math Prog Comp 10, 119-142 (HiGHS).

    Examples
    --------
    >>> sites = {"site": ["a", "b", "c"], "tubes": [60, 60, 10], "x_km": [0, 1, 9], "y_km": [0, 0, 0]}
    >>> places = {"lab": ["west", "east"], "tubes_per_hour": [200, 200], "x_km": [0, 9], "y_km": [0, 0]}
    >>> found = place(sites, places, n_mobile=1)
    >>> found.places[["lab", "chosen"]].values.tolist(), found.gap
    ([['west', True], ['east', False]], 0.0)
    """
    problems: list[Problem] = []
    supposed = assumed(_SUPPOSED, values, problems)
    columns = {"tubes_per_hour": True, "x_km": True, "y_km": True}
    asked = frame_of(sites, "sites", {"site": False, "tubes": True, "x_km": True, "y_km": True}, problems, key="site")
    open_to = frame_of(places, "places", {"lab": False} | columns, problems, key="lab")
    fixed = pd.DataFrame({"lab": [], **{column: [] for column in columns}})
    if labs is not None:
        fixed = frame_of(labs, "labs", {"lab": False} | columns, problems, key="lab")
    if not (0 <= n_mobile <= max(len(open_to), 1) and n_mobile % 1 == 0):
        problems.append(Problem("n_mobile", f"must be from 0 to {len(open_to)} places, found {n_mobile}"))
    if asked.empty and not problems:
        problems.append(Problem("sites", "must hold at least one"))
    if hours < 1:
        problems.append(Problem("hours", f"must be at least 1, found {hours}"))
    if not 0.0 <= gap < 1.0:
        problems.append(Problem("gap", f"must be from 0 to below 1, found {gap:g}"))
    if not seconds > 0.0:
        problems.append(Problem("seconds", f"must be above 0, found {seconds:g}"))
    if set(fixed["lab"]) & set(open_to["lab"]):
        problems.append(Problem("labs.lab", "a fixed laboratory has the name of a place"))
    if problems:
        raise DesignError("not a placement", problems)
    every = pd.concat([open_to, fixed], ignore_index=True) if len(fixed) else open_to
    minutes = travel_minutes(asked, every, supposed["km_per_hour"].value)
    minutes = np.where(minutes <= supposed["travel_limit_minutes"].value, minutes, np.inf)
    tubes = asked["tubes"].to_numpy(np.float64)
    capacity = every["tubes_per_hour"].to_numpy(np.float64) * hours
    chosen, proven, bound = _choose(minutes, tubes, capacity, len(open_to), n_mobile, gap, seconds)
    kept = every[np.concatenate([chosen, np.ones(len(fixed), np.bool_)])].reset_index(drop=True)
    routes = allocate(asked, kept, hours=hours, values=values)
    come = kept.assign(tubes=routes.labs["tubes"]).set_index("lab")["tubes"]
    told = open_to.assign(chosen=chosen, tubes=come.reindex(open_to["lab"]).fillna(0.0).to_numpy(np.float64))
    return Placement(told, routes, proven, bound)


def _choose(
    minutes: NDArray[np.float64],
    tubes: NDArray[np.float64],
    capacity: NDArray[np.float64],
    n_places: int,
    n_mobile: int,
    gap: float,
    seconds: float,
) -> tuple[NDArray[np.bool_], float, float]:
    """Solve for the places; columns are the places, tubes left of each site, and the part of a site on each route."""
    n, n_all = minutes.shape
    i, j = np.nonzero(np.isfinite(minutes) & (tubes > 0.0)[:, None])
    reach = minutes[i, j]
    # Leaving a tube costs more than any detour of others that makes room for it.
    top = 2.0 * (n_all + 1) * max(1.0, float(reach.max(initial=1.0)))
    a, routes = i.size, n_places + n + np.arange(i.size)
    n_columns = n_places + n + a
    serve = coo_array(
        (np.ones(n + a), (np.concatenate([np.arange(n), i]), np.concatenate([n_places + np.arange(n), routes]))),
        shape=(n, n_columns),
    )
    mobile = np.flatnonzero(j < n_places)
    is_open = coo_array(
        (
            np.concatenate([tubes[i], -capacity[:n_places]]),
            (np.concatenate([j, np.arange(n_places)]), np.concatenate([routes, np.arange(n_places)])),
        ),
        shape=(n_all, n_columns),
    )
    room = np.where(np.arange(n_all) < n_places, 0.0, capacity)
    only = coo_array(
        (
            np.concatenate([np.ones(mobile.size), -np.ones(mobile.size)]),
            (np.tile(np.arange(mobile.size), 2), np.concatenate([routes[mobile], j[mobile]])),
        ),
        shape=(mobile.size, n_columns),
    )
    count = coo_array((np.ones(n_places), (np.zeros(n_places, np.int64), np.arange(n_places))), shape=(1, n_columns))
    constraints = [
        LinearConstraint(serve.tocsr(), 1.0, 1.0),
        LinearConstraint(is_open.tocsr(), -np.inf, room),
        LinearConstraint(count.tocsr(), -np.inf, float(n_mobile)),
    ]
    constraints += [LinearConstraint(only.tocsr(), -np.inf, 0.0)] if mobile.size else []
    cost = np.concatenate([np.zeros(n_places), top * tubes, tubes[i] * reach])
    found = milp(
        cost,
        integrality=np.concatenate([np.ones(n_places), np.zeros(n + a)]),
        bounds=Bounds(0.0, 1.0),
        constraints=constraints,
        options={"mip_rel_gap": gap, "time_limit": seconds},
    )
    if found.x is None:
        # Out of time before any plan: all tubes left and no place chosen is one, and nothing is proven of it.
        return np.zeros(n_places, np.bool_), 1.0, 0.0
    left = float(found.x[n_places : n_places + n] @ tubes)
    travel, bound = float(found.fun) - top * left, float(found.mip_dual_bound) - top * left
    proven = max(0.0, travel - bound) / max(travel, 1.0)
    return found.x[:n_places] > 0.5, proven if proven > 1e-9 else 0.0, bound

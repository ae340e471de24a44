"""Tubes from sites to laboratories as a network flow: few routes first, more where a price says that they pay."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from poolkit.planning.answers import prices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A route that may pay: its minutes are at most this part of the longest above the site's best, at the guessed prices.
_WIDTH = 0.004
_HOUR = prices.HOUR


class Network(NamedTuple):
    """Who can send where.

    Attributes
    ----------
    minutes : (consignments, laboratories)
        Travel; infinite where a route is not allowed.
    tubes : (consignments,)
        Of each site in each hour.
    hour : (consignments, laboratories)
        In which hour they arrive; past the last one where too late.
    capacity : (laboratories, hours)
        Tubes that can be started in an hour.
    wait : int
        Hours that a tube may lie in the laboratory.
    """

    minutes: Floats
    tubes: Floats
    hour: Ints
    capacity: Floats
    wait: int


class Solved(NamedTuple):
    """The best flow, and the proof.

    Attributes
    ----------
    consignment, laboratory : (routes,)
        Routes in use.
    flow : (routes,)
        Tubes of each.
    left : (consignments,)
        Tubes that no laboratory can take in time.
    started : (laboratories, hours)
        Tubes started.
    waited : float
        Tube-minutes that tubes lie in laboratories.
    price : (laboratories, hours)
        What one more tube an hour saves: tube-minutes, after `more`.
    more : (laboratories, hours)
        How many tubes fewer are left for it, 0 or 1.
    cost : float
        Tube-minutes of travel and waiting.
    bound : float
        No plan that serves as many tubes takes fewer tube-minutes.
    n_routes, n_rounds : int
        Routes in the last programme and programmes solved.
    """

    consignment: Ints
    laboratory: Ints
    flow: Floats
    left: Floats
    started: Floats
    waited: float
    price: Floats
    more: Ints
    cost: float
    bound: float
    n_routes: int
    n_rounds: int


class _Duals(NamedTuple):
    site: Floats
    arrival: Floats
    start: Floats


def solve(network: Network, *, nearest: int) -> Solved:
    """Return the flow with the fewest tubes left and then the fewest tube-minutes, proven over all routes.

    The linear programme starts with each site's few laboratories nearest by minutes plus a guessed price of the
    laboratory. Its duals price every route that was left out: those with a negative reduced cost are added and it is
    solved again, until there is none; then it is the best of all routes.
    """
    minutes, tubes, hour = network.minutes, network.tubes, network.hour
    n, n_labs = minutes.shape
    n_hours = network.capacity.shape[1]
    allowed = np.isfinite(minutes) & (hour < n_hours)
    cost = np.where(allowed, minutes, np.inf)
    longest = max(1.0, float(cost[allowed].max(initial=1.0)) + _HOUR * network.wait)
    # Leaving a tube costs more than any detour of others that makes room for it: fewest left comes first.
    top = 4.0 * (n_labs * n_hours + 1) * longest
    used = _promising(network, cost, top, longest, nearest)
    n_rounds = 0
    while True:
        n_rounds += 1
        i, j = np.nonzero(used)
        values, duals, waits = _programme(network, i, j, top)
        at = np.minimum(hour, n_hours - 1)
        reduced = cost - duals.site[:, None] - duals.arrival[np.arange(n_labs)[None, :], at]
        worst = np.minimum(reduced.min(axis=1, initial=0.0), 0.0)
        pays = (reduced < -1e-6) & ~used
        if not pays.any():
            break
        used |= pays
    flow, left = values[: i.size], values[i.size : i.size + n]
    started, waited = _started(network, values[i.size + n :], waits)
    price = np.maximum(0.0, -duals.start)
    more = np.rint(price / top).astype(np.int64)
    sent = flow > 1e-9
    total = float(flow @ minutes[i, j]) + waited
    return Solved(
        i[sent],
        j[sent],
        flow[sent],
        np.where(left > 1e-9, left, 0.0),
        started,
        waited,
        price - more * top,
        more,
        total,
        total + float(tubes @ worst),
        int(i.size),
        n_rounds,
    )


def _programme(network: Network, i: Ints, j: Ints, top: float) -> tuple[Floats, _Duals, tuple[Ints, Ints, Ints]]:
    """Solve the programme of some routes; columns are the routes, tubes left, and waiting in a laboratory."""
    n, n_labs = network.minutes.shape
    n_hours = network.capacity.shape[1]
    n_slots = n_labs * n_hours
    slot = j * n_hours + network.hour[i, j]
    # Tubes of (laboratory, hour of arrival) start in the same hour or up to `wait` hours later.
    lag, lab, arrive = np.meshgrid(np.arange(network.wait + 1), np.arange(n_labs), np.arange(n_hours), indexing="ij")
    fits = (arrive + lag < n_hours).ravel()
    lag, lab, arrive = (each.ravel()[fits] for each in (lag, lab, arrive))
    a, b, e = i.size, n, lag.size
    row = np.concatenate([i, np.arange(n), n + slot, n + lab * n_hours + arrive])
    column = np.concatenate([np.arange(a), a + np.arange(b), np.arange(a), a + b + np.arange(e)])
    value = np.concatenate([np.ones(2 * a + b), -np.ones(e)])
    equal = coo_array((value, (row, column)), shape=(n + n_slots, a + b + e)).tocsr()
    start = lab * n_hours + arrive + lag
    below = coo_array((np.ones(e), (start, a + b + np.arange(e))), shape=(n_slots, a + b + e)).tocsr()
    found = linprog(
        np.concatenate([network.minutes[i, j], np.full(b, top), _HOUR * lag]),
        A_eq=equal,
        b_eq=np.concatenate([network.tubes, np.zeros(n_slots)]),
        A_ub=below,
        b_ub=network.capacity.ravel(),
        method="highs-ds",
    )
    # Leaving every tube is always allowed and costs are above 0, so that there is a best plan.
    assert found.status == 0, found.message
    duals = found.eqlin.marginals
    shape = (n_labs, n_hours)
    priced = _Duals(duals[:n], duals[n:].reshape(shape), found.ineqlin.marginals.reshape(shape))
    return found.x, priced, (lab, arrive, lag)


def _started(network: Network, held: Floats, waits: tuple[Ints, Ints, Ints]) -> tuple[Floats, float]:
    lab, arrive, lag = waits
    started = np.zeros(network.capacity.shape)
    np.add.at(started, (lab, arrive + lag), held)
    return started, float(_HOUR * (held @ lag))


def _promising(network: Network, cost: Floats, top: float, longest: float, nearest: int) -> NDArray[np.bool_]:
    """Return the routes to begin with: at most the few nearest of each consignment, and at least the best of them."""
    n, n_labs = cost.shape
    scale = prices.Scale(top, longest)
    if network.capacity.shape[1] == 1:
        priced = cost + prices.guess(cost, network.tubes, network.capacity[:, 0], scale)
    else:
        price = prices.guess_hourly(cost, network.tubes, network.hour, network.capacity, network.wait, scale)
        at = np.minimum(network.hour, network.capacity.shape[1] - 1)
        priced = cost + price[np.arange(n_labs)[None, :], at]
    used = priced <= priced.min(axis=1, keepdims=True, initial=np.inf) + _WIDTH * longest
    if nearest < n_labs:
        near = np.argpartition(priced, nearest - 1, axis=1)[:, :nearest]
        few = np.zeros_like(used)
        few[np.arange(n)[:, None], near] = True
        used &= few
    return np.asarray(used & np.isfinite(cost), np.bool_)

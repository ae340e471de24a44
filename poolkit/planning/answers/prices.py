"""Guessed prices of laboratories: what a place in each is about worth, before any programme is solved."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOUR = 60.0
_TEMPERATURES = (0.04, 0.01, 0.0025)
_STEPS = 12
_EVALUATIONS = 100


class Scale(NamedTuple):
    """What leaving a tube costs, and the longest way of one."""

    top: float
    longest: float


def guess(cost: Floats, tubes: Floats, capacity: Floats, scale: Scale) -> Floats:
    """Return about what a place in each laboratory is worth: the dual of the flow, smoothed, by Newton's method.

    Each consignment chooses softly among the laboratories by minutes plus price and leaving the tube, which costs
    `top`; prices rise where more is sent than fits. The softness is lowered in steps. O(consignments x laboratories^2)
    a step, without BLAS, whose threads wait for each other on a busy machine. Only a guess: what it leaves out is
    priced by the programme's own duals.
    """
    top, longest = scale
    n_labs = cost.shape[1]
    total = float(tubes.sum())
    if total <= 0.0 or not n_labs:
        return np.zeros(n_labs)
    weight, share = tubes / total, capacity / total
    ceiling = np.where(np.isfinite(cost), cost, 10.0 * top)
    price = np.full(n_labs, top - longest if share.sum() < 1.0 else 0.0)
    for heat in _TEMPERATURES:
        softness = heat * longest
        value, chosen = _soft(ceiling, weight, price, top, softness)
        value -= float(share @ price)
        for _ in range(_STEPS):
            load = (weight[:, None] * chosen).sum(axis=0)
            gap = load - share
            free = (price > 0.0) | (gap > 0.0)
            if not free.any() or np.abs(gap[free]).max() < 1e-4:
                break
            bend = (np.diag(load) - np.einsum("ij,ik->jk", weight[:, None] * chosen, chosen)) / softness
            bend = bend[np.ix_(free, free)] + 1e-9 * max(1.0, float(bend.max())) * np.eye(int(free.sum()))
            step = np.zeros(n_labs)
            step[free] = np.clip(np.linalg.solve(bend, gap[free]), -20.0 * softness, 20.0 * softness)
            length = 1.0
            while length > 1e-3:
                tried = np.maximum(0.0, price + length * step)
                better, choice = _soft(ceiling, weight, tried, top, softness)
                better -= float(share @ tried)
                if better >= value + 1e-4 * float(gap @ (tried - price)):
                    price, value, chosen = tried, better, choice
                    break
                length /= 2.0
            else:
                break
    return price


def _soft(cost: Floats, weight: Floats, price: Floats, top: float, softness: float) -> tuple[float, Floats]:
    priced = cost + price
    least = np.minimum(priced.min(axis=1), top)
    likely = np.exp((least[:, None] - priced) / softness)
    total = likely.sum(axis=1) + np.exp((least - top) / softness)
    value = float(weight @ (least - softness * np.log(total)))
    return value, likely / total[:, None]


def guess_hourly(cost: Floats, tubes: Floats, hour: Ints, capacity: Floats, wait: int, scale: Scale) -> Floats:
    """Return about what it costs to arrive at each laboratory (row) in each hour (column), waiting and place.

    As `guess`, with a price for each hour in which tubes are started; who arrives chooses softly among the hours up to
    `wait` later, each an hour of waiting more. By a quasi-Newton method, O(consignments x laboratories) a step.
    """
    top, longest = scale
    n_labs, n_hours = capacity.shape
    total = float(tubes.sum())
    if total <= 0.0 or not n_labs:
        return np.zeros((n_labs, n_hours))
    weight, share = tubes / total, capacity / total
    ceiling = np.where(np.isfinite(cost), cost, 10.0 * top)
    arrival = np.minimum(hour, n_hours - 1) + np.arange(n_labs)[None, :] * n_hours
    price = np.full(capacity.size, top - longest if share.sum() < 1.0 else 0.0)

    def slack(flat: Floats, softness: float) -> tuple[float, Floats]:
        there, chance = _arrive(flat.reshape(n_labs, n_hours), wait, softness)
        value, chosen = _soft(ceiling, weight, there.ravel()[arrival], top, softness)
        load = np.bincount(arrival.ravel(), (weight[:, None] * chosen).ravel(), capacity.size).reshape(n_labs, n_hours)
        started = np.zeros((n_labs, n_hours))
        for lag, part in enumerate(chance):
            started[:, lag:] += (load * part)[:, : n_hours - lag]
        gain = float(share.ravel() @ flat) - value
        return gain / longest, (share - started).ravel() / longest

    softness = longest
    for heat in _TEMPERATURES:
        softness = heat * longest
        found = minimize(
            slack,
            price,
            args=(softness,),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * price.size,
            options={"maxfun": _EVALUATIONS, "maxiter": _EVALUATIONS, "ftol": 1e-15, "gtol": 1e-7},
        )
        price = found.x
    return _arrive(price.reshape(n_labs, n_hours), wait, softness)[0]


def _arrive(price: Floats, wait: int, softness: float) -> tuple[Floats, list[Floats]]:
    """Return the soft least of waiting and price from each hour on, and how likely each hour of waiting is."""
    n_hours = price.shape[1]
    offers = np.full((min(wait, n_hours - 1) + 1, *price.shape), np.inf)
    for lag in range(offers.shape[0]):
        offers[lag, :, : n_hours - lag] = price[:, lag:] + HOUR * lag
    least = offers.min(axis=0)
    likely = np.exp((least - offers) / softness)
    total = likely.sum(axis=0)
    return least - softness * np.log(total), list(likely / total)

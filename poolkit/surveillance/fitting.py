"""Climbing a log-likelihood: Newton steps with halving, Firth's penalty, and a normal effect of sites by Laplace."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from poolkit.arrays import frozen
from poolkit.kernels import overlapping
from poolkit.kernels import regression as kernels
from poolkit.kernels.regression import Forest
from poolkit.surveillance.answers import Answers

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
_N_STEPS, _N_HALVINGS, _DECREMENT = 100, 40, 1e-12
_APART = 1e-4  # of slopes that are differences
_LEAST_SD = 1e-3
_STARTS = (0.005, 0.05, 0.4)


class Slope(NamedTuple):
    """A log-likelihood, its first and its second derivatives."""

    value: float
    gradient: Floats
    curvature: Floats


class Fit(NamedTuple):
    """Where a climb ended."""

    at: Floats
    top: Slope
    converged: bool


class Likelihood:
    """The likelihood of what was read, by the coefficients of a design.

    Parameters
    ----------
    answers
        What was read.
    design
        One row a sample in their order, one column a coefficient.
    link
        Place of the link in `kernels.LINKS`.
    """

    def __init__(self, answers: Answers, design: Floats, link: int) -> None:
        self.answers, self.design, self.link = answers, frozen(np.ascontiguousarray(design)), link
        self._ones = frozen(np.ones((design.shape[0], 1)))
        self.n_parts = int(answers.part[-1]) + 1

    def at(self, beta: Floats) -> Slope:
        """Return the log-likelihood at some coefficients."""
        k, eta = self.design.shape[1], self.design @ beta
        if isinstance(self.answers.read, Forest):
            total, slopes, bends = np.empty(self.n_parts), np.empty((1, k)), np.empty((1, k, k))
            kernels.likelihood(self.answers.read, self.design, frozen(eta), self.link, total, slopes, bends)
            return Slope(_finite(total.sum()), slopes[0], _whole(bends[0]))
        total, slope = self._scores(eta)
        bend = np.empty((k, k))
        for a in range(k):
            step = _APART * self.design[:, a]
            up, down = self._scores(eta + step)[1], self._scores(eta - step)[1]
            bend[a] = self.design.T @ (up - down) / (2.0 * _APART)
        return Slope(_finite(total.sum()), self.design.T @ slope, (bend + bend.T) / 2.0)

    def _scores(self, eta: Floats) -> tuple[Floats, Floats]:
        assert not isinstance(self.answers.read, Forest)
        total, slope = np.empty(self.n_parts), np.empty(eta.size)
        overlapping.scores(self.answers.read, frozen(eta), self.link, total, slope)
        return total, slope

    def shifted(self, eta: Floats) -> Floats:
        """Return the log-likelihood of each part, and its derivatives when all its predictors move: (parts, 3)."""
        if isinstance(self.answers.read, Forest):
            total, slopes, bends = np.empty(self.n_parts), np.empty((self.n_parts, 1)), np.empty((self.n_parts, 1, 1))
            kernels.likelihood(self.answers.read, self._ones, frozen(eta), self.link, total, slopes, bends)
            return np.column_stack([total, slopes[:, 0], bends[:, 0, 0]])
        total, slope = self._scores(eta)
        up, down = self._scores(eta + _APART)[1], self._scores(eta - _APART)[1]
        sums = [np.bincount(self.answers.part, each, self.n_parts) for each in (slope, (up - down) / (2.0 * _APART))]
        return np.column_stack([total, *sums])

    def half_log_information(self, beta: Floats) -> float:
        """Return half the logarithm of the determinant of what the first round is expected to say."""
        k = self.design.shape[1]
        out = np.empty((k, k))
        kernels.information(*self.answers.first, self.design, frozen(self.design @ beta), self.link, out)
        sign, size = np.linalg.slogdet(_whole(out))
        return 0.5 * float(size) if sign > 0 else -np.inf

    def penalised(self, beta: Floats) -> Slope:
        """Return the log-likelihood with Firth's penalty."""
        plain = self.at(beta)
        value, gradient, curvature = differences(self.half_log_information, beta, 1e-3)
        return Slope(plain.value + value, plain.gradient + gradient, plain.curvature + curvature)


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else -np.inf


def _whole(lower: Floats) -> Floats:
    return np.asarray(np.tril(lower) + np.tril(lower, -1).T)


def differences(function: Callable[[Floats], float], at: Floats, step: float) -> Slope:
    """Return a function's value with first and second derivatives by central differences."""
    k = at.size
    moves = step * np.eye(k)
    middle = function(at)
    up, down = (np.array([function(at + way * move) for move in moves]) for way in (1, -1))
    bend = np.diag((up - 2.0 * middle + down) / step**2)
    for a in range(k):
        for b in range(a):
            both = function(at + moves[a] + moves[b]) + function(at - moves[a] - moves[b])
            cross = both - up[a] - up[b] - down[a] - down[b] + 2.0 * middle
            bend[a, b] = bend[b, a] = cross / (2.0 * step**2)
    return Slope(middle, (up - down) / (2.0 * step), bend)


def started(likelihood: Likelihood) -> Floats:
    """Return the best of a few common risks: from too high a one a climb may end on the plateau of all infected."""
    alone = Likelihood(likelihood.answers, np.ones((likelihood.design.shape[0], 1)), likelihood.link)
    risks = np.array(_STARTS)
    ways = (special.logit(risks), special.ndtri(risks), np.log(-np.log1p(-risks)))
    best = max(ways[likelihood.link], key=lambda eta: alone.at(np.array([eta])).value)
    start = np.zeros(likelihood.design.shape[1])
    start[0] = best
    return start


def climb(function: Callable[[Floats], Slope], start: Floats) -> Fit:
    """Return the top of a function by Newton steps, bent down where it is not concave and halved where they fall."""
    at, here = start, function(start)
    for _ in range(_N_STEPS):
        step, concave = _newton(here)
        decrement = float(here.gradient @ step)
        if concave and decrement < _DECREMENT * (1.0 + abs(here.value)):
            # One step more, whose error is the square of the last.
            last = function(at + step)
            closer = last.value >= here.value - _DECREMENT * (1.0 + abs(here.value))
            return Fit(at + step, last, converged=True) if closer else Fit(at, here, converged=True)
        share = 1.0
        for _ in range(_N_HALVINGS):
            there = function(at + share * step)
            if there.value > here.value and np.isfinite(there.curvature).all():
                break
            share /= 2.0
        else:
            # No step climbs: the top, as far as these numbers tell.
            return Fit(at, here, converged=concave and decrement < 1e-6)
        at, here = at + share * step, there
    return Fit(at, here, converged=False)


def _newton(here: Slope) -> tuple[Floats, bool]:
    bent, concave = -here.curvature, True
    ridge = 1e-8 * max(float(np.abs(np.diag(bent)).max()), 1e-8)
    while True:
        try:
            lower = np.linalg.cholesky(bent)
            return np.linalg.solve(lower.T, np.linalg.solve(lower, here.gradient)), concave
        except np.linalg.LinAlgError:
            bent, concave = bent + ridge * np.eye(bent.shape[0]), False
            ridge *= 10.0


class Sites(NamedTuple):
    """A fit with a normal effect of sites."""

    fit: Fit
    sd: float
    effects: Floats
    errors: Floats


class SiteLikelihood:
    """The likelihood with a normal effect of sites integrated out by Laplace's approximation.

    Parameters
    ----------
    likelihood
        Without sites.
    site_of_part, site_of_sample
        The site of each part and of each sample.
    """

    def __init__(self, likelihood: Likelihood, site_of_part: Places, site_of_sample: Places) -> None:
        self._of, self._parts, self._samples = likelihood, site_of_part, site_of_sample
        self.n_sites = int(site_of_part.max()) + 1
        self.effects = np.zeros(self.n_sites)
        self.errors = np.zeros(self.n_sites)

    def at(self, point: Floats) -> float:
        """Return the log-likelihood at coefficients and the logarithm of the standard deviation of the effects."""
        fixed, variance = self._of.design @ point[:-1], float(np.exp(2.0 * point[-1]))
        effects = self.effects
        here = self._sums(fixed, effects)
        height = here[0] - effects**2 / (2.0 * variance)
        for _ in range(50):
            steps = (here[1] - effects / variance) / (np.maximum(-here[2], 0.0) + 1.0 / variance)
            if np.abs(steps).max() < 1e-10:
                break
            for _ in range(20):
                there = self._sums(fixed, effects + steps)
                higher = there[0] - (effects + steps) ** 2 / (2.0 * variance)
                lower = ~(higher >= height - 1e-12 * (1.0 + np.abs(height)))
                if not lower.any():
                    break
                steps = np.where(lower, steps / 2.0, steps)
            effects, here, height = effects + steps, there, higher
        if not np.isfinite(height).all():
            return -np.inf
        self.effects = effects
        bent = np.maximum(1.0 - variance * here[2], 1e-8)
        self.errors = np.sqrt(variance / bent)
        return float((height - 0.5 * np.log(bent)).sum())

    def _sums(self, fixed: Floats, effects: Floats) -> Floats:
        found = self._of.shifted(fixed + effects[self._samples])
        return np.array([np.bincount(self._parts, each, self.n_sites) for each in found.T])


def with_sites(likelihood: SiteLikelihood, start: Floats) -> Sites:
    """Return the best coefficients and spread of the effects of sites."""
    k = start.size
    bounds = [(None, None)] * k + [(np.log(_LEAST_SD), np.log(10.0))]
    found = optimize.minimize(
        lambda point: -likelihood.at(point),
        np.append(start, np.log(0.5)),
        method="L-BFGS-B",
        jac=lambda point: -_gradient(likelihood.at, point),
        bounds=bounds,
        options={"ftol": 1e-12, "gtol": 1e-6},
    )
    point = np.asarray(found.x)
    spread = bool(point[-1] > np.log(_LEAST_SD) + 1e-6)
    if spread:
        top = differences(likelihood.at, point, 1e-3)
    else:
        # No spread is left: only the coefficients are free.
        top = differences(lambda beta: likelihood.at(np.append(beta, point[-1])), point[:k], 1e-3)
    likelihood.at(point)
    fit = Fit(point[:k], top, converged=bool(np.abs(top.gradient).max() < 1e-2))
    return Sites(fit, float(np.exp(point[-1])) if spread else 0.0, likelihood.effects, likelihood.errors)


def _gradient(function: Callable[[Floats], float], at: Floats) -> Floats:
    moves = 1e-5 * np.eye(at.size)
    return np.array([(function(at + move) - function(at - move)) / 2e-5 for move in moves])

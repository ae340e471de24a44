"""Regression from pools, by the definition: every truth of every part, and slopes by differences."""

from itertools import product
from math import erf, exp, expm1, log, pi, sqrt

import numpy as np
from scipy import optimize


def risk(eta, link):
    """Return (risk, 1 - risk)."""
    if link == "logit":
        return 1 / (1 + exp(-eta)), 1 / (1 + exp(eta))
    if link == "probit":
        return (1 + erf(eta / sqrt(2))) / 2, (1 - erf(eta / sqrt(2))) / 2
    return -expm1(-exp(eta)), exp(-exp(eta))


def parts(n, tests):
    """Return samples that are in pools together, directly or not; tests are (samples, call, sensitivity, false)."""
    of = list(range(n))
    for members, *_ in tests:
        joined = {of[i] for i in members}
        of = [min(joined) if each in joined else each for each in of]
    return [[i for i in range(n) if of[i] == part] for part in sorted(set(of))]


def log_likelihood(eta, tests, link):
    """Return the logarithm of the probability of all calls."""
    total = 0.0
    for part in parts(len(eta), tests):
        here = [each for each in tests if each[0][0] in part]
        weight = 0.0
        for truth in product((0, 1), repeat=len(part)):
            state = dict(zip(part, truth, strict=True))
            chance = 1.0
            for i in part:
                chance *= risk(eta[i], link)[1 - state[i]]
            for members, call, found, false in here:
                reacts = found if any(state[i] for i in members) else false
                chance *= reacts if call else 1 - reacts
            weight += chance
        total += log(weight)
    return total


def slopes(function, at, step=1e-4):
    """Return (first, second derivatives) by differences."""
    at, k = np.asarray(at, float), len(at)
    moves = step * np.eye(k)
    first = [(function(at + move) - function(at - move)) / (2 * step) for move in moves]
    second = [
        [
            sum(a * b * function(at + a * moves[i] + b * moves[j]) for a in (1, -1) for b in (1, -1)) / (4 * step**2)
            for j in range(k)
        ]
        for i in range(k)
    ]
    return np.array(first), np.array(second)


def fit(design, tests, link):
    """Return (coefficients, standard errors, log-likelihood) of the best fit."""
    design = np.asarray(design, float)

    def loss(beta):
        return -log_likelihood((design @ beta).tolist(), tests, link)

    found = optimize.minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-7})
    second = slopes(loss, found.x)[1]
    return found.x, np.sqrt(np.diag(np.linalg.inv(second))), -found.fun


def laplace(eta, tests, link, sites, sd):
    """Return the log-likelihood with a normal effect of each sample's site integrated out by Laplace."""
    total = 0.0
    for site in sorted(set(sites)):
        inside = [i for i in range(len(eta)) if sites[i] == site]
        place = {i: k for k, i in enumerate(inside)}
        here = [(tuple(place[i] for i in each[0]), *each[1:]) for each in tests if each[0][0] in place]

        def height(u, inside=inside, here=here):
            at = log_likelihood([eta[i] + u for i in inside], here, link)
            return at - u**2 / (2 * sd**2) - log(sd * sqrt(2 * pi))

        top = optimize.minimize_scalar(lambda u: -height(u), bracket=(-1.0, 1.0), tol=1e-10).x
        bend = -slopes(lambda u: height(u[0]), [top])[1][0, 0]
        total += height(top) + 0.5 * log(2 * pi / bend)
    return total

"""Degree, backlog and lag of cumulative curves, and a laboratory of one rate, from their definitions."""

from itertools import pairwise


def at(points, hour):
    """Return a curve of (hour, count) at an hour, straight between its points, None beyond them."""
    if not points or hour < points[0][0] or hour > points[-1][0]:
        return None
    for (left, low), (right, high) in pairwise(points):
        if left <= hour <= right:
            return low + (high - low) * (hour - left) / (right - left)
    return points[-1][1]


def reached(points, count):
    """Return the first hour at which a curve is as high as a count, None where it never is."""
    if points[0][1] >= count:
        return points[0][0]
    for (left, low), (right, high) in pairwise(points):
        if high >= count:
            return left + (right - left) * (count - low) / (high - low)
    return None


def match(hours, entering, leaving):
    """Return (degree, backlog, lag) at each hour, None where unknown."""
    rows = []
    for hour in hours:
        entered, left = at(entering, hour), at(leaving, hour)
        degree = left / entered if entered and left is not None else None
        backlog = entered - left if entered is not None and left is not None else None
        when = None if entered is None else reached(leaving, entered)
        rows.append((degree, backlog, None if when is None else max(when - hour, 0.0)))
    return rows


def drained(points, first, rate, shortest, hours, n_steps):
    """Return the results at each hour: in small steps the laboratory works off what has come to it, at one rate."""
    start, end = points[0][0], max(hours)
    step = (end - start) / n_steps
    done, results = float(first), [(start, float(first))]
    for k in range(1, n_steps + 1):
        now = start + k * step
        came = at(points, min(max(now - shortest, start), points[-1][0]))
        done = max(done, min(done + rate * step, came))
        results.append((now, done))
    return [at(results, min(hour, results[-1][0])) for hour in hours]

"""What queues are known to do without simulation: Erlang, Allen and Cunneen, batches that form, fluids, Little."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from poolkit.errors import DesignError, Problem


def _refuse(**found: float) -> None:
    problems = []
    for name, value in found.items():
        counted = name in ("servers", "size")
        if not (value >= counted and (not counted or value % 1 == 0)):
            rule = "at least 1, and whole" if counted else "at least 0"
            problems.append(Problem(name, f"must be {rule}, found {value:g}"))
    if problems:
        raise DesignError("not a queue", problems)


def erlang_c(servers: int, load: float) -> float:
    """Return the probability that who comes has to wait, in a queue of random arrivals and exponential service (M/M/c).

    Parameters
    ----------
    servers
        Servers, at least 1.
    load
        Arrivals in one mean service time, at least 0.

    Returns
    -------
    float
        From 0 to 1; 1 where the load is as large as the servers or larger.

    Raises
    ------
    DesignError
        When a number is too small.

    Notes
    -----
    By the recursion of Erlang's B, ``B(c) = a B(c - 1) / (c + a B(c - 1))``, which is stable for thousands of servers:
    ``C = B / (1 - a / c (1 - B))``. It takes O(servers).

    References
    ----------
    Erlang 1917; Cooper 1981, *Introduction to Queueing Theory*, 2nd edition, section 3.5.

    Examples
    --------
    >>> round(erlang_c(3, 2.0), 6), round(erlang_c(10, 25 / 3), 6)
    (0.444444, 0.487611)
    """
    _refuse(servers=servers, load=load)
    if load >= servers:
        return 1.0
    lost = 1.0
    for k in range(1, servers + 1):
        lost = load * lost / (k + load * lost)
    return lost / (1.0 - load / servers * (1.0 - lost))


def wait_exceeds(servers: int, load: float, *, minutes: float, than_minutes: float) -> float:
    """Return the probability that the wait in an M/M/c queue is longer than some minutes.

    Parameters
    ----------
    servers, load
        As for `erlang_c`.
    minutes
        Mean minutes of service.
    than_minutes
        The wait to compare with.

    Returns
    -------
    float
        ``C exp(-(c - a) t / minutes)``; 1 where the load is too large.

    Raises
    ------
    DesignError
        When a number is too small.

    Notes
    -----
    For service in the order of arrival.

    References
    ----------
    Cooper 1981, *Introduction to Queueing Theory*, 2nd edition, section 3.5.

    Examples
    --------
    >>> round(wait_exceeds(20, 18.0, minutes=40 / 60, than_minutes=1.0), 7)
    0.0274212
    """
    _refuse(minutes=minutes, than_minutes=than_minutes)
    waits = erlang_c(servers, load)
    if load >= servers:
        return 1.0
    return float(waits * np.exp(-(servers - load) * than_minutes / minutes))


def allen_cunneen(
    servers: int, load: float, *, minutes: float, arrival_variation: float = 1.0, service_variation: float = 1.0
) -> float:
    """Return the mean minutes of waiting in a queue of any arrivals and service, by Allen and Cunneen.

    Parameters
    ----------
    servers, load
        As for `erlang_c`.
    minutes
        Mean minutes of service.
    arrival_variation, service_variation
        Standard deviation by mean of the time between arrivals and of service: 1 is by chance, 0 is even.

    Returns
    -------
    float
        Mean wait in minutes; infinite where the load is as large as the servers or larger.

    Raises
    ------
    DesignError
        When a number is too small.

    Notes
    -----
    ``C(c, a) minutes / (c - a) (ca^2 + cs^2) / 2``: exact where both variations are 1 (M/M/c) and for one server with
    random arrivals (M/G/1), otherwise an approximation that is good under heavy load.

    References
    ----------
    Allen 1990, *Probability, Statistics and Queueing Theory*, 2nd edition, section 5.3.4.

    Examples
    --------
    >>> wait = allen_cunneen(10, 25 / 3, minutes=0.5)
    >>> round(60 * wait, 5), round(60 * allen_cunneen(10, 25 / 3, minutes=0.5, service_variation=0.5), 5)
    (8.77699, 5.48562)
    """
    _refuse(minutes=minutes, arrival_variation=arrival_variation, service_variation=service_variation)
    waits = erlang_c(servers, load)
    if load >= servers:
        return float("inf")
    return waits * minutes / (servers - load) * (arrival_variation**2 + service_variation**2) / 2.0


def batch_forming_delay(size: int, *, an_hour: float, linger_minutes: float = float("inf")) -> float:
    """Return the mean minutes that a specimen waits for its batch to be full, or to have lingered enough.

    Parameters
    ----------
    size
        Specimens of a full batch.
    an_hour
        Specimens that come in an hour.
    linger_minutes
        A batch starts when its first specimen has waited for so long.

    Returns
    -------
    float
        ``(size - 1) / (2 rate)`` for batches that fill in time, and otherwise the mean over those that come within the
        linger time, the first of whom waits for all of it.

    Raises
    ------
    DesignError
        When a number is too small.

    Notes
    -----
    Exact for even arrivals and a server that is always free.

    References
    ----------
    Hopp and Spearman 2011, *Factory Physics*, 3rd edition, section 9.4, wait-to-batch time.

    Examples
    --------
    >>> batch_forming_delay(94, an_hour=600), batch_forming_delay(94, an_hour=60, linger_minutes=15)
    (4.65, 7.5)
    """
    _refuse(size=size, an_hour=an_hour, linger_minutes=linger_minutes)
    if an_hour == 0.0:
        return 0.0 if size == 1 else linger_minutes
    gap = 60.0 / an_hour
    if (size - 1) * gap <= linger_minutes:
        return (size - 1) * gap / 2.0
    # One that comes at the very end of the linger time is taken still.
    others = int(linger_minutes / gap + 1e-9)
    return linger_minutes - others * gap / 2.0


def littles_law(an_hour: float, hours: float) -> float:
    """Return how many are under way on average: what comes in an hour times the hours that each stays.

    Parameters
    ----------
    an_hour
        Arrivals an hour.
    hours
        Mean hours of stay.

    Returns
    -------
    float
        Mean number present.

    Raises
    ------
    DesignError
        When a number is negative.

    Notes
    -----
    It holds for any stage and order of service, over a time that begins and ends empty.

    References
    ----------
    Little 1961, *A proof for the queuing formula L = lambda W*, Operations Research 9(3).

    Examples
    --------
    >>> littles_law(158_400, 22.5)
    3564000.0
    """
    _refuse(an_hour=an_hour, hours=hours)
    return an_hour * hours


def fluid_backlog(hours: ArrayLike, came: ArrayLike, *, an_hour: ArrayLike) -> pd.DataFrame:
    """Return how a backlog builds up and is worked off, arrivals and work flowing evenly between the hours given.

    Parameters
    ----------
    hours
        Hours, rising.
    came
        How many have come by then, never falling.
    an_hour
        How many can be done in an hour: one number, or one for the time from each hour to the next (one fewer).

    Returns
    -------
    pandas.DataFrame
        ``hour``, ``came``, ``done``, ``backlog``, and ``wait_hours`` that who comes then will wait (missing where the
        work is not done by the end). Where something is left and work goes on, a last row says when it is done.

    Raises
    ------
    DesignError
        When the hours or numbers are out of order, or lengths do not fit.

    Notes
    -----
    ``done(t) = min over s <= t of came(s) + C(t) - C(s)``, with C the work that can be done by t: exact at each hour.

    References
    ----------
    Newell 1982, *Applications of Queueing Theory*, 2nd edition, chapter 2.

    Examples
    --------
    >>> fluid_backlog([0, 10], [0, 1000], an_hour=80)[["hour", "done", "backlog", "wait_hours"]].values.tolist()
    [[0.0, 0.0, 0.0, 0.0], [10.0, 800.0, 200.0, 2.5], [12.5, 1000.0, 0.0, 0.0]]
    """
    times, total = np.asarray(hours, np.float64), np.asarray(came, np.float64)
    rates = np.asarray(an_hour, np.float64)
    problems = []
    if times.ndim != 1 or times.size < 2 or not (np.diff(times) > 0.0).all():
        problems.append(Problem("hours", "must be two or more that rise"))
    if total.shape != times.shape or not (np.diff(total) >= 0.0).all():
        problems.append(Problem("came", "must have as many numbers as hours, and never fall"))
    if rates.shape not in ((), (times.size - 1,)) or not (rates >= 0.0).all():
        problems.append(Problem("an_hour", "must be one number, or one fewer than hours, and not negative"))
    if problems:
        raise DesignError("not a fluid", problems)
    rates = np.broadcast_to(rates, times.size - 1)
    work = np.concatenate([[0.0], np.cumsum(rates * np.diff(times))])
    done = np.minimum(work, work + np.minimum.accumulate(total - work))
    left = total[-1] - done[-1]
    if left > 1e-9 * max(1.0, total[-1]) and rates[-1] > 0.0:
        times = np.append(times, times[-1] + left / rates[-1])
        total, done = np.append(total, total[-1]), np.append(done, total[-1])
    # The first hour at which as many are done, and the one before.
    after = np.minimum(np.searchsorted(done, total - 1e-9), done.size - 1)
    before = np.maximum(after - 1, 0)
    step = np.maximum(done[after] - done[before], 1e-300)
    until = times[before] + np.clip((total - done[before]) / step, 0.0, 1.0) * (times[after] - times[before])
    until = np.where(done[-1] >= total - 1e-9, until, np.nan)
    wait = np.where(total <= done, 0.0, until - times)
    return pd.DataFrame({"hour": times, "came": total, "done": done, "backlog": total - done, "wait_hours": wait})

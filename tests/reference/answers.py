"""The planner's answers from their definitions: every tube, every choice of places, every hour, one by one."""

from functools import cache
from itertools import combinations
from math import ceil, comb, inf

TOP = 1e6


def best_allocation(tubes, capacity, *, wait, timed):
    """Return (tubes left, tube-minutes) of the best plan, by trying every start of every tube.

    tubes: (hour sampled, minutes to each laboratory) of each tube; capacity: by laboratory and hour. Untimed, there is
    one hour and a tube is there at once.
    """
    n_hours = len(capacity[0])
    start = tuple(tuple(row) for row in capacity)

    @cache
    def best(k, room):
        if k == len(tubes):
            return 0.0
        hour, minutes = tubes[k]
        found = TOP + best(k + 1, room)
        for lab, travel in enumerate(minutes):
            if travel == inf:
                continue
            there = hour + ceil(travel / 60) if timed else 0
            for begun in range(there, min(n_hours, there + (wait if timed else 0) + 1)):
                if room[lab][begun] > 0:
                    left = tuple(
                        tuple(each - (at == begun and which == lab) for at, each in enumerate(row))
                        for which, row in enumerate(room)
                    )
                    found = min(found, travel + 60 * (begun - there) + best(k + 1, left))
        return found

    return best(0, start)


def best_places(tubes, places, fixed, n_mobile):
    """Return the cost of the best choice of at most so many places; capacities of places and of fixed laboratories."""
    n = len(places)
    found = inf
    for count in range(n_mobile + 1):
        for chosen in combinations(range(n), count):
            room = [[each if k in chosen else 0] for k, each in enumerate(places)] + [[each] for each in fixed]
            found = min(found, best_allocation(tubes, room, wait=0, timed=False))
    return found


def burn(use, stock, deliveries, point):
    """Return when stock runs out, when it falls to a point (None: never), what is short, and the level hour by hour."""
    level = stock + sum(units for hour, units in deliveries if hour == 0)
    levels, out, at, short = [level], None, None, 0.0
    for hour, each in enumerate(use):
        if at is None and level < point:
            at = float(hour)
        elif at is None and level - each < point:
            at = hour + (level - point) / each
        if out is None and level - each < 0:
            out = hour + level / each
        short += max(0.0, each - level)
        level = max(0.0, level - each) + sum(units for when, units in deliveries if when == hour + 1)
        levels.append(level)
    return out, at, short, levels


def busiest(use, hours):
    """Return the most used in so many whole hours on end, the use repeating."""
    return max(sum(use[(begun + k) % len(use)] for k in range(hours)) for begun in range(len(use)))


def reacts(prevalence, size, sensitivity, specificity, *, independent):
    """Return how likely a pool reacts, over how many of its members are infected."""
    total = 0.0
    for k in range(size + 1):
        chance = comb(size, k) * prevalence**k * (1 - prevalence) ** (size - k)
        seen = 1 - specificity if k == 0 else (1 - (1 - sensitivity) ** k if independent else sensitivity)
        total += chance * seen
    return total

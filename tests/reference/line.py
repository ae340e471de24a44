"""A line by its definition: people, tubes and specimens one by one, every queue a list, every instant looked at.

It reads the same descriptions (attributes only) and draws the same hashed numbers, in integers of Python.
"""

import heapq
import math

GAPS, SWABS, INFECTED, REACTS, SERVICE, FAILS, BREAKS, REPAIRS, INVALID = range(9)
WORD = 2**64 - 1


def mixed(bits):
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & WORD
    return bits ^ (bits >> 31)


def stream(seed, kind, number):
    return mixed(mixed(mixed(seed ^ 0x9E3779B97F4A7C15) ^ (kind + 1)) ^ (number + 1))


def chance(key, index):
    return ((mixed(key ^ (((index + 1) * 0x9E3779B97F4A7C15) & WORD)) >> 11) + 0.5) * 2.0**-53


def noise(of, key, index):
    if of.spread == "fixed":
        return 1.0
    if of.spread == "exponential":
        return -math.log(chance(key, index))
    sigma = math.sqrt(math.log1p(of.variation**2))
    normal = math.sqrt(-2 * math.log(chance(key, 2 * index))) * math.cos(2 * math.pi * chance(key, 2 * index + 1))
    return math.exp(sigma * normal - sigma * sigma / 2)


def at_work(servers, shifts, teams, opens_hour, horizon_hours):
    """Return (function of minute to servers at work, minutes at which it may change)."""
    days = range(-1, int(horizon_hours // 24) + 2)
    turns = [((24.0 * d + s.from_hour) * 60.0, (24.0 * d + s.to_hour) * 60.0, s.servers) for d in days for s in shifts]
    support = [(team.from_hour * 60.0, team.to_hour * 60.0, team.servers) for team in teams]

    def level(t):
        if t < opens_hour * 60.0:
            return 0
        own = servers
        if shifts:
            own = min(servers, sum(servers if n is None else n for start, end, n in turns if start <= t < end))
        return own + sum(n for start, end, n in support if start <= t < end)

    changes = {0.0, opens_hour * 60.0} | {t for start, end, _ in [*turns, *support] for t in (start, end)}
    return level, sorted(t for t in changes if 0 <= t < math.inf)


def arrivals(line, seed, site):
    """Return the minutes at which people come to a site."""
    given, n_sites = line.arrivals, line.sites.count

    def share(people):
        return people * (site + 1) // n_sites - people * site // n_sites

    n = share(given.people)
    if given.random:
        key, total, sums = stream(seed, GAPS, site), 0.0, []
        for k in range(n + 1):
            total += -math.log(chance(key, k))
            sums.append(total)
        parts = [each / total for each in sums[:-1]]
    else:
        parts = [(k + (site + 0.5) / n_sites) / n for k in range(n)]
    steps, so_far = [], 0.0
    for (hour, rate), (until, _) in zip(given.profile, given.profile[1:], strict=False):
        steps.append((so_far, so_far + rate * (until * 60.0 - hour * 60.0), hour * 60.0, until * 60.0))
        so_far = steps[-1][1]
    times = []
    for part in parts:
        low, high, start, end = next((each for each in steps if each[0] / so_far <= part < each[1] / so_far), steps[-1])
        times.append(start + (part - low / so_far) / (high / so_far - low / so_far) * (end - start))
    return sorted(times + [hour * 60.0 for hour, crowd in given.bursts for _ in range(share(crowd))])


def units_by(stock, t):
    """Return the units that there have been of a stock by a minute."""
    return math.inf if stock is None else stock.quantity + sum(n for hour, n in stock.deliveries if hour * 60.0 <= t)


def sampled(line, seed, site):
    """Return [(came, began, ended)] of the people of a site in order; infinite for what does not happen."""
    sites, horizon = line.sites, line.horizon_hours * 60.0
    level, changes = at_work(sites.tables, sites.shifts, sites.teams, 0.0, line.horizon_hours)
    came, key = arrivals(line, seed, site), stream(seed, SWABS, site)
    brought = [hour * 60.0 for stock in (sites.swabs, sites.tubes) if stock for hour, _ in stock.deliveries]
    agenda = [*came, *changes, *brought]
    heapq.heapify(agenda)
    began, ended, k = [], [], 0
    tubes = []  # of the minutes at which its members began
    while agenda and k < len(came):
        t = heapq.heappop(agenda)
        if t > horizon:
            break
        while k < len(came) and came[k] <= t and sum(end > t for end in ended) < level(t):
            last = tubes[-1] if tubes else []
            joins = 0 < len(last) < line.pool_size and t <= last[0] + sites.tube_linger_minutes
            if units_by(sites.swabs, t) < len(began) + 1 or (not joins and units_by(sites.tubes, t) < len(tubes) + 1):
                break
            if not joins:
                tubes.append([])
            tubes[-1].append(t)
            began.append(t)
            ended.append(t + sites.minutes * noise(sites, key, k))
            heapq.heappush(agenda, ended[-1])
            k += 1
    never = [math.inf] * (len(came) - k)
    return list(zip(came, began + never, ended + never, strict=True))


def tubes_of(line, seed, site, people):
    """Return the tubes of a site: members (places), closed, left, arrives, lab, reacts."""
    sites, courier, rules = line.sites, line.courier, line.rules
    sick, reacting = stream(seed, INFECTED, site), stream(seed, REACTS, site)
    groups, opened = [], None
    for k, (_, began, _) in enumerate(people):
        if began == math.inf:
            break
        if opened is None or len(groups[-1]) == line.pool_size or began > opened + sites.tube_linger_minutes:
            groups.append([])
            opened = began
        groups[-1].append(k)
    headway = courier.headway(sites.count)
    phase = headway * (site + 0.5) / sites.count
    tubes, room = [], {}
    last = 0
    for number, group in enumerate(groups):
        done = max(people[k][2] for k in group)
        closed = done
        if len(group) < line.pool_size:
            closed = max(done, people[group[0]][1] + sites.tube_linger_minutes)
        while phase + last * headway < closed or room.get(last, 0) == (courier.capacity or math.inf):
            last += 1
        room[last] = room.get(last, 0) + 1
        left = phase + last * headway
        arrives = left + courier.travel_minutes
        infected = any(chance(sick, k) < line.prevalence for k in group)
        likely = rules.sensitivity_at(len(group)) if infected else 1.0 - rules.specificity
        reacts = len(group) > 1 and chance(reacting, number) < likely
        tubes.append((group, closed, left, arrives, lab_of(line, site, last, arrives), reacts))
    return tubes


def lab_of(line, site, departure, arrives):
    here = [k for k, lab in enumerate(line.labs) if lab.opens_hour * 60.0 <= arrives]
    if not here:
        return min(range(len(line.labs)), key=lambda k: line.labs[k].opens_hour)
    place = 0.5 + site * 0.7548776662466927 + departure * 0.5698402909980532
    place = (place - math.floor(place)) * sum(line.labs[k].share for k in here)
    for k in here:
        if place < line.labs[k].share:
            return k
        place -= line.labs[k].share
    return here[-1]


class Work:
    """A laboratory at work on [(arrives, members, reacts)], which are in order of arrival.

    ``events`` are (specimen, stage, batch, enter, start, end), ``reported`` {specimen: minute}, ``singles``
    {tube: specimens}.
    """

    def __init__(self, line, number, seed, tubes):
        self.line, self.lab, self.tubes = line, line.labs[number], tubes
        self.names = [stage.name for stage in self.lab.stages]
        kept = line.rules.positive_pool == "retest"
        self.delay = line.retest_minutes if kept else line.recollect_minutes
        self.swabs = 1 if kept else line.rules.swabs_per_recollect
        self.entry = self.names.index(self.lab.retest_at) if kept and self.lab.retest_at else 0
        self.keys = [
            [stream(seed, kind, 1_000 * number + k) for kind in (SERVICE, FAILS, BREAKS, REPAIRS)]
            for k in range(len(self.names))
        ]
        self.invalid = stream(seed, INVALID, number)
        self.back = self.names.index(self.lab.invalid_at or self.names[0])
        self.read = {}  # how often each specimen was read
        self.levels, self.agenda = [], []
        for stage in self.lab.stages:
            level, changes = at_work(stage.servers, stage.shifts, stage.teams, self.lab.opens_hour, line.horizon_hours)
            self.levels.append(level)
            self.agenda += [(t, 2, 0, "change", None) for t in changes]
        self.stock = {each.item: each.quantity for each in self.lab.stocks}
        for each in self.lab.stocks:
            self.agenda += [(hour * 60.0, 2, 0, "delivery", (each.item, units)) for hour, units in each.deliveries]
        self.agenda += [(arrives, 4, k, "tube", k) for k, (arrives, _, _) in enumerate(tubes)]
        heapq.heapify(self.agenda)
        self.queue = [[] for _ in self.names]  # of (minute, specimen)
        self.busy, self.begun = [0] * len(self.names), [0] * len(self.names)
        self.urgent, self.reported, self.singles, self.events = set(), {}, {}, []
        self.n_batches, self.n_specimens = 0, len(tubes)
        while self.agenda and self.agenda[0][0] <= line.horizon_hours * 60.0:
            t = self.agenda[0][0]
            while self.agenda and self.agenda[0][0] == t:
                *_, what, given = heapq.heappop(self.agenda)
                self.happens(t, what, given)
            for k in range(len(self.names)):
                while self.starts(t, k):
                    pass

    def happens(self, t, what, given):
        if what == "delivery":
            self.stock[given[0]] += given[1]
        elif what == "tube":
            self.queue[0].append((t, given))
        elif what == "singles":
            self.urgent.update(given)
            self.queue[self.entry] += [(t, each) for each in given]
        elif what == "repaired":
            self.busy[given] -= 1
        elif what == "batch":
            k, inside, failed, repair, batch = given
            for each in inside:
                self.leaves(t, k, each, failed)
            if repair > 0:
                heapq.heappush(self.agenda, (t + repair, 1, batch, "repaired", k))
            else:
                self.busy[k] -= 1

    def misread(self, specimen, number):
        """Say whether a specimen is invalid when it is read for this time, from 0."""
        most = self.line.rules.invalid_reruns + 1
        return chance(self.invalid, specimen * most + number) < self.lab.invalid

    def exhausted(self, specimen):
        return all(self.misread(specimen, k) for k in range(self.line.rules.invalid_reruns + 1))

    def asks(self, tube):
        """Say whether the members of a tube will be asked for once it is read for the last time."""
        _, members, reacts = self.tubes[tube]
        return reacts or (members > 1 and self.exhausted(tube))

    def leaves(self, t, k, specimen, failed):
        stage = self.lab.stages[k]
        number = self.read.get(specimen, 0)
        if not failed and stage.reads:
            self.read[specimen] = number + 1
        if not failed and stage.reads and self.misread(specimen, number) and number < self.line.rules.invalid_reruns:
            self.urgent.add(specimen)
            self.queue[self.back].append((t, specimen))
        elif failed:
            self.urgent.add(specimen)
            self.queue[self.names.index(stage.rerun_at or stage.name)].append((t, specimen))
        elif stage.reads and specimen < len(self.tubes) and self.asks(specimen):
            n = self.tubes[specimen][1] * self.swabs
            own = self.singles[specimen] = list(range(self.n_specimens, self.n_specimens + n))
            self.n_specimens += n
            heapq.heappush(self.agenda, (t + self.delay, 3, own[0], "singles", own))
        elif k + 1 == len(self.names):
            self.reported[specimen] = t
        else:
            self.queue[k + 1].append((t, specimen))

    def starts(self, t, k):
        """Start one batch if it may start, and say whether it did."""
        stage = self.lab.stages[k]
        if self.busy[k] >= self.levels[k](t) or not self.queue[k]:
            return False
        lane = sorted(self.queue[k], key=lambda each: not (stage.retests_first and each[1] in self.urgent))
        oldest = min(since for since, _ in lane)
        n = min(len(lane), stage.slots - stage.controls)
        if n < stage.slots - stage.controls and t < oldest + stage.linger_minutes:
            heapq.heappush(self.agenda, (oldest + stage.linger_minutes, 5, 0, "look", None))
            return False
        if stage.item is not None:
            left = self.stock[stage.item] - stage.units_a_batch
            if stage.units_a_specimen > 0:
                n = min(n, math.floor(left / stage.units_a_specimen + 1e-9))
            if left < 0 or n < 1:
                return False
            self.stock[stage.item] -= stage.units_a_batch + stage.units_a_specimen * n
        inside = lane[:n]
        self.queue[k] = [each for each in self.queue[k] if each not in inside]
        service, fails, breaks, repairs = self.keys[k]
        number = self.begun[k]
        minutes = (stage.minutes + stage.minutes_each * n) * noise(stage, service, number)
        failed = chance(fails, number) < stage.fails
        repair = 0.0
        if stage.breakdown_minutes and chance(breaks, number) < 1 - math.exp(-minutes / stage.breakdown_minutes):
            repair = -math.log(chance(repairs, number)) * stage.repair_minutes
        self.events += [(each, k, self.n_batches, enter, t, t + minutes) for enter, each in inside]
        given = (k, [each for _, each in inside], failed, repair, self.n_batches)
        heapq.heappush(self.agenda, (t + minutes, 1, self.n_batches, "batch", given))
        self.busy[k] += 1
        self.begun[k] += 1
        self.n_batches += 1
        return True


def run(line, seed):
    """Return the run: people as (came, began, ended, resulted, way), tubes, and (lab, specimen, stage, ...) events.

    Specimens are numbered as the tubes stand, site by site, and then the members of reactive tubes, lab by lab.
    """
    people, tubes = [], []
    for site in range(line.sites.count):
        here = sampled(line, seed, site)
        tubes += [([len(people) + k for k in group], *others) for group, *others in tubes_of(line, seed, site, here)]
        people += here
    result, way = [math.inf] * len(people), [0] * len(people)
    rows, n_specimens = [], len(tubes)
    for number in range(len(line.labs)):
        mine = sorted((k for k, tube in enumerate(tubes) if tube[4] == number), key=lambda k: (tubes[k][3], k))
        given = [(tubes[k][3], len(tubes[k][0]), tubes[k][5]) for k in mine]
        done = Work(line, number, seed, given)
        name = dict(enumerate(mine))
        name |= {k: n_specimens + k - len(mine) for k in range(len(mine), done.n_specimens)}
        rows += [(number, name[specimen], *others) for specimen, *others in done.events]
        for place, k in enumerate(mine):
            group, own = tubes[k][0], done.singles.get(place, [])
            for at, person in enumerate(group):
                mine_alone = own[at * len(own) // len(group) : (at + 1) * len(own) // len(group)]
                when = [done.reported.get(each, math.inf) for each in mine_alone or [place]]
                result[person] = max(when)
                way[person] = 0 if max(when) == math.inf else 2 if own else 1
        # All that a laboratory's reactive tubes would ask for are numbered, read or not.
        n_specimens += sum(members for k, (_, members, _) in enumerate(given) if done.asks(k)) * done.swabs
    return [(*each, result[k], way[k]) for k, each in enumerate(people)], tubes, rows

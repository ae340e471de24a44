"""Custody written from its definitions: hand-overs, order and lateness of each item, and percentiles by hand."""

from typing import Any

EVENTS = ["collected", "boxed", "courier", "received", "plated", "read", "called", "reported"]


def receipts(custody: list[dict[str, Any]], tube: str) -> list[tuple[Any, str]]:
    """Moments and places at which a tube came in, by itself or in the box that it was in."""
    came = [row for row in custody if row["event"] == "received"]
    found = [(row["at"], row["place"]) for row in came if row["item_id"] == tube]
    for begin, box, end in stays(custody, tube):
        of_box = [row for row in came if row["item_id"] == box and begin <= row["at"]]
        found += [(row["at"], row["place"]) for row in of_box if end is None or row["at"] < end]
    return sorted(found)


def stays(custody: list[dict[str, Any]], tube: str) -> list[tuple[Any, str, Any]]:
    """Each box that a tube was in: since when, which, and when it was boxed again."""
    boxed = [row for row in custody if row["event"] == "boxed" and row["item_id"] == tube and row["box_id"]]
    boxed.sort(key=lambda row: row["at"])
    ends = [row["at"] for row in boxed] + [None]
    return [(row["at"], row["box_id"], ends[number + 1]) for number, row in enumerate(boxed)]


def findings(
    custody: list[dict[str, Any]], collected: dict[str, Any], hours: float, now: Any
) -> set[tuple[str, tuple[str, ...]]]:
    """Kind and ids of everything that does not add up; collected is the first swab of each tube."""
    rows = sorted(custody, key=lambda row: (row["at"], EVENTS.index(row["event"])))
    found = set()
    for item in {row["item_id"] for row in rows}:
        found |= _signatures(rows, item) | _order(rows, item) | _moves(rows, item)
        trips = stays(rows, item)
        if trips:
            begin, box, _ = trips[-1]
            came = any(at >= begin for at, _ in receipts(rows, item))
            if not came and (now - begin).total_seconds() > hours * 3600:
                found.add(("custody_gap", (box,)))
    for tube, swab in collected.items():
        arrivals = receipts(rows, tube)
        if arrivals and (arrivals[0][0] - swab).total_seconds() > hours * 3600:
            found.add(("leg_late", (tube,)))
    return found


def _signatures(rows: list[dict[str, Any]], item: str) -> set[tuple[str, tuple[str, ...]]]:
    found = set()
    own = [row for row in rows if row["item_id"] == item]
    for row in own:
        if row["event"] in ("courier", "received") and row["witness"] in (None, row["actor"]):
            found.add(("sign_off_missing", (item, row["event"])))
        if any(each != row for each in own if (each["event"], each["at"]) == (row["event"], row["at"])):
            found.add(("changed_custody", (item, row["event"])))
    return found


def _order(rows: list[dict[str, Any]], item: str) -> set[tuple[str, tuple[str, ...]]]:
    found = set()
    is_box = any(row["event"] == "boxed" and row["box_id"] == item for row in rows)
    line: list[int] = []
    for row in (each for each in rows if each["item_id"] == item):
        rank = EVENTS.index(row["event"])
        if is_box and row["event"] in ("boxed", "courier") and any(each >= EVENTS.index("received") for each in line):
            line = []
        if any(rank < each for each in line):
            found.add(("custody_order", (item, row["event"])))
        line.append(rank)
    return found


def _moves(rows: list[dict[str, Any]], item: str) -> set[tuple[str, tuple[str, ...]]]:
    found = set()
    trips = stays(rows, item)
    for number, (begin, box, end) in enumerate(trips[:-1]):
        other = trips[number + 1][1]
        during = [row for row in rows if begin <= row["at"] < end]
        left = any((row["event"], row["item_id"]) == ("courier", box) for row in during)
        came = any(row["event"] == "received" and row["item_id"] in (box, item) for row in during)
        if box != other and left and not came:
            found.add(("custody_order", (item, box, other)))
    return found


def percentile(values: list[float], share: float) -> float:
    """Linear between the ordered values, as most tables of percentiles are."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

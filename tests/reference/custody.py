"""Custody written from its definitions: hand-overs, order and lateness of each item, and percentiles by hand."""

from typing import Any

EVENTS = ["collected", "boxed", "courier", "received", "plated", "read", "called", "reported"]


def findings(
    custody: list[dict[str, Any]], collected: dict[str, Any], hours: float
) -> set[tuple[str, tuple[str, ...]]]:
    """Kind and ids of everything that does not add up; collected is the first swab of each tube."""
    found = set()
    rows = sorted(custody, key=lambda row: (row["at"], EVENTS.index(row["event"])))
    for number, row in enumerate(rows):
        if row["event"] in ("courier", "received") and row["witness"] in (None, row["actor"]):
            found.add(("sign_off_missing", (row["item_id"], row["event"])))
        before = [EVENTS.index(each["event"]) for each in rows[:number] if each["item_id"] == row["item_id"]]
        if before and EVENTS.index(row["event"]) < max(before):
            found.add(("custody_order", (row["item_id"], row["event"])))
    for tube, swab in collected.items():
        arrivals = [row["at"] for row in rows if row["event"] == "received" and row["item_id"] == tube]
        for boxed in rows:
            if boxed["event"] == "boxed" and boxed["item_id"] == tube and boxed["box_id"]:
                of_box = [row for row in rows if row["event"] == "received" and row["item_id"] == boxed["box_id"]]
                arrivals += [row["at"] for row in of_box if (boxed["at"], 1) <= (row["at"], 3)]
        if arrivals and (min(arrivals) - swab).total_seconds() > hours * 3600:
            found.add(("leg_late", (tube,)))
    return found


def percentile(values: list[float], share: float) -> float:
    """Linear between the ordered values, as most tables of percentiles are."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

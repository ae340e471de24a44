"""A trace as a graph: who went into what, what was read of it, what followed, and what the results rest on."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

COLUMNS = ("sample", "specimen", "well", "run", "call", "result", "order")
# Of wells, calls and results these are worth seeing where not all can be shown.
_NOTABLE = ("positive", "suspect", "invalid", "pending")
_AGAIN = ", taken again for "

Key = tuple[str, ...]
Row = dict[str, Any]


@dataclass(slots=True)
class Node:
    """One thing of a trace.

    Attributes
    ----------
    kind : str
        One of COLUMNS.
    band : int
        0 for first swabs and all that became of them, 1 for swabs taken again, and so on.
    title : str
        Its id, or what was found.
    lines : list of str
        What else is known of it.
    at : datetime or None
        When.
    word : str
        What it is called, e.g. tube.
    place : int
        Its sample's place among the samples, so that what belongs together stands side by side.
    notable : bool
        Whether it is to be shown where not all can be.
    """

    kind: str
    band: int
    title: str
    lines: list[str]
    at: Any
    word: str
    place: int = 0
    notable: bool = False


@dataclass(slots=True)
class Graph:
    """Nodes by key, edges between them, and what has no place in it.

    Attributes
    ----------
    nodes : dict
        In order of time.
    edges : dict
        (from, to) to whether a current result rests on it.
    wells : dict
        The well of each call.
    notes : list of str
        Findings and other steps.
    """

    nodes: dict[Key, Node] = field(default_factory=dict)
    edges: dict[tuple[Key, Key], bool] = field(default_factory=dict)
    wells: dict[Key, Key] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def sources(self) -> dict[Key, list[Key]]:
        """Return what leads to each node."""
        found: dict[Key, list[Key]] = defaultdict(list)
        for source, target in self.edges:
            found[target].append(source)
        return found


def graph_of(trace: pa.Table, any_id: str) -> Graph:
    """Return a trace as a graph.

    Parameters
    ----------
    trace : pyarrow.Table
        Rows of ``trace``.
    any_id
        What was asked for; if it is a sample, only what its result rests on is marked.

    Returns
    -------
    Graph
        Each sample, tube or mixture, well, run, call, result and order once.
    """
    steps: dict[str, list[Row]] = defaultdict(list)
    for row in trace.to_pylist():
        steps[row["step"]].append(row)
    graph = Graph()
    samples = {row["sample_id"]: row for row in steps["collected"]}
    parent = {name: _parent(row, samples) for name, row in samples.items()}
    # Swabs taken again stand in the order of the first ones.
    first = {name: number for number, name in enumerate(samples)}
    place = {name: min(first[each] for each in (name, *_ancestors(name, parent))) for name in samples}
    _add_samples(graph, steps, samples, parent, place)
    _add_wells(graph, steps)
    decided = _add_results(graph, steps, parent, place)
    _add_orders(graph, steps, parent, place)
    sources = graph.sources()
    for name, result in decided.items():
        if any_id not in samples or any_id == name:
            _mark(graph, name, result, sources, parent)
    _place(graph, sources)
    known = {"collected", "pooled", "plated", "read", "called", "result", "order"}
    for step, rows in steps.items():
        if step not in known:
            graph.notes += [f"{step}: {row['detail']}" for row in rows]
    return graph


def _parent(row: Row, samples: dict[str, Row]) -> str | None:
    """Return the sample that one was taken again for, where the trace holds it."""
    named = row["detail"].rpartition(_AGAIN)[2]
    return named if _AGAIN in row["detail"] and named in samples and named != row["sample_id"] else None


def _ancestors(name: str, parent: dict[str, str | None]) -> list[str]:
    """Return the swabs before one, the last first; a circle ends."""
    found: list[str] = []
    above = parent.get(name)
    while above is not None and above != name and above not in found:
        found.append(above)
        above = parent.get(above)
    return found


def _add_samples(
    graph: Graph,
    steps: dict[str, list[Row]],
    samples: dict[str, Row],
    parent: dict[str, str | None],
    place: dict[str, int],
) -> None:
    for name, row in samples.items():
        where = row["detail"].partition(" into tube ")[0]
        lines = [where, f"subject {row['subject_id']}" if row["subject_id"] else ""]
        if parent[name] is not None:
            lines.append(f"again for {parent[name]}")
        band = len(_ancestors(name, parent))
        graph.nodes["sample", name] = Node("sample", band, name, lines, row["at"], "sample", place[name])
    inside: dict[str, list[str]] = defaultdict(list)
    for row in [*steps["collected"], *steps["pooled"]]:
        if row["sample_id"] not in inside[row["specimen_id"]]:
            inside[row["specimen_id"]].append(row["sample_id"])
    mixed = {row["specimen_id"] for row in steps["pooled"]}
    for specimen, names in inside.items():
        word = "mixture" if specimen in mixed else "tube"
        band = max((len(_ancestors(name, parent)) for name in names), default=0)
        lines = [f"{len(names):,} traced samples" if len(names) > 1 else "1 traced sample"]
        graph.nodes["specimen", specimen] = Node("specimen", band, specimen, lines, None, word)
        for name in names:
            if name in samples:
                graph.edges[("sample", name), ("specimen", specimen)] = False


def _add_wells(graph: Graph, steps: dict[str, list[Row]]) -> None:
    for row in steps["plated"]:
        specimen = row["specimen_id"]
        well = ("well", row["plate_id"], row["well"])
        # A retained swab stands in a well under its sample's id.
        source = next((key for key in (("specimen", specimen), ("sample", specimen)) if key in graph.nodes), None)
        band = 0 if source is None else graph.nodes[source].band
        content = row["detail"].partition(" in ")[0].replace("_", " ")
        graph.nodes[well] = Node("well", band, row["well"], [f"plate {row['plate_id']}", content], None, "well")
        if source is not None:
            graph.edges[source, well] = False
    cycles: dict[Key, str] = {}
    for row in [*steps["read"], *steps["called"]]:
        well, run = ("well", row["plate_id"], row["well"]), ("run", row["run_id"])
        if row["step"] == "read":
            ct, _, around = row["detail"].partition("; ")
            cycles[row["run_id"], row["well"]] = ct
        if run not in graph.nodes:
            lines = around.split("; ") if row["step"] == "read" else []
            graph.nodes[run] = Node("run", graph.nodes[well].band, row["run_id"], lines, row["at"], "run")
        graph.edges[well, run] = False
        if row["step"] == "called":
            call = ("call", row["run_id"], row["well"])
            lines = [f"of {row['well']}", cycles.get((row["run_id"], row["well"]), "")]
            notable = row["detail"].startswith(_NOTABLE)
            band = graph.nodes[well].band
            graph.nodes[call] = Node("call", band, row["detail"], lines, row["at"], "call", notable=notable)
            graph.edges[run, call] = False
            graph.wells[call] = well


def _add_results(
    graph: Graph, steps: dict[str, list[Row]], parent: dict[str, str | None], place: dict[str, int]
) -> dict[str, Key]:
    """Add each version of each result, and return the newest of each sample."""
    evidence = {f"{row['specimen_id']}/{row['run_id']}/{row['well']}": row for row in steps["called"]}
    decided: dict[str, Key] = {}
    for number, row in enumerate(steps["result"]):
        name, said = row["sample_id"], row["detail"]
        result = ("result", name, str(number))
        rests = said.partition(", resting on ")[2].rpartition(", by ")[0]
        source: Key | None = ("sample", name)
        if rests:
            read = evidence.get(rests)
            source = None if read is None else ("call", read["run_id"], read["well"])
        band = (
            len(_ancestors(name, parent)) if source is None or source not in graph.nodes else graph.nodes[source].band
        )
        title, _, more = said.partition(", resting on ")[0].partition(", nothing read yet")[0].partition(", ")
        # What it rests on may be outside of what was asked for.
        lines = [f"of {name}", more, f"rests on {rests}" if rests and source is None else ""]
        notable = said.startswith(_NOTABLE)
        graph.nodes[result] = Node("result", band, title, lines, row["at"], "result", place.get(name, 0), notable)
        if source is not None and source in graph.nodes:
            graph.edges[source, result] = False
        decided[name] = result
    return decided


def _add_orders(
    graph: Graph, steps: dict[str, list[Row]], parent: dict[str, str | None], place: dict[str, int]
) -> None:
    versions: dict[str, list[Key]] = defaultdict(list)
    for key, node in graph.nodes.items():
        if node.kind == "result":
            versions[key[1]].append(key)
    orders: dict[str, list[Key]] = defaultdict(list)
    for number, row in enumerate(steps["order"]):
        name = row["sample_id"]
        order = ("order", name, str(number))
        before = [key for key in versions[name] if graph.nodes[key].at <= row["at"]] or versions[name][:1]
        source: Key = before[-1] if before else ("sample", name)
        band = graph.nodes[source].band if source in graph.nodes else 0
        title, _, due = row["detail"].rpartition(", due ")
        action, _, reason = title.partition(" because of ")
        lines = [f"of {name}", reason, f"due {due}"]
        graph.nodes[order] = Node("order", band, action, lines, row["at"], "order", place.get(name, 0))
        if source in graph.nodes:
            graph.edges[source, order] = False
        orders[name].append(order)
    for name, above in parent.items():
        if above is not None:
            taken = graph.nodes["sample", name].at
            asked = [key for key in orders[above] if graph.nodes[key].at <= taken]
            graph.edges[asked[-1] if asked else ("sample", above), ("sample", name)] = False


def _mark(graph: Graph, name: str, result: Key, sources: dict[Key, list[Key]], parent: dict[str, str | None]) -> None:
    """Mark the way from a sample, or from swabs taken again for it, to the result that stands now."""
    waiting = [(source, result) for source in sources[result]]
    seen = set()
    while waiting:
        edge = source, target = waiting.pop()
        # Of all that share a tube only the sample itself, and what was taken again for it.
        if edge in seen or (source[0] == "sample" and not _answers(source[1], name, parent)):
            continue
        seen.add(edge)
        graph.edges[edge] = True
        if source[0] == "run":
            # Of all wells of a run the one that was called.
            waiting.append((graph.wells[target], source))
        else:
            waiting += [(before, source) for before in sources[source]]


def _answers(swab: str, name: str, parent: dict[str, str | None]) -> bool:
    """Whether a swab is a sample, was taken again for it, or it for the swab."""
    return swab == name or name in _ancestors(swab, parent) or swab in _ancestors(name, parent)


def _place(graph: Graph, sources: dict[Key, list[Key]]) -> None:
    """Put what has no sample of its own beside the first of what leads to it; what led to a notable call is so too."""
    for kind in ("specimen", "well", "run"):
        for key, node in graph.nodes.items():
            if node.kind == kind and sources[key]:
                node.place = min(graph.nodes[source].place for source in sources[key])
    for call, well in graph.wells.items():
        graph.nodes[call].place = graph.nodes[well].place
        if graph.nodes[call].notable:
            behind = [well]
            while behind:
                one = behind.pop()
                graph.nodes[one].notable = True
                behind += [source for source in sources[one] if source[0] in ("specimen", "sample")]

"""The catalogue of a snapshot: which row groups of which segments may hold a text, over all commits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.arrays import frozen
from poolkit.trace.index import INDEX, hashes_of
from poolkit.trace.opened import Opened
from poolkit.trace.record import Segment

# Of so few texts it is remembered where they stand: the steps of a trace ask for the same ones again.
_FEW = 64
_REMEMBERED = 4096

Codes = NDArray[np.int32]
Groups = list[tuple[int, list[int] | None]]
_NONE: Codes = np.zeros(0, np.int32)


@dataclass(slots=True)
class _Commit:
    """The segments of one commit: for each table their places among all segments, in the order of their numbers."""

    places: dict[str, list[int]] = field(default_factory=dict)
    index: Segment | None = None


class Catalogue:
    """Where texts may stand in some segments.

    Parameters
    ----------
    segments
        Each segment with its commit, oldest first.
    opened
        The files that are open already.
    """

    def __init__(self, segments: Sequence[tuple[int, Segment]], opened: Opened) -> None:
        self._opened = opened
        commits: dict[int, _Commit] = {}
        for place, (commit_id, segment) in enumerate(segments):
            commit = commits.setdefault(commit_id, _Commit())
            if segment.table == INDEX:
                commit.index = segment
            else:
                commit.places.setdefault(segment.table, []).append(place)
        for commit in commits.values():
            for places in commit.places.values():
                places.sort(key=lambda place: segments[place][1].path)
        self._commits = list(commits.values())
        self._tables = {name for commit in self._commits for name in commit.places}
        self._remembered: dict[str, list[tuple[int, int]]] = {}

    def has(self, name: str) -> bool:
        """Whether any commit wrote rows of a table."""
        return name in self._tables

    def groups(self, name: str, texts: pa.Array) -> Groups:
        """Return for each segment of a table that may hold one of the texts its place and row groups.

        Row groups are None, which means all of them, in commits that were written without an index.
        """
        if len(texts) <= _FEW:
            return self._groups(name, self._remember(texts.to_pylist()))
        # In the order of an index, so that its pages are visited one after the other.
        return self.groups_of_hashes(name, np.sort(hashes_of(texts)))

    def groups_of_hashes(self, name: str, hashes: NDArray[np.uint64]) -> Groups:
        """Return what `groups` does for the texts of some hashes."""
        return self._groups(name, [codes for _, codes in self._find_hashes(frozen(hashes))])

    def _groups(self, name: str, of_commits: Sequence[Codes]) -> Groups:
        found: Groups = []
        for commit, codes in zip(self._commits, of_commits, strict=True):
            places = commit.places.get(name, [])
            if commit.index is None:
                found += [(place, None) for place in places]
                continue
            if not places or not codes.size:
                continue
            index = self._opened.index(commit.index)
            numbers = index.blocks(name, codes)
            start = 0
            for place, n_groups in zip(places, index.groups.get(name, []), strict=True):
                inside = numbers[(numbers >= start) & (numbers < start + n_groups)] - start
                start += n_groups
                if inside.size:
                    found.append((place, inside.tolist()))
        return found

    def _remember(self, words: list[str]) -> list[Codes]:
        """Return for each commit the codes of the row groups that may hold one of a few texts."""
        new = list(dict.fromkeys(word for word in words if word not in self._remembered))
        if new:
            if len(self._remembered) > _REMEMBERED:
                self._remembered.clear()
                new = list(dict.fromkeys(words))
            self._remembered.update((word, []) for word in new)
            for number, (owners, codes) in enumerate(self._find_hashes(hashes_of(pa.array(new, pa.string())))):
                for owner, code in zip(owners.tolist(), codes.tolist(), strict=True):
                    self._remembered[new[owner]].append((number, code))
        by_commit: dict[int, list[int]] = {}
        for word in words:
            for number, code in self._remembered[word]:
                by_commit.setdefault(number, []).append(code)
        return [
            np.array(by_commit[number], np.int32) if number in by_commit else _NONE
            for number in range(len(self._commits))
        ]

    def _find_hashes(self, hashes: NDArray[np.uint64]) -> list[tuple[Codes, Codes]]:
        indexes = [None if commit.index is None else self._opened.index(commit.index) for commit in self._commits]
        return [(_NONE, _NONE) if index is None else index.find(hashes) for index in indexes]

    def known(self, texts: pa.Array) -> pa.Array:
        """Return those of many texts that may stand somewhere; all of them where a commit has no index."""
        if any(commit.index is None for commit in self._commits):
            return texts
        hashes = hashes_of(texts)
        order = np.argsort(hashes)
        hashes = frozen(hashes[order])
        known = np.zeros(len(texts), np.bool_)
        for owners, _ in self._find_hashes(hashes):
            known[order[owners]] = True
        return texts.filter(pa.array(known))

    def open_samples(self) -> NDArray[np.uint64] | None:
        """Return the sorted hashes of all samples whose latest result is not final; None where a commit has no index.

        Two samples of one hash are taken for one here, which 100 million of them have with a probability of 0.0003.
        """
        hashes = np.zeros(0, np.uint64)
        for commit in self._commits:
            if commit.index is None:
                return None
            index = self._opened.index(commit.index)
            if index.closed.size and hashes.size:
                hashes = hashes[~among(hashes, index.closed)]
            if index.opened.size:
                hashes = np.union1d(hashes, index.opened)
        return hashes


def among(hashes: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which hashes stand among others, one or more, that are sorted."""
    at = np.minimum(np.searchsorted(others, hashes), others.size - 1)
    found: NDArray[np.bool_] = others[at] == hashes
    return found

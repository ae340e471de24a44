"""Recollected samples answer for the ones they were taken again for; section 6 of the definitions."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.arrays import Codes, TextIndex, encode, numbers, plain
from poolkit.kernels.evidence import RECOLLECT, STATUS_NEGATIVE, STATUS_POSITIVE
from poolkit.protocols import Protocol
from poolkit.schemas import Finding


@dataclass(frozen=True, slots=True)
class Links:
    """Which sample was taken again for which.

    Attributes
    ----------
    child, parent : numpy.ndarray of int32
        Rows of samples, valid links only.
    findings
        Links that cannot be, and swabs that nobody asked for.
    """

    child: Codes
    parent: Codes
    findings: tuple[Finding, ...]

    def generations(self) -> list[tuple[Codes, Codes]]:
        """Return the links in rounds, every parent before its children."""
        rounds = []
        waiting = np.ones(self.child.size, np.bool_)
        while waiting.any():
            ready = waiting & ~np.isin(self.parent, self.child[waiting])
            rounds.append((self.child[ready], self.parent[ready]))
            waiting &= ~ready
        return rounds


def link(samples: pa.Table, action: NDArray[np.int8], doubtful: NDArray[np.bool_], ordered: frozenset[str]) -> Links:
    """Find the parent of each recollected sample.

    Parameters
    ----------
    samples : pyarrow.Table
        One row a sample.
    action : numpy.ndarray of int8
        (samples,) what each sample's own evidence asks for.
    doubtful : numpy.ndarray of bool
        (samples,) whose identity is in doubt: they have no subject to share.
    ordered
        Samples that history ordered to be recollected.
    """
    column = samples["recollect_of"]
    if column.null_count == samples.num_rows:
        none = np.zeros(0, np.int32)
        return Links(none, none, ())
    ids = plain(samples["sample_id"])
    codes, texts = encode(column)
    children = np.flatnonzero(codes >= 0).astype(np.int32)
    parents = TextIndex.of(ids).find(texts)[codes[children]]
    subject, _ = encode(samples["subject_id"])
    collected = numbers(samples["collected_at"])
    known = parents >= 0
    of = np.where(known, parents, 0)
    same = known & (subject[children] == subject[of]) & ~doubtful[children] & ~doubtful[of]
    later = known & (collected[children] > collected[of])
    findings = []
    for k in np.flatnonzero(~(same & later)):
        child, parent = ids[int(children[k])].as_py(), texts[int(codes[children[k]])].as_py()
        whose = "is of another subject" if known[k] else "is not registered"
        why = "was not taken before it" if same[k] else whose
        message = f"sample {child} is said to be taken again for {parent}, which {why}; it stands alone"
        findings.append(Finding("recollect_mismatch", "error", (child, parent), message))
    valid = same & later
    for k in np.flatnonzero(valid & (action[of] != RECOLLECT)):
        child, parent = ids[int(children[k])].as_py(), ids[int(parents[k])].as_py()
        if parent not in ordered:
            message = f"sample {child} was taken again for {parent}, which nothing asked for"
            findings.append(Finding("recollect_without_order", "warning", (child, parent), message))
    return Links(children[valid], parents[valid], tuple(findings))


def answered_by(samples: pa.Table, links: Links, status: NDArray[np.int8], protocol: Protocol) -> Codes:
    """Return for each sample the sample whose result stands for it: itself, or one taken again.

    Parameters
    ----------
    samples : pyarrow.Table
        One row a sample.
    links
        Valid links; every child was collected after its parent, so there are no circles.
    status : numpy.ndarray of int8
        (samples,) each sample's own status.
    protocol
        How many swabs have to be negative to release a subject.

    Returns
    -------
    numpy.ndarray of int32
        (samples,) rows of `samples`.
    """
    stands = np.arange(samples.num_rows, dtype=np.int32)
    if links.child.size == 0:
        return stands
    collected = numbers(samples["collected_at"])
    ids = plain(samples["sample_id"])
    children: dict[int, list[int]] = {}
    for child, parent in zip(links.child.tolist(), links.parent.tolist(), strict=True):
        children.setdefault(parent, []).append(child)
    settled = (status == STATUS_NEGATIVE) | (status == STATUS_POSITIVE)
    # Children are newer than their parents, so the newest parents are answered first.
    for parent in sorted(children, key=lambda row: collected[row], reverse=True):
        if settled[parent]:
            continue
        answers = sorted(
            (int(stands[child]) for child in children[parent] if settled[stands[child]]),
            key=lambda row: (collected[row], ids[row].as_py()),
            reverse=True,
        )[: protocol.swabs_per_recollect]
        positive = [row for row in answers if status[row] == STATUS_POSITIVE]
        if positive:
            stands[parent] = positive[0]
        elif len(answers) == protocol.swabs_per_recollect:
            stands[parent] = answers[0]
    return stands

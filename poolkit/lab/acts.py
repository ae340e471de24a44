"""What persons do to a store: correct, approve, recall; and what they check it with."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import pyarrow as pa

from poolkit.lab.amend import amend, approve
from poolkit.lab.answers import Answers
from poolkit.lab.proofs import verify_store
from poolkit.lab.recalling import order_recall
from poolkit.protocols import Protocol
from poolkit.trace.doctor import examine
from poolkit.trace.record import Commit
from poolkit.trace.verify import Verification


class Acts(Answers):
    """A store that can be asked, corrected and checked."""

    def amend(
        self,
        sample_id: str,
        *,
        status: str,
        reason: str,
        actor: str,
        protocol: Protocol | str | PathLike[str] | None = None,
        wait_seconds: float = 600.0,
    ) -> Commit:
        """Ask for a correction of a result: a new version, which counts when enough others approved it.

        Parameters
        ----------
        sample_id
            The sample.
        status
            Where it should stand.
        reason, actor
            Why, and who asks; both stand in the trace.
        protocol
            Says how many others have to approve it; by default that of the last commit.
        wait_seconds
            How long to wait for another process that is writing to the store.

        Returns
        -------
        Commit
            Of kind ``amend``; its `source` is the amendment's id.

        Raises
        ------
        TraceError
            When there is no such sample, it stands there already, or the store cannot be written.
        """
        with self._store.writing(wait_seconds=wait_seconds):
            rules = self.rules(protocol)
            return amend(self._store, sample_id=sample_id, status=status, reason=reason, actor=actor, protocol=rules)

    def approve(
        self,
        amendment_id: str,
        *,
        actor: str,
        protocol: Protocol | str | PathLike[str] | None = None,
        wait_seconds: float = 600.0,
    ) -> Commit:
        """Approve a correction that somebody else asked for; parameters and errors are those of `amend`."""
        with self._store.writing(wait_seconds=wait_seconds):
            return approve(self._store, amendment_id=amendment_id, actor=actor, protocol=self.rules(protocol))

    def order_recall(
        self,
        *,
        action: str,
        reason: str,
        actor: str,
        protocol: Protocol | str | PathLike[str] | None = None,
        wait_seconds: float = 600.0,
        **named: Any,
    ) -> Commit:
        """Withdraw the results that `recall` names, and order a rerun or a new swab of every sample, as one commit.

        Parameters
        ----------
        action
            ``rerun`` or ``recollect``.
        reason, actor
            Why, and who does it; both stand in the trace.
        protocol
            Says until when an order is due; by default that of the last commit.
        wait_seconds
            How long to wait for another process that is writing to the store.
        **named
            As `recall` takes them.

        Returns
        -------
        Commit
            Of kind ``orders``. The results are pending from here on; the calls of those runs settle nothing any more.

        Raises
        ------
        TraceError
            When no current result rests on what is named, or the store cannot be written.
        """
        with self._store.writing(wait_seconds=wait_seconds):
            rules = self.rules(protocol)
            return order_recall(self._store, action=action, reason=reason, actor=actor, protocol=rules, **named)

    def verify(
        self,
        *,
        public: bytes | None = None,
        kept: Sequence[str] = (),
        rows: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Verification:
        """Hold segments, ledger, heads and signatures to each other.

        Parameters
        ----------
        public
            Public keys in PEM; every commit then has to be signed by one of them.
        kept
            Heads that were kept elsewhere.
        rows
            Whether to compute the hash of every row again.
        progress
            Called with the bytes looked at and all bytes.

        Returns
        -------
        Verification
            With every problem found; see `poolkit.trace.verify`.
        """
        return verify_store(self._store, public=public, kept=kept, rows=rows, progress=progress)

    def doctor(self, *, fix: bool = False) -> pa.Table:
        """Return what does not fit together between ledger, journal and files.

        Parameters
        ----------
        fix
            Whether to remove what no commit names and to bring the journal up to the ledger; nothing changes otherwise.

        Returns
        -------
        pyarrow.Table
            Columns kind, path, detail and fixed; see `poolkit.trace.doctor`.

        Raises
        ------
        TraceError
            When the ledger cannot be read, or, with `fix`, another process holds the store.
        """
        return examine(self._store, fix=fix)

"""Who may read which blob: members everything but updates; updates validators, and operators once rounds have closed.

Before that a competitor could copy an update, or craft an attack from it.
"""

from bisect import bisect_left
from collections.abc import Iterator

from contracts import queries
from ledger.blobs import ReadRequest, UpdateFacts
from ledger.errors import InputError
from ledger.hashing import Digest
from ledger.quantities import U63_MAX, RoundNumber
from ledger.records import KeyRole, TaskRecord
from node.errors import NotAuthorised
from node.storage.blob_store import BlobStore
from node.storage.chain_store import ChainStore


class ReadRights:
    """Decides by the state after the head."""

    def __init__(self, chain: ChainStore, store: BlobStore) -> None:
        self._chain = chain
        self._store = store

    def check(self, request: ReadRequest) -> None:
        """Raise InputError for an expired request, or NotAuthorised; the request's signature was verified."""
        state, height = self._chain.state, self._chain.head.header.height
        furthest = height + queries.parameters(state).upload_heights_max
        if not height <= request.expires <= furthest:
            raise InputError("expiry of the request", expected=f"{height} to {furthest}", got=request.expires)
        record = queries.key_record(state, request.author)
        if record is None:
            raise NotAuthorised("reader", expected="a key on chain", got=request.author.hex())
        if self._is_update(request.blob):
            self._check_update_reader(request.blob, record.role)

    def _is_update(self, digest: Digest) -> bool:
        """Return whether a blob is an update; what nobody has examined yet counts as one."""
        recorded = queries.blob(self._chain.state, digest)
        if recorded is not None:
            return isinstance(recorded.facts, UpdateFacts)
        if not self._store.has(digest):
            return False
        stored = self._store.record(digest)
        is_view = stored.facts is None and stored.recorded  # kept with its model, though no block names it
        return isinstance(stored.facts, UpdateFacts) or (stored.facts is None and not is_view)

    def _check_update_reader(self, digest: Digest, role: KeyRole) -> None:
        """Let validators read updates, and operators, who audit, those that a closed round accepted and no open one."""
        if role is KeyRole.SERVICE:
            return
        if role is not KeyRole.OPERATOR:
            raise NotAuthorised("reader of an update", expected="a validator or an operator", got=role.name.lower())
        tasks = list(queries.tasks(self._chain.state))
        if any(self._is_open(task, task.round) and self._accepted(digest, task, task.round) for task in tasks):
            raise NotAuthorised("reader of an update", expected="one whose rounds have closed", got="an open round")
        if not any(self._accepted(digest, task, number) for task in tasks for number in self._since(digest, task)):
            raise NotAuthorised("reader of an update", expected="one whose rounds have closed", got="none")

    def _since(self, digest: Digest, task: TaskRecord) -> Iterator[RoundNumber]:
        """Yield the rounds of a task that were open once a blob was recorded, in order: only they can have taken it."""
        record = queries.blob(self._chain.state, digest)
        if record is None:
            return
        numbers = range(1, task.round + 1)
        first = bisect_left(numbers, int(record.recorded), key=lambda number: self._closed(task, RoundNumber(number)))
        yield from map(RoundNumber, numbers[first:])

    def _closed(self, task: TaskRecord, number: RoundNumber) -> int:
        """Return the height at which a round closed; one that no block has yet if it is open."""
        record = queries.round_record(self._chain.state, task.spec.name, number)
        return U63_MAX if record is None or record.closed_height is None else record.closed_height

    def _is_open(self, task: TaskRecord, number: RoundNumber) -> bool:
        return self._closed(task, number) == U63_MAX

    def _accepted(self, digest: Digest, task: TaskRecord, number: RoundNumber) -> bool:
        accepted = queries.participations(self._chain.state, task.spec.name, number).values()
        return any(item.blob == digest for item in accepted)

"""Transactions between validators: admitted anywhere, heard everywhere, so that no primary can starve a caller.

Those that are admitted in one turn of the event loop leave together: a message costs as much as several transactions.
"""

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

import structlog

from ledger.errors import InputError, InvalidTransaction
from ledger.hashing import Digest
from ledger.quantities import ValidatorId
from ledger.transactions import SignedTransaction
from node.errors import MempoolFull
from node.mempool import Mempool
from node.runtime.application import ChainApplication
from node.runtime.wire import GOSSIP_MAX, Duty, Transactions

log = structlog.get_logger()

REPEAT_MAX = 200
"""Waiting transactions told again per tick."""
MESSAGE_BYTES = 2**20
"""A message is full at this size: far less than a frame may have, so that votes do not wait long behind it."""


class Gossip:
    """The way of a transaction into this node's mempool and to its peers."""

    def __init__(
        self,
        *,
        application: ChainApplication,
        mempool: Mempool,
        broadcast: Callable[[Duty], None],
        poke: Callable[[], None],
    ) -> None:
        self._application = application
        self._mempool = mempool
        self._broadcast = broadcast
        self._poke = poke
        self._waited: Digest | None = None
        self._fresh: list[bytes] = []
        """Admitted in this turn of the event loop."""

    def submit(self, raw: bytes) -> SignedTransaction:
        """Admit a caller's transaction and tell every peer; raises InputError, InvalidTransaction, MempoolFull."""
        signed, new = self._application.admit(raw)
        if new:
            if not self._fresh:
                asyncio.get_running_loop().call_soon(self._tell_fresh)
            self._fresh.append(raw)
            self._poke()
        return signed

    def on_transactions(self, sender: ValidatorId, message: Transactions) -> None:
        """Admit what a peer has admitted; what cannot be is dropped, since peers may be some blocks apart."""
        new = 0
        for raw in message.raw:
            try:
                new += self._application.admit(raw)[1]
            except (InputError, InvalidTransaction, MempoolFull) as error:
                log.debug("gossip-refused", peer=sender, code=error.code)
        if new:
            self._poke()

    def tick(self) -> None:
        """Tell again what has waited for a whole tick: a peer may have been away; called about once a second."""
        oldest = self._mempool.oldest()
        identity = None if oldest is None else oldest.signed.transaction.id
        if identity is not None and identity == self._waited:
            again = islice(self._mempool.candidates(), REPEAT_MAX)
            self._tell(waiting.raw for waiting in again)
        self._waited = identity

    def _tell_fresh(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._tell(fresh)

    def _tell(self, raws: Iterable[bytes]) -> None:
        message: list[bytes] = []
        size = 0
        for raw in raws:
            message.append(raw)
            size += len(raw)
            if len(message) == GOSSIP_MAX or size >= MESSAGE_BYTES:
                self._broadcast(Transactions(raw=tuple(message)))
                message, size = [], 0
        if message:
            self._broadcast(Transactions(raw=tuple(message)))

"""Who a node is by the state of the chain, and how it speaks: the `Outbox` of its duties."""

import structlog

from consensus.replica import ends_era
from contracts import queries
from contracts.chain import ExecutedBlock
from ledger.encoding import encode
from ledger.entries import Accepted, TransactionEntry
from ledger.quantities import Era, Height, ValidatorId
from ledger.transactions import Body, ChangeValidators
from ledger.validators import ValidatorSet
from node.home import Home
from node.runtime.gossip import Gossip
from node.runtime.holding import Holding
from node.runtime.membership import Membership
from node.runtime.wire import Duty
from node.runtime.wires import Wires
from node.seat import take_seat
from node.storage.chain_store import ChainStore

log = structlog.get_logger()


class Presence:
    """A node as its duties see it; whoever assembles a node sets these parts."""

    member: Membership
    """Place in the chain; membership transactions change it."""
    chain: ChainStore
    _home: Home
    _wires: Wires
    _gossip: Gossip
    _holding: Holding

    @property
    def validators(self) -> ValidatorSet:
        """Validators of the current era."""
        return queries.validators(self.chain.state)

    @property
    def is_validator(self) -> bool:
        """Whether this node is in the current set."""
        return self.member.validator is not None and self.member.validator in self.validators

    @property
    def era(self) -> Era:
        """Current era."""
        return queries.era(self.chain.state)[0]

    def broadcast(self, message: Duty) -> None:
        """Send to every other validator."""
        self._wires.broadcast(message)

    def send(self, to: ValidatorId, message: Duty) -> None:
        """Send to one validator."""
        self._wires.send(to, message)

    def submit(self, body: Body) -> None:
        """Sign a transaction with the service key and let it be ordered; raises MempoolFull."""
        signed = self.member.transaction(body, head=Height(self.chain.head.header.height))
        self._gossip.submit(encode(signed))

    def _look_at_membership(self, executed: ExecutedBlock) -> None:
        """Follow a change of membership: own place and keys, links, and blobs that are to be held in the new era."""
        changes = [
            entry
            for entry in executed.entries
            if isinstance(entry, TransactionEntry)
            and isinstance(entry.signed.transaction.body, ChangeValidators)
            and isinstance(entry.receipt.verdict, Accepted)
        ]
        if not changes:
            return
        self.member = take_seat(self._home, self.member.genesis, self.chain.state)
        self._wires.update(self.member, queries.seats(self.chain.state))
        log.info("membership-changed", era=self.era, validators=self.validators.ids, validator=self.member.validator)
        if ends_era(executed.block.header):
            self._holding.on_era()

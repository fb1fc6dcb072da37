"""What the duties ask of the node around them."""

from typing import Protocol

from ledger.quantities import Era, ValidatorId
from ledger.transactions import Body
from ledger.validators import ValidatorSet
from node.runtime.membership import Membership
from node.runtime.wire import Duty


class Outbox(Protocol):
    """Who this node is, and how it speaks."""

    @property
    def member(self) -> Membership:
        """Place in the chain; rotations change it."""
        ...

    @property
    def is_validator(self) -> bool:
        """Whether this node is in the current validator set: only then has it duties."""
        ...

    @property
    def era(self) -> Era:
        """Current era."""
        ...

    @property
    def validators(self) -> ValidatorSet:
        """Its validators."""
        ...

    def broadcast(self, message: Duty) -> None:
        """Send to every other validator; may be lost."""
        ...

    def send(self, to: ValidatorId, message: Duty) -> None:
        """Send to one validator; may be lost."""
        ...

    def submit(self, body: Body) -> None:
        """Sign a transaction with the service key and let it be ordered; raises MempoolFull."""
        ...

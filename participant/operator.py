"""What an organisation's operator sends: participants to enrol, blobs to record, tasks to register."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from ledger.errors import ConfigurationError
from ledger.genesis import Genesis
from ledger.hashing import ZERO_DIGEST, Digest
from ledger.keys import PublicKey
from ledger.records import BlobRecord
from ledger.tasks import TaskSpec
from ledger.transactions import Body, EnrolParticipant, RegisterTask
from participant.connected import Connected
from participant.consortium import TIMEOUT_SECONDS
from participant.deadline import Deadline
from participant.keyfile import load_key
from participant.node import seconds_to_move
from participant.receipts import Receipt
from participant.session import Session, read_genesis


class Operator(Connected):
    """An operator key's way to its consortium; close it after use, or use it in a `with` statement.

    Not safe for use by several threads. Methods raise NodeRefused when nodes will not take what is sent, and
    NoNodeAnswered when it is not known to be final in time; a refusal by a contract is a receipt.
    """

    def __init__(
        self,
        *,
        nodes: Sequence[str],
        genesis: str | PathLike[str],
        key: str | PathLike[str],
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Read genesis and key; raises as `Consortium` does, and ConfigurationError for the key of no member."""
        verified = read_genesis(Path(genesis))
        signing = load_key(Path(key), "operator")
        self.organisation = _organisation(verified, signing.public)
        """Name of the member whose key this is."""
        super().__init__(Session(nodes=nodes, genesis=verified, key=signing))
        self._timeout = timeout

    def enrol(self, name: str, public: PublicKey) -> Receipt:
        """Add a training site of this organisation to the registry; its number is the accepted receipt's value."""
        return self._send(EnrolParticipant(organisation=self.organisation, name=name, key=public))

    def upload_blob(self, data: bytes, *, layout: Digest = ZERO_DIGEST) -> BlobRecord:
        """Upload a layout, or a model that fits the recorded layout with this digest; return its proven record."""
        deadline = Deadline(self._timeout + seconds_to_move(len(data)))
        return self._session.upload(data, layout=layout, deadline=deadline)

    def register_task(self, spec: TaskSpec) -> Receipt:
        """Open a task, whose layout and initial model were uploaded before."""
        return self._send(RegisterTask(task=spec))

    def _send(self, body: Body) -> Receipt:
        deadline = Deadline(self._timeout)
        return self._session.submit(self._session.sign(body, deadline=deadline), deadline=deadline)


def _organisation(genesis: Genesis, public: PublicKey) -> str:
    for member in genesis.document.organisations:
        if member.operator_key == public.hex():
            return member.organisation
    raise ConfigurationError("operator key", expected="one of a member in the genesis file", got=public.hex())

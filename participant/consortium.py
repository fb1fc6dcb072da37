"""The front door of a training site: one key, the genesis file, and the nodes to ask.

    consortium = quorate.Consortium(nodes=["https://node.example"], genesis="genesis.json", key="site.key")
    task = consortium.task("cardio")
    with task.round() as r:
        r.load_into(module)
        ...  # train
        receipt = r.submit(module.state_dict(), num_examples=1_200)
    print(receipt.why())         # how a contract judged it
    print(task.why(r.number))    # what became of it in the round, and why

Synchronous, and not safe for use by several threads: give each thread a `Consortium` of its own.
"""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from ledger.errors import InputError
from ledger.hashing import Digest
from ledger.quantities import ParticipantId
from participant.connected import Connected
from participant.deadline import Deadline
from participant.keyfile import load_key
from participant.memory import Memory
from participant.receipts import Receipt
from participant.seat import Seat
from participant.session import Session, read_genesis
from participant.task import Task

TIMEOUT_SECONDS = 60.0
"""How long one operation goes on trying by default."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Consortium(Connected):
    """A participant's way to its consortium; close it after use, or use it in a `with` statement."""

    def __init__(
        self,
        *,
        nodes: Sequence[str],
        genesis: str | PathLike[str],
        key: str | PathLike[str],
        state: str | PathLike[str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Read genesis and key; nothing is asked of a node yet.

        `nodes` are base URLs, asked in this order. `state` is the folder for what was submitted; by default it lies
        beside the key file. `timeout` is how many seconds one operation goes on trying.

        Raises ConfigurationError for a bad file or URL.
        """
        key_file = Path(key)
        verified = read_genesis(Path(genesis))
        folder = key_file.with_suffix(".state") if state is None else Path(state)
        signing = load_key(key_file, "participant")
        super().__init__(Session(nodes=nodes, genesis=verified, key=signing))
        self._memory = Memory(folder / f"{verified.chain_id.hex()[:16]}-{signing.public.hex()[:16]}")
        self._timeout = timeout

    @property
    def chain_id(self) -> Digest:
        """Digest of the genesis file: what members read aloud to each other."""
        return self._session.chain.chain_id

    def participant_number(self) -> ParticipantId:
        """Return this participant's registry number, on a node's word; raises NotTakingPart if it has none."""
        return self._session.participant_number(deadline=Deadline(self._timeout))

    def task(self, name: str, *, carry_residue: bool = True) -> Task:
        """Return a task by its name; whether there is one shows when it is used.

        `carry_residue` adds what rounding left over of an accepted update to the next one: switch it off when noise is
        added to updates, since it would undo the noise. Raises InputError for what is no name of a task.
        """
        if _NAME.fullmatch(name) is None:
            raise InputError("name of a task", expected="at most 63 of a-z, 0-9 and -", got=name)
        seat = Seat(
            session=self._session,
            memory=self._memory,
            task=name,
            timeout=self._timeout,
            carries_residue=carry_residue,
        )
        return Task(seat)

    def receipt(self, transaction: str | Digest) -> Receipt:
        """Return the verified receipt of a transaction, named by its id in hexadecimal or bytes.

        Raises InputError for what is no id, NodeHasNone for an unknown one, NoNodeAnswered while it is not final.
        """
        try:
            identity = bytes.fromhex(transaction) if isinstance(transaction, str) else transaction
        except ValueError:
            identity = b""
        if len(identity) != 32:
            raise InputError("transaction id", expected="64 hexadecimal digits or 32 bytes", got=transaction)
        return self._session.receipt(Digest(identity), deadline=Deadline(self._timeout))

    def why(self, transaction: str | Digest | Receipt) -> str:
        """Return in words how a transaction was judged; raises as `receipt`."""
        receipt = transaction if isinstance(transaction, Receipt) else self.receipt(transaction)
        return receipt.why()

"""One key on one chain: proven reads of state and the three ways in, over whichever node answers.

Records come with a state proof under a certified header, receipts with an inclusion proof, blobs are hashed; so a node
can withhold and delay, and nothing else. What is taken on a node's word says so.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ledger import state_keys
from ledger.blobs import SignedTicket, UploadTicket
from ledger.encoding import encode
from ledger.errors import ConfigurationError, InputError, InvalidProof
from ledger.genesis import GENESIS_BYTES_MAX, Genesis
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.keys import SigningKey
from ledger.quantities import Height, ModelVersion, ParticipantId, RoundNumber
from ledger.records import BlobRecord, GlobalModelRecord, RoundRecord, TaskRecord
from ledger.transactions import NONCE_BYTES, Body, SignedTransaction, Transaction, decode_transaction
from participant.blob_request import blob_request, header_form
from participant.deadline import Deadline
from participant.errors import NodeBehind, NodeHasNone, NodeRefused, NotTakingPart
from participant.http_types import Finality, Participation, Proven, ProvenRound, Registry, Submitted, Uploaded
from participant.node import MSGPACK, OCTETS, Node, Request, seconds_to_move
from participant.nodes import Nodes
from participant.receipts import Receipt
from participant.verified_chain import VerifiedChain

WAIT_SECONDS_MAX = 10.0
"""Longest that one node is waited for to make something final, before the next one gets the same bytes."""
BLOCK_EXTRA_BYTES_MAX = 2**20
"""Of a block beside its transactions: header, certificate, lengths."""
PROOF = {"proof": "true"}
FINAL = "final"

T = TypeVar("T")


def read_genesis(path: Path) -> Genesis:
    """Read and verify a genesis file.

    Raises ConfigurationError for whatever is wrong with it: that is the caller's file, and never a verdict on evidence.
    """
    try:
        with path.open("rb") as file:
            return Genesis(file.read(GENESIS_BYTES_MAX + 1))
    except OSError as error:
        raise ConfigurationError(f"genesis file {path}", expected="one to read", got=error.strerror) from error
    except InputError as error:
        raise ConfigurationError(f"genesis file {path}: {error}") from error


class Session:
    """A key, a chain, and the nodes to reach it by. Every method raises NodeRefused or NoNodeAnswered."""

    def __init__(self, *, nodes: Sequence[str], genesis: Genesis, key: SigningKey) -> None:
        """Raise ConfigurationError for a bad list of nodes."""
        self.chain = VerifiedChain(genesis)
        self.key = key
        self.nodes = Nodes(nodes, weak_quorum=genesis.validators.weak_quorum)
        self._number: ParticipantId | None = None

    def close(self) -> None:
        """Close all connections."""
        self.nodes.close()

    # --- reads -------------------------------------------------------------------------------------------------------

    def task(self, name: str, *, deadline: Deadline) -> TaskRecord:
        """Return a task as state has it; raises NodeHasNone for an unknown one."""

        def attempt(node: Node) -> TaskRecord:
            answer = node.json(Request(method="GET", path=f"/v1/tasks/{name}", query=PROOF), Proven)
            return self._record(node, answer, state_keys.task(name), TaskRecord)

        return self._ask(f"task {name}", attempt, deadline)

    def round(
        self, name: str, number: RoundNumber, *, deadline: Deadline
    ) -> tuple[RoundRecord, Mapping[str, Participation]]:
        """Return a round that was opened, and on a node's word what its participants have done, by number."""
        request = Request(method="GET", path=f"/v1/tasks/{name}/rounds/{number}", query=PROOF)

        def attempt(node: Node) -> tuple[RoundRecord, Mapping[str, Participation]]:
            with node.owing():
                answer = node.json(request, ProvenRound)
            return self._record(node, answer, state_keys.round_(name, number), RoundRecord), answer.participations

        return self._ask(f"round {number} of {name}", attempt, deadline)

    def model(self, name: str, version: ModelVersion, *, deadline: Deadline) -> GlobalModelRecord:
        """Return the record of a global model that was made."""
        request = Request(method="GET", path=f"/v1/tasks/{name}/models/{version}", query=PROOF)

        def attempt(node: Node) -> GlobalModelRecord:
            with node.owing():
                answer = node.json(request, Proven)
            return self._record(node, answer, state_keys.model(name, version), GlobalModelRecord)

        return self._ask(f"model {version} of {name}", attempt, deadline)

    def participant_number(self, *, deadline: Deadline) -> ParticipantId:
        """Return this key's registry number, on a node's word; raises NotTakingPart once enough know of none."""
        if self._number is None:
            try:
                self._number = self._ask("registry of participants", self._look_up, deadline)
            except NodeHasNone as refusal:
                raise NotTakingPart("key", expected="one of an enrolled participant", got=str(refusal)) from refusal
        return self._number

    def receipt(self, transaction: Digest, *, deadline: Deadline) -> Receipt:
        """Return the receipt of a transaction once it is final; raises NodeHasNone for an unknown one."""
        return self._ask(f"transaction {transaction.hex()}", lambda node: self._receipt(node, transaction), deadline)

    def blob(self, digest: Digest, *, size_max: int, deadline: Deadline) -> bytes:
        """Return a blob that is proven to exist."""

        def attempt(node: Node) -> bytes:
            request = blob_request(
                digest,
                chain_id=self.chain.chain_id,
                key=self.key,
                expires=self.chain.ahead(self.chain.genesis.parameters.upload_heights_max),
                bytes_max=size_max,
            )
            with node.owing():
                data = node.ask(request)
            with node.blamed("blob"):
                if sha256(data) != digest:
                    raise InvalidProof("digest", expected=digest.hex(), got=sha256(data).hex())
            return data

        return self._ask(f"blob {digest.hex()}", attempt, deadline)

    def refresh(self, *, deadline: Deadline) -> Height:
        """Return the height of the latest block, which is not older than any seen before."""
        request = Request(
            method="GET",
            path="/v1/blocks/latest",
            headers={"Accept": MSGPACK},
            answer_bytes_max=self.chain.genesis.parameters.block_bytes_max + BLOCK_EXTRA_BYTES_MAX,
        )
        return self._ask("latest block", lambda node: self.chain.latest(node, node.ask(request)), deadline)

    # --- ways in -----------------------------------------------------------------------------------------------------

    def upload(self, data: bytes, *, layout: Digest = ZERO_DIGEST, deadline: Deadline) -> BlobRecord:
        """Upload a blob, unless the chain has recorded it, and return its record once there is one."""
        digest = sha256(data)
        self.refresh(deadline=deadline)

        def attempt(node: Node) -> BlobRecord:
            earlier = self._blob_record(node, digest)
            if earlier is not None:
                return earlier
            unsigned = UploadTicket(
                chain_id=self.chain.chain_id,
                author=self.key.public,
                blob=digest,
                size=len(data),
                layout=layout,
                expires=self.chain.ahead(self.chain.genesis.parameters.upload_heights_max),
            )
            ticket = header_form(SignedTicket.sign(unsigned, self.key))
            request = Request(
                method="PUT",
                path=f"/v1/blobs/{digest.hex()}",
                headers={"Content-Type": OCTETS, "Quorate-Ticket": ticket},
                content=data,
                wait_seconds=min(WAIT_SECONDS_MAX + seconds_to_move(len(data)), deadline.remaining),
            )
            node.json(request, Uploaded)
            recorded = self._blob_record(node, digest)
            if recorded is None:
                raise NodeBehind(node.url, "upload", expected="the blob on chain", got="not yet")
            return recorded

        return self._ask(f"upload of blob {digest.hex()}", attempt, deadline)

    def sign(self, body: Body, *, deadline: Deadline) -> SignedTransaction:
        """Return a new signed transaction; raises MalformedEncoding for a bad name or number in it, TooLarge."""
        self.refresh(deadline=deadline)
        transaction = Transaction(
            chain_id=self.chain.chain_id,
            author=self.key.public,
            nonce=secrets.token_bytes(NONCE_BYTES),
            valid_until=self.chain.ahead(self.chain.genesis.parameters.validity_heights_max),
            body=body,
        )
        return decode_transaction(encode(SignedTransaction.sign(transaction, self.key)))

    def submit(self, signed: SignedTransaction, *, deadline: Deadline) -> Receipt:
        """Submit a transaction, for the first time or again, and return its receipt once it is final."""
        raw, identity = encode(signed), signed.transaction.id

        def attempt(node: Node) -> Receipt:
            request = Request(
                method="POST",
                path="/v1/transactions",
                headers={"Content-Type": MSGPACK},
                content=raw,
                wait_seconds=min(WAIT_SECONDS_MAX, deadline.remaining),
            )
            if node.json(request, Submitted).status != FINAL:
                raise NodeBehind(node.url, "transaction", expected="it on chain", got="it waiting")
            return self._receipt(node, identity)

        return self._ask(f"transaction {identity.hex()}", attempt, deadline)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _ask(self, what: str, attempt: Callable[[Node], T], deadline: Deadline) -> T:
        """Ask nodes until one answers well; a refusal by one that is behind says nothing."""

        def judged(node: Node) -> T:
            try:
                return attempt(node)
            except NodeRefused as refusal:
                if refusal.height is not None and refusal.height < self.chain.height:
                    raise NodeBehind(node.url, f"refused at height {refusal.height}: {refusal}") from refusal
                raise

        return self.nodes.ask(what, judged, deadline=deadline)

    def _look_up(self, node: Node) -> ParticipantId:
        own = self.key.public.hex()
        registry = node.json(Request(method="GET", path="/v1/participants"), Registry)
        for enrolled in registry.participants:
            if enrolled.key == own:
                return ParticipantId(enrolled.participant)
        raise NodeHasNone(node.url, "participants", problem="not-found", detail=f"none with key {own}", height=None)

    def _record(self, node: Node, answer: Proven, key: bytes, kind: type[T]) -> T:
        return self.chain.record(node, bytes.fromhex(answer.proof), key, kind)

    def _blob_record(self, node: Node, digest: Digest) -> BlobRecord | None:
        """Return what the chain records of a blob, or None if the node says that there is none."""
        try:
            answer = node.json(Request(method="GET", path=f"/v1/blobs/{digest.hex()}/record", query=PROOF), Proven)
        except NodeHasNone:
            return None
        return self._record(node, answer, state_keys.blob(digest), BlobRecord)

    def _receipt(self, node: Node, transaction: Digest) -> Receipt:
        answer = node.json(Request(method="GET", path=f"/v1/transactions/{transaction.hex()}"), Finality)
        if answer.status != FINAL:
            raise NodeBehind(node.url, "transaction", expected="it on chain", got="it waiting")
        return self.chain.receipt(node, bytes.fromhex(answer.proof), transaction)

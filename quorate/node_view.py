"""The explorer's view of one running node: records with proofs are verified, the rest is marked as its word.

The genesis file is the root of trust. Where the caller names none, the node's own is taken and the caller is told to
compare its digest.
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ledger import merkle, state_keys
from ledger.encoding import Noun, decode
from ledger.entries import TransactionEntry
from ledger.errors import InvalidProof
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.light_client import EntryProof
from ledger.quantities import Height, ModelVersion, RoundNumber
from ledger.records import GlobalModelRecord, RoundRecord, TaskRecord
from ledger.rendering import plain
from ledger.tasks import rule_digest
from participant.errors import NodeHasNone
from participant.node import Request
from participant.verified_chain import VerifiedChain
from quorate.errors import EvidenceMissing, GenesisDiffers, NotOnChain
from quorate.node_source import NodeSource
from quorate.views import unpinned
from quorate.words import Record

T = TypeVar("T", bound=Noun)
PROOF = MappingProxyType({"proof": "true"})


class NodeView:
    """One node, asked afresh for each thing."""

    def __init__(self, source: NodeSource, *, trusted: Genesis | None) -> None:
        """Raise NodeFault; GenesisDiffers if the node is on another chain than the trusted one."""
        self._source = source
        self._node = source.node
        self._caveats: list[str] = []
        claimed = source.genesis()
        if trusted is None:
            self._caveats.append(unpinned(claimed.chain_id.hex()))
        elif claimed.data != trusted.data:
            raise GenesisDiffers(
                f"chain id of the {source.name}", expected=trusted.chain_id.hex(), got=claimed.chain_id.hex()
            )
        self.genesis = claimed
        """The genesis that everything is checked against."""
        self._chain = VerifiedChain(claimed)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What was not verified of what was asked so far, for people."""
        return tuple(self._caveats)

    def blocks(self, *, before: int | None, limit: int) -> list[Record]:
        """Return summaries of blocks, newest first."""
        self._on_its_word("summaries of blocks")
        query = {"limit": str(limit)} | ({} if before is None else {"before": str(before)})
        found: list[Record] = self._get("/v1/blocks", query)["blocks"]
        return found

    def block(self, height: int | None) -> Record:
        """Return a block with its entries, by default the last one; raises NotOnChain."""
        found = self._found(f"/v1/blocks/{'latest' if height is None else height}", "block", height)
        with self._node.blamed("block"):
            certified = self._source.block(Height(int(found["header"]["height"])))
            header = certified.block.header
            if header.digest.hex() != found["digest"] or plain(header) != found["header"]:
                raise InvalidProof("header", expected=header.digest.hex(), got=found["digest"])
            root = merkle.root(certified.block.transactions)
            if root != header.transactions_root:
                raise InvalidProof("transactions root", expected=header.transactions_root.hex(), got=root.hex())
            if certified.certificate is not None or header.height == 0:
                self._chain.follow(self._node, header)
                self._chain.light.verify_header(header, certified.certificate)
            else:
                self._caveats.append(f"block {header.height} is final by a later one's certificate, not checked here")
        self._on_its_word("how the entries of the block were judged")
        return found

    def transaction(self, identity: Digest) -> Record:
        """Return where a transaction stands and how it was judged; raises NotOnChain."""
        found = self._found(f"/v1/transactions/{identity.hex()}", "transaction", identity.hex())
        if found["status"] != "final":
            return found
        with self._node.blamed("proof of the entry"):
            proof = decode(bytes.fromhex(found["proof"]), EntryProof)
            self._chain.follow(self._node, proof.header)
            entry = self._chain.light.verify_entry(proof)
            if not isinstance(entry, TransactionEntry) or entry.signed.transaction.id != identity:
                raise InvalidProof("entry", expected=f"transaction {identity.hex()}", got="another")
        return {
            "id": identity.hex(),
            "status": "final",
            "height": entry.receipt.height,
            "position": entry.receipt.position,
            "log_index": proof.index,
            "receipt": plain(entry.receipt),
            "entry": plain(entry),
        }

    def task(self, name: str) -> Record:
        """Return a task; raises NotOnChain."""
        answer = self._found(f"/v1/tasks/{name}", "task", name, PROOF)
        record = self._proven(answer, state_keys.task(name), TaskRecord)
        return {**_fields(record), "rule_digest": rule_digest(record.spec).hex()}

    def round(self, name: str, number: int | None) -> Record:
        """Return a round, what each invited participant did, and who attested; raises NotOnChain."""
        place = "current" if number is None else str(number)
        answer = self._found(f"/v1/tasks/{name}/rounds/{place}", f"round of task {name}", place, PROOF)
        wanted = RoundNumber(int(answer["round"]["round"]) if number is None else number)
        record = self._proven(answer, state_keys.round_(name, wanted), RoundRecord)
        self._on_its_word("what participants did in the round, and who attested")
        return {
            "round": _fields(record),
            "participations": answer["participations"],
            "attestations": answer["attestations"],
        }

    def model(self, name: str, version: int | None) -> Record:
        """Return the record of a global model, by default the promoted one; raises NotOnChain."""
        answer = self.claimed_model(name, version)
        wanted = ModelVersion(int(answer["version"]) if version is None else version)
        return _fields(self._proven(answer, state_keys.model(name, wanted), GlobalModelRecord))

    def claimed_model(self, name: str, version: int | None) -> dict[str, Any]:
        """Return the record of a global model with its proof, not verified; raises NotOnChain."""
        place = "latest" if version is None else str(version)
        return self._found(f"/v1/tasks/{name}/models/{place}", f"global model of task {name}", place, PROOF)

    def participants(self) -> dict[int, Record]:
        """Return all training sites by number."""
        return {int(record["participant"]): record for record in self._get("/v1/participants")["participants"]}

    def offences(self) -> list[Record]:
        """Return what validators are proven to have done, by era and validator."""
        self._on_its_word("that these are all offences on record; each transaction has its own proof")
        return list(self._get("/v1/offences")["offences"])

    def blob(self, digest: Digest) -> bytes | None:
        """Return a small blob such as a report, or None where it is not to be had."""
        try:
            data = bytes(self._source.blob(digest))
        except EvidenceMissing as error:
            self._note(f"left out: {error}")
            return None
        with self._node.blamed("blob"):
            if hashlib.sha256(data).digest() != digest:
                raise InvalidProof("digest of a blob", expected=digest.hex(), got="another")
        return data

    def _on_its_word(self, what: str) -> None:
        self._note(f"{what}: on the word of this node; `quorate verify` checks all of it")

    def _note(self, caveat: str) -> None:
        if caveat not in self._caveats:
            self._caveats.append(caveat)

    def _get(self, path: str, query: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
        return self._node.json(Request(method="GET", path=path, query=query), dict[str, Any])

    def _found(
        self, path: str, what: str, wanted: object, query: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Any]:
        try:
            return self._get(path, query)
        except NodeHasNone as refusal:
            raise NotOnChain(what, expected=f"one that {self._source.name} has", got=wanted) from refusal

    def _proven(self, answer: dict[str, Any], key: bytes, kind: type[T]) -> T:
        return self._chain.record(self._node, bytes.fromhex(answer["proof"]), key, kind)


def _fields(noun: Noun) -> dict[str, Any]:
    found = plain(noun)
    assert isinstance(found, dict)
    return found

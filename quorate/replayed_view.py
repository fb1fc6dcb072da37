"""The explorer's view of a chain that was executed again from its genesis: of an export, or of any other source."""

from collections.abc import Mapping

import msgspec

from contracts import queries
from contracts.chain import ExecutedBlock, genesis_block
from ledger.certificates import CertifiedBlock
from ledger.entries import Entry, TransactionEntry
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.quantities import ModelVersion, RoundNumber
from ledger.records import TaskRecord
from ledger.rendering import plain
from ledger.tasks import rule_digest
from quorate.blob_evidence import BlobEvidence
from quorate.errors import NotOnChain
from quorate.sources import ChainSource
from quorate.verification import ReplayedChain, Report, verify_chain
from quorate.views import unpinned
from quorate.words import Record


class TransactionFinder:
    """Watches a chain being verified for one transaction."""

    def __init__(self, wanted: Digest | None) -> None:
        self.wanted = wanted
        self._found: Record | None = None

    def __call__(self, _: CertifiedBlock, executed: ExecutedBlock) -> None:
        """Look at the next block."""
        first = executed.block.header.log_size - len(executed.entries)
        for place, entry in enumerate(executed.entries):
            if isinstance(entry, TransactionEntry) and entry.signed.transaction.id == self.wanted:
                self._found = {
                    "id": entry.signed.transaction.id.hex(),
                    "status": "final",
                    "height": entry.receipt.height,
                    "position": entry.receipt.position,
                    "log_index": first + place,
                    "receipt": plain(entry.receipt),
                    "entry": plain(entry),
                }

    def result(self) -> Record:
        """Return where the transaction stands and how it was judged; raises NotOnChain."""
        if self._found is None:
            wanted = "none" if self.wanted is None else self.wanted.hex()
            raise NotOnChain("transaction", expected="one in the log", got=wanted)
        return self._found


class ReplayedView:
    """A verified chain, and of its entries those that will be asked for: all of them might not fit into memory."""

    def __init__(
        self,
        source: ChainSource,
        *,
        trusted: Genesis | None,
        height: int | None = None,
        transaction: Digest | None = None,
    ) -> None:
        """Verify the chain; keep the entries of the block at `height`, of the one with `transaction`, and of the last.

        Raises as `quorate.verification.verify_chain`.
        """
        self._height = height
        self._finder = TransactionFinder(transaction)
        self._summaries: list[Record] = []
        self._blocks: dict[int, Record] = {}
        report = Report()
        self._chain: ReplayedChain = verify_chain(
            source, trusted=trusted, report=report, observers=(self._keep, self._finder)
        )
        first = genesis_block(self._chain.genesis)
        opening = CertifiedBlock(block=first.block, certificate=None)
        self._summaries.insert(0, _summary(opening, first))
        self._blocks[0] = _contents(opening, first)
        self._blobs = BlobEvidence(self._chain, source, report)
        self.caveats = () if trusted is not None else (unpinned(self._chain.genesis.chain_id.hex()),)
        """What was not verified, for people."""

    @property
    def genesis(self) -> Genesis:
        """The genesis that everything was checked against."""
        return self._chain.genesis

    def blocks(self, *, before: int | None, limit: int) -> list[Record]:
        """Return summaries of blocks, newest first."""
        end = len(self._summaries) if before is None else min(before, len(self._summaries))
        return self._summaries[max(0, end - limit) : end][::-1]

    def block(self, height: int | None) -> Record:
        """Return a block with its entries, by default the last one; raises NotOnChain."""
        head = int(self._chain.head.height)
        wanted = head if height is None else height
        if wanted not in self._blocks:
            raise NotOnChain("block", expected=f"a height from 0 to {head}", got=wanted)
        return self._blocks[wanted]

    def transaction(self, identity: Digest) -> Record:
        """Return where a transaction stands and how it was judged; raises NotOnChain."""
        assert identity == self._finder.wanted
        return self._finder.result()

    def task(self, name: str) -> Record:
        """Return a task; raises NotOnChain."""
        record = self._task(name)
        return {**_fields(record), "rule_digest": rule_digest(record.spec).hex()}

    def round(self, name: str, number: int | None) -> Record:
        """Return a round, what each invited participant did, and who attested; raises NotOnChain."""
        current = self._task(name).round
        wanted = current if number is None else RoundNumber(number)
        record = queries.round_record(self._chain.state, name, wanted)
        if record is None:
            raise NotOnChain(f"round of task {name}", expected=f"1 to {current}", got=wanted)
        did = {
            str(invited.participant): plain(queries.participation(self._chain.state, name, wanted, invited.participant))
            for invited in record.invited
        }
        attested = plain(queries.attestations(self._chain.state, name, wanted))
        return {"round": plain(record), "participations": did, "attestations": attested}

    def model(self, name: str, version: int | None) -> Record:
        """Return the record of a global model, by default the promoted one; raises NotOnChain."""
        latest = self._task(name).version
        wanted = latest if version is None else ModelVersion(version)
        record = queries.model(self._chain.state, name, wanted)
        if record is None:
            raise NotOnChain(f"global model of task {name}", expected=f"0 to {latest}", got=wanted)
        return _fields(record)

    def participants(self) -> dict[int, Record]:
        """Return all training sites by number."""
        return {int(record.participant): _fields(record) for record in queries.participants(self._chain.state)}

    def offences(self) -> list[Record]:
        """Return what validators are proven to have done, by era and validator."""
        return [_fields(record) for record in queries.offences(self._chain.state)]

    def blob(self, digest: Digest) -> bytes | None:
        """Return a small blob such as a report, or None where it is not to be had; raises as `BlobEvidence.obtain`."""
        found = self._blobs.find(digest)
        return None if found is None else bytes(found)

    def _task(self, name: str) -> TaskRecord:
        record = queries.task(self._chain.state, name)
        if record is None:
            raise NotOnChain("task", expected="a registered one", got=name)
        return record

    def _keep(self, certified: CertifiedBlock, executed: ExecutedBlock) -> None:
        """Note what will be asked for of a block."""
        self._summaries.append(_summary(certified, executed))
        self._blocks = {height: block for height, block in self._blocks.items() if height == self._height}
        self._blocks[int(certified.block.header.height)] = _contents(certified, executed)


def _summary(certified: CertifiedBlock, executed: ExecutedBlock) -> Record:
    header, certificate = certified.block.header, certified.certificate
    return {
        "height": header.height,
        "digest": header.digest.hex(),
        "time": header.time,
        "proposer": header.proposer,
        "transactions": len(certified.block.transactions),
        "entries": len(executed.entries),
        "view": None if certificate is None else certificate.view,
        "signers": [] if certificate is None else [proof.validator for proof in certificate.commits],
    }


def _contents(certified: CertifiedBlock, executed: ExecutedBlock) -> Record:
    return {
        "digest": certified.block.header.digest.hex(),
        "header": plain(certified.block.header),
        "certificate": plain(certified.certificate),
        "entries": [_entry(entry) for entry in executed.entries],
    }


def _entry(entry: Entry) -> Mapping[str, object]:
    identity = {"id": entry.signed.transaction.id.hex()} if isinstance(entry, TransactionEntry) else {}
    return {**_fields(entry), **identity}


def _fields(noun: msgspec.Struct) -> Record:
    found = plain(noun)
    assert isinstance(found, dict)
    return found

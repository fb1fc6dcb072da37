"""Blobs as evidence: present, hashing to their names, with the facts that a quorum of validators signed."""

import hashlib
from typing import TypeVar

from aggregation.blob_kinds import facts_of
from aggregation.layouts import decode_layout
from contracts import queries
from ledger.blobs import BlobFacts, ModelFacts, UpdateFacts
from ledger.errors import InputError
from ledger.hashing import Digest
from ledger.tasks import Layout
from quorate.errors import BlobDiffers, EvidenceMissing, FactsDiffer
from quorate.sources import Buffer, ChainSource
from quorate.verification import ReplayedChain, Report, Step

Facts = TypeVar("Facts", bound=BlobFacts)


class BlobEvidence:
    """The blobs of a verified chain, each checked once."""

    def __init__(self, chain: ReplayedChain, source: ChainSource, report: Report) -> None:
        self._chain = chain
        self._source = source
        self._report = report
        self.missing: dict[Digest, EvidenceMissing] = {}
        """Why blobs that were looked for are not there."""
        self._layouts: dict[Digest, Layout] = {}
        self._facts: dict[Digest, BlobFacts] = {}

    def obtain(self, digest: Digest) -> Buffer:
        """Return a recorded blob once it is shown to be what was recorded.

        Raises EvidenceMissing, or BlobDiffers or FactsDiffer where it is something else.
        """
        buffer = self._source.blob(digest)
        if digest not in self._facts:
            with self._report.checking(Step.BLOBS, f"blob {digest.hex()}"):
                self._facts[digest] = self._check(digest, buffer)
        return buffer

    def find(self, digest: Digest) -> Buffer | None:
        """Return a blob as `obtain` does, or None if it is not there."""
        try:
            return self.obtain(digest)
        except EvidenceMissing as error:
            self.missing[digest] = error
            return None

    def facts(self, digest: Digest, kind: type[Facts]) -> Facts:
        """Return the facts of a blob of this kind; raises as `obtain`, and FactsDiffer for another kind."""
        self.obtain(digest)
        facts = self._facts[digest]
        if not isinstance(facts, kind):
            raise FactsDiffer(f"blob {digest.hex()}", expected=kind.__name__, got=type(facts).__name__)
        return facts

    def layout(self, digest: Digest) -> Layout:
        """Return a recorded layout; raises as `obtain`."""
        if digest not in self._layouts:
            self._layouts[digest] = decode_layout(bytes(self.obtain(digest)))
        return self._layouts[digest]

    def _check(self, digest: Digest, buffer: Buffer) -> BlobFacts:
        got = hashlib.sha256(buffer).digest()
        if got != digest:
            raise BlobDiffers(f"SHA-256 of the blob in the {self._source.name}", expected=digest.hex(), got=got.hex())
        record = queries.blob(self._chain.state, digest)
        if record is None:
            raise EvidenceMissing(f"record of blob {digest.hex()}", expected="HOLDs of a quorum", got="none on chain")
        fitting = self.layout(record.facts.layout) if isinstance(record.facts, ModelFacts | UpdateFacts) else None
        try:
            facts = facts_of(buffer, fitting)
        except InputError as error:
            raise FactsDiffer(f"blob {digest.hex()}, although a quorum holds it: {error}") from error
        if (facts, len(buffer)) != (record.facts, record.size):
            raise FactsDiffer(f"facts of blob {digest.hex()}", expected=record.facts, got=facts)
        return facts

"""From a source to a folder: nothing is written that was not verified, so a lying node is found out at once."""

from dataclasses import dataclass
from pathlib import Path

from contracts.chain import ExecutedBlock
from ledger.certificates import CertifiedBlock
from ledger.genesis import Genesis
from quorate.blob_evidence import BlobEvidence
from quorate.chain_folder import ChainFolderWriter
from quorate.sources import ChainSource
from quorate.verification import Report, verify_chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    chain_id: str
    height: int
    blobs: int
    missing: tuple[str, ...]
    """Recorded blobs that the source does not have, or does not give."""


def export_chain(source: ChainSource, target: Path, *, trusted: Genesis | None, with_blobs: bool) -> Exported:
    """Write a source's chain to a new folder.

    Raises ConfigurationError if there is something already, and as `quorate.verification.verify_chain`; then the folder
    is left without its checksums.
    """
    writer = ChainFolderWriter(target, trusted or source.genesis())

    def add(certified: CertifiedBlock, _: ExecutedBlock) -> None:
        writer.add_block(certified)

    report = Report()
    chain = verify_chain(source, trusted=trusted, report=report, observers=(add,))
    evidence = BlobEvidence(chain, source, report)
    written, missing = 0, []
    for digest in chain.blobs if with_blobs else ():
        buffer = evidence.find(digest)
        if buffer is None:
            missing.append(digest.hex())
        else:
            writer.add_blob(digest, buffer)
            written += 1
    writer.finish()
    return Exported(
        chain_id=chain.genesis.chain_id.hex(), height=int(chain.head.height), blobs=written, missing=tuple(missing)
    )

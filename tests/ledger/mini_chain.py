"""A chain of real signatures, small enough to be built by hand: its log, its headers and their certificates."""

from ledger import merkle
from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate
from ledger.encoding import encode
from ledger.entries import Accepted, ActionEntry, Receipt, TaskFinished
from ledger.quantities import Height
from ledger.validators import ValidatorSet
from tests.ledger.helpers import commit_certificate, genesis, header, validator_set

GENESIS = genesis()
FIRST, SECOND = validator_set(), validator_set(5, era=1)
"""The validator sets of eras 0 and 1."""
ENTRIES = tuple(
    ActionEntry(
        action=TaskFinished(task=f"task-{number}"),
        receipt=Receipt(height=Height(1 + number // 3), position=number % 3, verdict=Accepted()),
    )
    for number in range(7)
)
"""The log: three entries a block."""
LEAVES = [encode(entry) for entry in ENTRIES]


def header_at(height: int, validators: ValidatorSet = FIRST, **changes: object) -> BlockHeader:
    """Return a header of our chain whose log holds the entries of the heights up to its own."""
    log = [leaf for leaf, entry in zip(LEAVES, ENTRIES, strict=True) if entry.receipt.height <= height]
    return header(
        validators,
        **{
            "chain_id": GENESIS.chain_id,
            "height": Height(height),
            "log_size": len(log),
            "log_root": merkle.root(log),
            **changes,
        },
    )


def certified(subject: BlockHeader) -> CommitCertificate:
    """Return a quorum's certificate for a header of era 0 or 1."""
    return commit_certificate(subject, range(3) if subject.era == 0 else range(1, 5))

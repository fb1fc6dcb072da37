"""Chain parameters: whatever can make a block invalid or change a receipt. They are state, not configuration."""

from ledger.encoding import PROTOCOL_VERSION, Noun
from ledger.quantities import U63

TRANSACTION_BYTES_MAX = 61_440
"""Largest signed transaction: leaves room for its receipt in a log entry."""
ENTRY_BYTES_MAX = 65_535
"""Largest log entry: C2SP tlog-tiles prefixes entries with 16-bit lengths."""


PROTOCOLS_KNOWN = frozenset({PROTOCOL_VERSION})
"""Versions of the rules that this software can follow; a node stops before the first block of any other one."""


class ChainParameters(Noun, frozen=True, kw_only=True):
    """Limits and timings that every validator must apply alike."""

    protocol: U63 = PROTOCOL_VERSION
    """Version of all rules; switched at a height."""
    window: U63 = 8
    """Blocks that may be in flight above the appended head (1 to 64)."""
    clock_drift_ms: U63 = 5_000
    """How far ahead of a backup's clock a fresh block's time may be."""
    validity_heights_max: U63 = 10_000
    """How far above the including block a transaction's `valid_until` may lie."""
    block_transactions_max: U63 = 1_000
    """Transactions in a block, refused ones included."""
    block_bytes_max: U63 = 4 * 2**20
    """Bytes of all transactions of a block."""
    sender_transactions_max: U63 = 200
    """Transactions of one author in a block."""
    sender_bytes_max: U63 = 2**20
    """Bytes of one author's transactions in a block."""
    block_actions_max: U63 = 100
    """Due actions carried out at the beginning of a block; the rest stay due."""
    block_prunes_max: U63 = 4_000
    """Expired transaction ids forgotten per block."""
    update_attempts_max: U63 = 3
    """Refused updates of one participant in one round."""
    invited_max: U63 = 1_024
    """Participants of a task: the bound that the integer arithmetic of aggregation is proved for."""
    participants_max: U63 = 10_000
    """Participants of the chain."""
    tasks_open_max: U63 = 100
    """Tasks that may be running at a time."""
    round_deadline_ms_max: U63 = 30 * 24 * 3600 * 1_000
    """Longest a round may stay open."""
    rounds_max: U63 = 100_000
    """Most rounds that a task may have."""
    blob_bytes_max: U63 = 2**31
    """Largest blob that may be recorded."""
    upload_heights_max: U63 = 10_000
    """How far above the head an upload ticket may expire."""
    evidence_heights_max: U63 = 10_000
    """How far above the votes that evidence shows the block may lie that records it."""
    block_evidence_max: U63 = 16
    """Offences recorded in a block."""
    offender_evidence_max: U63 = 16
    """Offences recorded of one validator in one era: it could sign contradictions without end."""

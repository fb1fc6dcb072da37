"""Blocks: the digest covers every field of the header and nothing else."""

import pytest
from msgspec.structs import replace

from ledger.blocks import Block, BlockHeader
from ledger.encoding import encode
from ledger.hashing import sha256
from tests.ledger.helpers import digest, header


def test_a_block_is_named_by_the_hash_of_its_header() -> None:
    block = Block(header=header(), transactions=(b"a transaction",))
    assert block.digest == block.header.digest == sha256(encode(header()))


@pytest.mark.parametrize("field", BlockHeader.__struct_fields__)
def test_the_digest_covers_every_field(field: str) -> None:
    value = getattr(header(), field)
    changed = digest("another") if isinstance(value, bytes) else value + 1
    assert replace(header(), **{field: changed}).digest != header().digest


def test_no_view_is_part_of_a_header() -> None:
    assert BlockHeader.__struct_fields__ == (
        "protocol",
        "chain_id",
        "era",
        "height",
        "parent",
        "time",
        "proposer",
        "transactions_root",
        "receipts_root",
        "state_root",
        "log_size",
        "log_root",
        "validators",
        "next_validators",
    )

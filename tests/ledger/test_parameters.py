"""Chain parameters: the limits agree with each other, and every one is a number in state."""

from ledger.encoding import PROTOCOL_VERSION, decode, encode
from ledger.parameters import ENTRY_BYTES_MAX, TRANSACTION_BYTES_MAX, ChainParameters

DEFAULTS = ChainParameters()


def test_a_transaction_leaves_room_for_its_receipt() -> None:
    assert TRANSACTION_BYTES_MAX + 4_000 <= ENTRY_BYTES_MAX


def test_an_entry_fits_a_16_bit_length() -> None:
    assert ENTRY_BYTES_MAX == 2**16 - 1


def test_the_largest_transaction_fits_its_senders_share_and_the_block() -> None:
    assert TRANSACTION_BYTES_MAX <= DEFAULTS.sender_bytes_max <= DEFAULTS.block_bytes_max
    assert 1 <= DEFAULTS.sender_transactions_max <= DEFAULTS.block_transactions_max


def test_a_block_forgets_as_many_ids_as_it_may_bring() -> None:
    assert DEFAULTS.block_prunes_max >= DEFAULTS.block_transactions_max


def test_no_task_invites_more_than_the_chain_enrols() -> None:
    assert DEFAULTS.invited_max <= DEFAULTS.participants_max


def test_parameters_are_numbers_in_state() -> None:
    assert decode(encode(DEFAULTS), ChainParameters) == DEFAULTS
    assert DEFAULTS.protocol == PROTOCOL_VERSION

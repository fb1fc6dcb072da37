"""What may stand in a block: each reason for refusing a transaction, and its near miss."""

import pytest
from msgspec.structs import replace

from contracts import errors
from contracts.validity import BlockAdmission, PlainReader
from ledger import state_keys
from ledger.encoding import decode, encode
from ledger.errors import (
    InputError,
    InvalidSignature,
    InvalidTransaction,
    MalformedEncoding,
    NonCanonicalEncoding,
    TooLarge,
    WrongChain,
)
from ledger.hashing import Digest
from ledger.keys import Signature
from ledger.parameters import TRANSACTION_BYTES_MAX, ChainParameters
from ledger.quantities import Height
from ledger.transactions import EnrolParticipant, RecordBlob, SignedTransaction
from tests.consortium import signing_key
from tests.contracts.driver import Chain, digest
from tests.contracts.training import LAYOUT_FACTS

BODY = EnrolParticipant(organisation="org-00", name="ward", key=signing_key("ward").public)


@pytest.fixture
def chain() -> Chain:
    return Chain()


def admission(chain: Chain, *, chain_id: Digest | None = None) -> BlockAdmission:
    return BlockAdmission(chain.state, height=Height(chain.height + 1), chain_id=chain_id or chain.chain_id)


def signed(raw: bytes) -> SignedTransaction:
    return decode(raw, SignedTransaction)


def test_a_valid_transaction_is_admitted(chain: Chain) -> None:
    raw = chain.sign(chain.operator, BODY)
    assert admission(chain).admit(raw) == signed(raw)
    admission(chain).check(signed(raw))


def test_bytes_must_be_a_transaction(chain: Chain) -> None:
    with pytest.raises(MalformedEncoding):
        admission(chain).admit(b"\x92")


def test_bytes_must_be_canonical(chain: Chain) -> None:
    raw = chain.sign(chain.operator, BODY, valid_until=100)
    longer = raw.replace(encode(100) + encode(BODY), b"\xcc\x64" + encode(BODY))
    assert len(longer) == len(raw) + 1
    with pytest.raises(NonCanonicalEncoding):
        admission(chain).admit(longer)


def test_bytes_are_bounded(chain: Chain) -> None:
    with pytest.raises(TooLarge):
        admission(chain).admit(bytes(TRANSACTION_BYTES_MAX + 1))


def test_another_chains_transaction_is_refused(chain: Chain) -> None:
    raw = chain.sign(chain.operator, BODY)
    with pytest.raises(WrongChain):
        admission(chain, chain_id=digest("another chain")).admit(raw)
    with pytest.raises(WrongChain):
        admission(chain, chain_id=digest("another chain")).check(signed(raw))


def test_a_forged_signature_is_refused(chain: Chain) -> None:
    forged = replace(signed(chain.sign(chain.operator, BODY)), signature=Signature(bytes(64)))
    with pytest.raises(InvalidSignature):
        admission(chain).admit(encode(forged))


def test_the_authors_key_is_on_chain_in_the_parents_state(chain: Chain) -> None:
    raw = chain.sign(signing_key("ward"), BODY)
    with pytest.raises(errors.UnknownKey):
        admission(chain).admit(raw)
    chain.block(chain.sign(chain.operator, BODY))
    admission(chain).admit(raw)


def test_a_key_enrolled_in_this_block_may_author_in_the_next(chain: Chain) -> None:
    building = admission(chain)
    building.admit(chain.sign(chain.operator, BODY))
    with pytest.raises(errors.UnknownKey):
        building.admit(chain.sign(signing_key("ward"), BODY))


def test_vote_and_log_head_keys_author_nothing(chain: Chain) -> None:
    for key in (*chain.members.votes.values(), *chain.members.log_heads.values()):
        with pytest.raises(errors.UnknownKey):
            admission(chain).admit(chain.sign(key, BODY))


def test_a_transaction_expires_after_valid_until(chain: Chain) -> None:
    raw = chain.sign(chain.operator, BODY, valid_until=1)
    admission(chain).admit(raw)
    chain.block()
    with pytest.raises(errors.ExpiredTransaction, match=r"valid_until: expected at least 2, got 1"):
        admission(chain).admit(raw)


def test_valid_until_lies_within_the_chains_memory() -> None:
    chain = Chain(parameters=ChainParameters(validity_heights_max=10))
    admission(chain).admit(chain.sign(chain.operator, BODY, valid_until=11))
    with pytest.raises(errors.ValidUntilTooFar, match=r"valid_until: expected at most 11, got 12"):
        admission(chain).admit(chain.sign(chain.operator, BODY, valid_until=12))


def test_an_id_is_used_once(chain: Chain) -> None:
    raw = chain.sign(chain.operator, BODY)
    chain.block(raw)
    with pytest.raises(errors.ReplayedTransaction):
        admission(chain).admit(raw)
    with pytest.raises(errors.ReplayedTransaction):
        admission(chain).check(signed(raw))


def test_a_refused_transaction_uses_its_id_up_too(chain: Chain) -> None:
    raw = chain.sign(min(chain.members.services.items())[1], BODY)
    chain.block(raw)
    with pytest.raises(errors.ReplayedTransaction):
        admission(chain).admit(raw)


def test_an_id_stands_once_in_a_block(chain: Chain) -> None:
    building, raw = admission(chain), chain.sign(chain.operator, BODY)
    building.admit(raw)
    with pytest.raises(errors.ReplayedTransaction, match="each once in a block"):
        building.admit(raw)


def test_a_block_has_room_for_so_many_transactions() -> None:
    chain = Chain(parameters=ChainParameters(block_transactions_max=2))
    building = admission(chain)
    for _ in range(2):
        assert not building.full
        building.admit(chain.sign(chain.operator, BODY))
    assert building.full
    with pytest.raises(errors.BlockFull, match=r"at most 2, got 3"):
        building.admit(chain.sign(chain.operator, BODY))


def test_a_block_has_room_for_so_many_bytes() -> None:
    size = len(Chain().sign(signing_key("any"), BODY))
    chain = Chain(parameters=ChainParameters(block_bytes_max=2 * size))
    building = admission(chain)
    for _ in range(2):
        building.admit(chain.sign(chain.operator, BODY))
    assert not building.full
    with pytest.raises(errors.BlockFull, match=rf"at most {2 * size}, got {3 * size}"):
        building.admit(chain.sign(chain.operator, BODY))


def test_one_author_has_so_many_transactions() -> None:
    chain = Chain(parameters=ChainParameters(sender_transactions_max=1))
    building = admission(chain)
    building.admit(chain.sign(chain.operator, BODY))
    with pytest.raises(errors.SenderLimit, match=r"transactions of one author: expected at most 1, got 2"):
        building.admit(chain.sign(chain.operator, BODY))
    building.admit(chain.sign(chain.members.operators["org-01"], BODY))


def test_one_author_has_so_many_bytes() -> None:
    size = len(Chain().sign(signing_key("any"), BODY))
    chain = Chain(parameters=ChainParameters(sender_bytes_max=size))
    building = admission(chain)
    building.admit(chain.sign(chain.operator, BODY))
    with pytest.raises(errors.SenderLimit, match=rf"bytes of one author: expected at most {size}, got {2 * size}"):
        building.admit(chain.sign(chain.operator, BODY))
    building.admit(chain.sign(chain.members.operators["org-01"], BODY))


def test_what_is_refused_is_not_counted() -> None:
    chain = Chain(parameters=ChainParameters(sender_transactions_max=1))
    building = admission(chain)
    forged = replace(signed(chain.sign(chain.operator, BODY)), signature=Signature(bytes(64)))
    with pytest.raises(InvalidSignature):
        building.admit(encode(forged))
    building.admit(chain.sign(chain.operator, BODY))


def test_signatures_are_checked_by_whoever_remembers_them(chain: Chain) -> None:
    class Careless(PlainReader):
        def verify(self, raw: bytes, signed: SignedTransaction) -> None:
            seen.append((raw, signed))

    seen: list[tuple[bytes, SignedTransaction]] = []
    building = BlockAdmission(
        chain.state,
        height=Height(1),
        chain_id=chain.chain_id,
        reader=Careless(chain.chain_id),
    )
    forged = encode(replace(signed(chain.sign(chain.operator, BODY)), signature=Signature(bytes(64))))
    building.admit(forged)
    assert seen == [(forged, signed(forged))]


def test_the_largest_transaction_fits_into_an_entry(chain: Chain) -> None:
    name = "x" * 63
    hold = chain.hold(0, digest(name), LAYOUT_FACTS)
    body = RecordBlob(blob=digest(name), size=2**63 - 1, facts=LAYOUT_FACTS, holds=(hold,) * 25)
    raw = chain.sign(chain.operator, body)
    assert len(raw) < TRANSACTION_BYTES_MAX
    chain.block(raw)


def test_ids_are_forgotten_once_they_have_expired() -> None:
    chain = Chain()
    raws = [chain.sign(chain.operator, BODY, valid_until=until) for until in (1, 2, 3)]
    chain.block(*raws)
    for forgotten in (0, 1, 2, 3):
        used = [key for key, _ in chain.state.scan(state_keys.USED_PREFIX)]
        assert len(used) == 3 - forgotten
        chain.block()


def test_a_block_forgets_so_many_ids() -> None:
    chain = Chain(parameters=ChainParameters(block_prunes_max=2))
    chain.block(*(chain.sign(chain.operator, BODY, valid_until=1) for _ in range(5)))
    left = []
    for _ in range(4):
        chain.block()
        left.append(len(list(chain.state.scan(state_keys.USED_PREFIX))))
    assert left == [3, 1, 0, 0]


@pytest.mark.parametrize("height", [1, 2, 3])
def test_an_id_is_remembered_as_long_as_it_could_be_replayed(height: int) -> None:
    chain = Chain(parameters=ChainParameters(validity_heights_max=2))
    raw = chain.sign(chain.operator, BODY, valid_until=3)
    chain.block(raw)
    for _ in range(height):
        with pytest.raises((errors.ReplayedTransaction, errors.ExpiredTransaction)):
            admission(chain).admit(raw)
        chain.block()


def test_every_error_has_a_code_of_its_own_and_a_hint() -> None:
    classes = InvalidTransaction.__subclasses__()
    assert len({error.code for error in classes}) == len(classes) == 6
    assert all(error.hint for error in classes)
    assert not any(issubclass(error, InputError) for error in classes)

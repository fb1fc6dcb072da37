"""Transactions: signed by their author, for one chain, with an id that leaves the signature out."""

import pytest
from hypothesis import given
from msgspec.structs import replace

from ledger.encoding import decode, encode
from ledger.errors import InvalidSignature, MalformedEncoding, NonCanonicalEncoding, TooLarge, WrongChain
from ledger.hashing import sha256
from ledger.keys import Signature
from ledger.parameters import TRANSACTION_BYTES_MAX
from ledger.quantities import Height, RoundNumber
from ledger.transactions import Body, SignedTransaction, Transaction, Withdraw, decode_transaction
from tests.ledger.helpers import CHAIN, OTHER_CHAIN, decode_union, key
from tests.ledger.strategies import trying, values

AUTHOR = key("participant")
TRANSACTION = Transaction(
    chain_id=CHAIN,
    author=AUTHOR.public,
    nonce=bytes(16),
    valid_until=Height(100),
    body=Withdraw(task="task", round=RoundNumber(1)),
)
SIGNED = SignedTransaction.sign(TRANSACTION, AUTHOR)


def test_a_transaction_is_returned_once_verified() -> None:
    assert SIGNED.verify(chain_id=CHAIN) == TRANSACTION


def test_signed_bytes_survive_the_wire() -> None:
    assert decode_transaction(encode(SIGNED)).verify(chain_id=CHAIN) == TRANSACTION


@pytest.mark.parametrize(
    "changes",
    [
        {"author": key("stranger").public},
        {"nonce": b"\1" * 16},
        {"valid_until": Height(101)},
        {"body": Withdraw(task="task", round=RoundNumber(2))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_signature_covers_every_field(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidSignature):
        replace(SIGNED, transaction=replace(TRANSACTION, **changes)).verify(chain_id=CHAIN)


def test_a_transaction_of_another_chain_is_refused_by_name() -> None:
    with pytest.raises(WrongChain, match=f"expected {OTHER_CHAIN.hex()}, got {CHAIN.hex()}"):
        SIGNED.verify(chain_id=OTHER_CHAIN)


def test_a_transaction_cannot_be_moved_to_another_chain() -> None:
    moved = replace(SIGNED, transaction=replace(TRANSACTION, chain_id=OTHER_CHAIN))
    with pytest.raises(InvalidSignature):
        moved.verify(chain_id=OTHER_CHAIN)


def test_the_id_is_the_digest_of_the_transaction_alone() -> None:
    assert (
        replace(SIGNED, signature=Signature(bytes(64))).transaction.id == TRANSACTION.id == sha256(encode(TRANSACTION))
    )


def test_a_transaction_is_signed_with_its_authors_key_only() -> None:
    with pytest.raises(AssertionError):
        SignedTransaction.sign(TRANSACTION, key("stranger"))


def test_a_transaction_above_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge, match=f"expected at most {TRANSACTION_BYTES_MAX} bytes"):
        decode_transaction(bytes(TRANSACTION_BYTES_MAX + 1))


def test_a_transaction_of_the_limit_is_read_and_judged() -> None:
    with pytest.raises(MalformedEncoding):
        decode_transaction(bytes(TRANSACTION_BYTES_MAX))


def test_a_longer_form_is_not_canonical() -> None:
    with pytest.raises(NonCanonicalEncoding):
        decode_transaction(b"\xdc\x00\x02" + encode(SIGNED)[1:])


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_nonce_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode(replace(TRANSACTION, nonce=bytes(length))), Transaction)


@trying(60)
@given(values(Body))
def test_a_body_is_read_as_its_own_kind(body: Body) -> None:
    assert decode_union(encode(body), Body) == body


@trying(30)
@given(values(Body))
def test_any_body_can_be_signed_and_verified(body: Body) -> None:
    transaction = replace(TRANSACTION, body=body)
    assert SignedTransaction.sign(transaction, AUTHOR).verify(chain_id=CHAIN) == transaction

"""What is remembered of signatures: all bytes of a transaction, never its id."""

import pytest
from msgspec.structs import replace

from ledger.encoding import encode
from ledger.errors import InvalidSignature
from ledger.keys import Signature
from ledger.quantities import RoundNumber
from ledger.transactions import SignedTransaction, Withdraw
from node.config import LimitsSection
from node.mempool import Mempool
from node.runtime import known
from node.runtime.known import KnownTransactions
from tests.consortium import consortium
from tests.network import signed

MEMBERS = consortium()


def fresh() -> SignedTransaction:
    return signed(MEMBERS.operators["org-00"], Withdraw(task="t", round=RoundNumber(1)), MEMBERS.genesis)


def known_and_mempool() -> tuple[KnownTransactions, Mempool]:
    mempool = Mempool(LimitsSection())
    return KnownTransactions(mempool, MEMBERS.genesis.chain_id), mempool


def test_a_waiting_transaction_is_neither_decoded_nor_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, mempool = known_and_mempool()
    one = fresh()
    mempool.add(one, encode(one))
    monkeypatch.setattr(SignedTransaction, "verify", None)
    assert reader.decode(encode(one)) is one
    reader.verify(encode(one), one)


def test_the_same_transaction_under_a_wrong_signature_is_refused_although_it_waits() -> None:
    reader, mempool = known_and_mempool()
    one = fresh()
    mempool.add(one, encode(one))
    forged = replace(one, signature=Signature(bytes(64)))
    assert reader.decode(encode(forged)) == forged
    with pytest.raises(InvalidSignature):
        reader.verify(encode(forged), forged)


def test_what_does_not_wait_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, _ = known_and_mempool()
    one = fresh()
    reader.verify(encode(one), one)
    monkeypatch.setattr(SignedTransaction, "verify", None)
    reader.verify(encode(one), one)


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "VERIFIED_MAX", 2)
    reader, _ = known_and_mempool()
    for _ in range(5):
        one = fresh()
        reader.verify(encode(one), one)
    assert len(reader._verified) == 2

"""The mempool: bounded, each transaction once, fair to every author."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.keys import SigningKey
from ledger.quantities import Height, RoundNumber
from ledger.transactions import SignedTransaction, Transaction, Withdraw
from node.config import LimitsSection
from node.errors import MempoolFull, SenderQueueFull
from node.mempool import Mempool

LIMITS = LimitsSection(mempool_transactions_max=8, mempool_sender_max=4, mempool_bytes_max=10_000)


def transaction(author: int, number: int, *, valid_until: int = 10) -> SignedTransaction:
    key = SigningKey(sha256(b"author %d" % author))
    unsigned = Transaction(
        chain_id=sha256(b"chain"),
        author=key.public,
        nonce=number.to_bytes(16, "big"),
        valid_until=Height(valid_until),
        body=Withdraw(task="t", round=RoundNumber(1)),
    )
    return SignedTransaction.sign(unsigned, key)


def add(mempool: Mempool, signed: SignedTransaction) -> Digest:
    assert mempool.add(signed, encode(signed))
    return signed.transaction.id


def order(mempool: Mempool) -> list[Digest]:
    return [waiting.signed.transaction.id for waiting in mempool.candidates()]


def test_the_same_transaction_waits_once() -> None:
    mempool = Mempool(LIMITS)
    signed = transaction(1, 1)
    add(mempool, signed)
    assert not mempool.add(signed, encode(signed))
    assert len(mempool) == 1


def test_authors_take_turns_and_the_one_that_waits_longest_is_first() -> None:
    mempool = Mempool(LIMITS)
    a1, a2, a3 = (add(mempool, transaction(1, number)) for number in (1, 2, 3))
    b1 = add(mempool, transaction(2, 1))
    c1, c2 = (add(mempool, transaction(3, number)) for number in (1, 2))
    assert order(mempool) == [a1, b1, c1, a2, c2, a3]
    oldest = mempool.oldest()
    assert oldest is not None
    assert oldest.signed.transaction.id == a1


@settings(deadline=None, max_examples=50)
@given(arriving=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=14))
def test_whoever_left_meanwhile_the_others_take_turns(arriving: list[tuple[int, bool]]) -> None:
    mempool = Mempool(LimitsSection())
    kept: list[tuple[int, Digest]] = []
    for number, (author, leaves) in enumerate(arriving):
        identity = add(mempool, transaction(author, number))
        if leaves:
            mempool.remove(identity)
        else:
            kept.append((author, identity))
    by_author = {author: [identity for who, identity in kept if who == author] for author, _ in kept}
    rounds = range(max(map(len, by_author.values()), default=0))
    assert order(mempool) == [own[turn] for turn in rounds for own in by_author.values() if turn < len(own)]


def test_one_author_cannot_fill_it() -> None:
    mempool = Mempool(LIMITS)
    for number in range(4):
        add(mempool, transaction(1, number))
    with pytest.raises(SenderQueueFull, match="at most 4, got 5"):
        add(mempool, transaction(1, 4))
    add(mempool, transaction(2, 0))


def test_all_authors_together_are_bounded() -> None:
    mempool = Mempool(LIMITS)
    for author in range(8):
        add(mempool, transaction(author, 0))
    with pytest.raises(MempoolFull, match="at most 8, got 9"):
        add(mempool, transaction(8, 0))


def test_bytes_are_bounded() -> None:
    size = len(encode(transaction(1, 1)))
    mempool = Mempool(LimitsSection(mempool_bytes_max=size + 1))
    add(mempool, transaction(1, 1))
    with pytest.raises(MempoolFull, match="bytes waiting"):
        add(mempool, transaction(2, 1))


def test_what_can_no_longer_enter_a_block_is_forgotten() -> None:
    mempool = Mempool(LIMITS)
    stale = add(mempool, transaction(1, 1, valid_until=5))
    kept = add(mempool, transaction(1, 2, valid_until=6))
    assert mempool.expire(Height(5)) == [stale]
    assert order(mempool) == [kept]


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 5)), max_size=60))
def test_counts_and_order_agree_with_what_was_done(steps: list[tuple[bool, int, int]]) -> None:
    mempool = Mempool(LIMITS)
    model: dict[Digest, SignedTransaction] = {}
    for adds, author, number in steps:
        signed = transaction(author, number)
        identity = signed.transaction.id
        if not adds:
            mempool.remove(identity)
            model.pop(identity, None)
            continue
        try:
            added = mempool.add(signed, encode(signed))
        except MempoolFull:
            assert identity not in model
            continue
        assert added is (identity not in model)
        model[identity] = signed
    assert len(mempool) == len(model)
    assert mempool.bytes_total == sum(len(encode(signed)) for signed in model.values())
    assert sorted(order(mempool)) == sorted(model)
    oldest = mempool.oldest()
    assert (oldest is None) is (not model)
    assert oldest is None or oldest.signed.transaction.id == next(iter(model))

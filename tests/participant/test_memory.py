"""What was submitted, on disk: found again, never overwritten while it may count, pruned, locked."""

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.encoding import decode, encode
from ledger.errors import ConfigurationError
from ledger.hashing import ZERO_DIGEST
from ledger.quantities import Height, RoundNumber
from ledger.transactions import SignedTransaction, SubmitUpdate, Transaction
from participant.memory import ROUNDS_KEPT, Memory, Submission
from tests.consortium import signing_key

KEY = signing_key("site")


def submission(number: int, *, task: str = "cardio", nonce: int = 0) -> Submission:
    body = SubmitUpdate(task=task, round=RoundNumber(number), base=ZERO_DIGEST, blob=ZERO_DIGEST, examples=1)
    transaction = Transaction(
        chain_id=ZERO_DIGEST,
        author=KEY.public,
        nonce=nonce.to_bytes(16, "big"),
        valid_until=Height(9),
        body=body,
    )
    signed = encode(SignedTransaction.sign(transaction, KEY))
    return Submission(task=task, round=RoundNumber(number), transaction=signed)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def test_nothing_is_recalled_from_an_empty_folder(memory: Memory) -> None:
    assert memory.recall("cardio", RoundNumber(1)) is None
    assert memory.unsettled("cardio") == []


def test_what_was_remembered_is_recalled_by_another_process(memory: Memory, tmp_path: Path) -> None:
    assert memory.remember(submission(1)) == submission(1)
    assert Memory(tmp_path).recall("cardio", RoundNumber(1)) == submission(1)
    assert Memory(tmp_path).recall("neuro", RoundNumber(1)) is None


def test_the_first_of_a_round_stays(memory: Memory) -> None:
    memory.remember(submission(1, nonce=1))
    assert memory.remember(submission(1, nonce=2)) == submission(1, nonce=1)
    assert memory.recall("cardio", RoundNumber(1)) == submission(1, nonce=1)


def test_one_that_was_refused_gives_way(memory: Memory) -> None:
    memory.remember(submission(1, nonce=1))
    memory.settle(submission(1, nonce=1), proof=b"proof", is_refused=True)
    assert memory.remember(submission(1, nonce=2)) == submission(1, nonce=2)


def test_one_that_was_accepted_stays_with_its_proof(memory: Memory) -> None:
    memory.remember(submission(1, nonce=1))
    memory.settle(submission(1, nonce=1), proof=b"proof", is_refused=False)
    assert memory.remember(submission(1, nonce=2)) == replace(submission(1, nonce=1), proof=b"proof")
    assert memory.unsettled("cardio") == []


def test_settling_what_was_replaced_changes_nothing(memory: Memory) -> None:
    memory.remember(submission(1, nonce=1))
    memory.settle(submission(1, nonce=2), proof=b"proof", is_refused=False)
    memory.forget(submission(1, nonce=2))
    assert memory.recall("cardio", RoundNumber(1)) == submission(1, nonce=1)


def test_what_was_forgotten_is_gone(memory: Memory) -> None:
    memory.remember(submission(1))
    memory.forget(submission(1))
    assert memory.recall("cardio", RoundNumber(1)) is None


def test_the_unsettled_come_by_round(memory: Memory) -> None:
    for number in (11, 2, 7):
        memory.remember(submission(number))
    memory.settle(submission(7), proof=b"proof", is_refused=False)
    assert [item.round for item in memory.unsettled("cardio")] == [2, 11]


def test_old_rounds_are_pruned(memory: Memory) -> None:
    for number in range(1, ROUNDS_KEPT + 3):
        memory.remember(submission(number))
    assert memory.recall("cardio", RoundNumber(2)) is None
    assert memory.recall("cardio", RoundNumber(3)) is not None


def test_the_folder_is_its_owners_alone(memory: Memory, tmp_path: Path) -> None:
    memory.prepare("cardio")
    assert stat.S_IMODE((tmp_path / "task-cardio").stat().st_mode) == 0o700


def test_a_write_that_was_cut_short_leaves_the_old_record(memory: Memory, tmp_path: Path) -> None:
    memory.remember(submission(1))
    (path,) = tmp_path.rglob("*.submission")
    path.with_suffix(".new").write_bytes(b"half a rec")
    assert memory.recall("cardio", RoundNumber(1)) == submission(1)
    memory.settle(submission(1), proof=b"proof", is_refused=False)
    assert memory.recall("cardio", RoundNumber(1)) == replace(submission(1), proof=b"proof")


def test_a_record_that_cannot_be_read_is_named(memory: Memory, tmp_path: Path) -> None:
    memory.remember(submission(1))
    (path,) = tmp_path.rglob("*.submission")
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match=path.name):
        memory.recall("cardio", RoundNumber(1))


def test_a_record_that_cannot_be_written_is_named(memory: Memory, tmp_path: Path) -> None:
    memory.remember(submission(1))
    (path,) = tmp_path.rglob("*.submission")
    path.with_suffix(".new").mkdir()
    with pytest.raises(ConfigurationError, match="writable"):
        memory.settle(submission(1), proof=b"proof", is_refused=False)


def test_many_at_a_time_agree_on_one(tmp_path: Path) -> None:
    begin = threading.Barrier(8)
    kept: list[Submission] = []

    def run(nonce: int) -> None:
        begin.wait()
        kept.append(Memory(tmp_path).remember(submission(1, nonce=nonce)))

    threads = [threading.Thread(target=run, args=(nonce,)) for nonce in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 8
    assert {item.transaction_id for item in kept} == {kept[0].transaction_id}


@settings(deadline=None, max_examples=50)
@given(st.integers(min_value=0, max_value=2**62), st.none() | st.binary(max_size=50), st.booleans())
def test_a_submission_survives_its_encoding(number: int, proof: bytes | None, refused: bool) -> None:  # noqa: FBT001
    made = replace(submission(1), round=RoundNumber(number), proof=proof, is_refused=refused)
    assert decode(encode(made), Submission) == made

"""A script that is killed at any point and started again submits once, and gets the receipt of what it had signed."""

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.encoding import decode, encode
from ledger.entries import TransactionEntry
from ledger.errors import ConfigurationError
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Height
from ledger.transactions import SignedTransaction, SubmitUpdate
from node.keystore import KeyPurpose, load_key
from participant.errors import RoundNotOpen, TaskEnded
from participant.memory import Memory, Submission
from participant.receipts import Receipt
from tests.participant.proxy import proxy
from tests.participant.served import Served, seeded_net, trained


class Killed(BaseException):
    """Stands for the end of the process."""


def submissions(served: Served, task: str) -> list[Digest]:
    """Return the ids of all updates for a task that the chain holds, accepted or not."""
    chain = served.network.nodes[0].chain
    found = []
    for height in range(1, chain.head.header.height + 1):
        for entry in chain.entries(Height(height)):
            if isinstance(entry, TransactionEntry):
                body = entry.signed.transaction.body
                if isinstance(body, SubmitUpdate) and body.task == task:
                    found.append(entry.signed.transaction.id)
    return found


def killed_run(served: Served, state: Path, task: str) -> None:
    with served.consortium(0, state) as consortium:
        r = consortium.task(task).round()
        with pytest.raises(Killed):
            r.submit(trained(seeded_net()), 10)


def kill(monkeypatch: pytest.MonkeyPatch, method: str, *, afterwards: bool) -> None:
    """End the process before or after a method of the memory has done its work."""
    original: Callable[..., object] = getattr(Memory, method)

    def ending(*arguments: object, **named: object) -> None:
        if afterwards:
            original(*arguments, **named)
        raise Killed

    monkeypatch.setattr(Memory, method, ending)


def test_killed_before_it_was_remembered_it_submits_anew(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = served.open_task(invited=(0, 1))
    with monkeypatch.context() as patched:
        kill(patched, "remember", afterwards=False)
        killed_run(served, tmp_path, name)
    assert submissions(served, name) == []
    with served.consortium(0, tmp_path) as consortium:
        assert consortium.task(name).resume() is None
        r = consortium.task(name).round()
        receipt = r.submit(trained(seeded_net()), 10)
    assert receipt.accepted
    assert not receipt.is_remembered


def test_killed_before_it_was_sent_it_sends_what_it_had_signed(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = served.open_task(invited=(0, 1))
    with monkeypatch.context() as patched:
        kill(patched, "remember", afterwards=True)
        killed_run(served, tmp_path, name)
    assert submissions(served, name) == []
    check_resumed(served, tmp_path, name)


def test_killed_before_the_receipt_was_kept_it_gets_the_same_receipt(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = served.open_task(invited=(0, 1))
    with monkeypatch.context() as patched:
        kill(patched, "settle", afterwards=False)
        killed_run(served, tmp_path, name)
    assert len(submissions(served, name)) == 1
    check_resumed(served, tmp_path, name)


def test_cut_off_from_the_answer_it_gets_the_same_receipt(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    with proxy(served.urls[0], lambda e: None if e.method == "POST" else e) as cutting:
        with served.consortium(0, tmp_path, nodes=[cutting.url, *served.urls[1:]]) as consortium:
            receipt = consortium.task(name).round().submit(trained(seeded_net()), 10)
        assert ("POST", "/v1/transactions") in cutting.seen
    assert receipt.accepted
    assert submissions(served, name) == [receipt.transaction]


def check_resumed(served: Served, state: Path, task: str) -> None:
    """Assert that a new run finds what was signed, gets its receipt, and sends nothing else."""
    with served.consortium(0, state) as consortium:
        receipt = consortium.task(task).resume()
        assert receipt is not None
        assert (receipt.accepted, receipt.is_remembered) == (True, True)
        assert consortium.task(task).resume() is None, "it is settled"
        with pytest.raises(RoundNotOpen):
            consortium.task(task).round(timeout=0)
    assert submissions(served, task) == [receipt.transaction]


def test_killed_after_the_receipt_was_kept_it_has_it_without_a_node(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = served.open_task(invited=(0, 1))
    with monkeypatch.context() as patched:
        kill(patched, "settle", afterwards=True)
        killed_run(served, tmp_path, name)
    with served.consortium(0, tmp_path, nodes=["http://127.0.0.1:1"]) as consortium:
        assert consortium.task(name).resume() is None
        receipt = consortium.task(name).receipt(1)
        assert consortium.task(name).receipt(2) is None
    assert receipt is not None
    assert submissions(served, name) == [receipt.transaction]


def test_two_processes_with_one_key_submit_once(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    receipts: list[Receipt] = []

    def run(by: float) -> None:
        with served.consortium(0, tmp_path) as consortium:
            r = consortium.task(name).round()
            both_in.wait()
            receipts.append(r.submit(trained(seeded_net(), by=by), 10))

    both_in = threading.Barrier(2)
    threads = [threading.Thread(target=run, args=(by,)) for by in (0.125, 0.25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [receipt.accepted for receipt in receipts] == [True, True]
    assert {receipt.transaction for receipt in receipts} == set(submissions(served, name))
    assert sorted(receipt.is_remembered for receipt in receipts) == [False, True]


def test_what_can_never_be_ordered_is_forgotten(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    with served.consortium(0, tmp_path) as consortium:
        r = consortium.task(name).round()
        refused = r.submit(trained(seeded_net()), 10)
    assert refused.accepted
    other = served.open_task(invited=(0, 1))
    expired = expired_submission(tmp_path, other, load_key(served.sites[0], KeyPurpose.PARTICIPANT))
    with served.consortium(0, tmp_path) as consortium:
        (folder,) = tmp_path.iterdir()
        Memory(folder).remember(expired)
        task = consortium.task(other)
        with task.round(timeout=0) as r:
            assert r.submit(trained(seeded_net()), 10).accepted
    assert expired.transaction_id not in submissions(served, other)


def expired_submission(state: Path, task: str, key: SigningKey) -> Submission:
    """Return a submission that no block can hold any more."""
    (path,) = state.rglob("*.submission")
    earlier = decode(path.read_bytes(), Submission)
    transaction = replace(earlier.signed.transaction, valid_until=Height(1))
    return replace(
        earlier, task=task, transaction=encode(SignedTransaction.sign(transaction, key)), proof=None, is_refused=False
    )


def test_a_damaged_record_is_named(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    with served.consortium(0, tmp_path) as consortium:
        task = consortium.task(name)
        task.round().submit(trained(seeded_net()), 10)
        (path,) = tmp_path.rglob("*.submission")
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ConfigurationError, match=path.name):
            task.resume()


def test_a_folder_that_cannot_be_written_shows_before_training(served: Served, tmp_path: Path) -> None:
    name = served.open_task()
    (tmp_path / "file").touch()
    with (
        served.consortium(0, tmp_path / "file" / "state") as consortium,
        pytest.raises(ConfigurationError, match="state folder"),
    ):
        consortium.task(name).round()


def moves_of(served: Served, state: Path, *, carry_residue: bool) -> list[int]:
    """Return by how many steps of the grid a model moves in four rounds, each of which trains it by 0.3 of a step."""
    name, step = served.open_task(rounds=4), 2.0**-20
    with served.consortium(0, state) as consortium:
        task = consortium.task(name, carry_residue=carry_residue)
        for _ in range(4):
            r = task.round()
            assert r.submit({tensor: value + step * 0.3 for tensor, value in r.global_model().items()}, 10).accepted
        with pytest.raises(TaskEnded):
            task.wait_round(after=4)
        places = [float(task.global_model(version).arrays()["norm.bias"][0]) for version in range(5)]
    return [round((after - before) / step) for before, after in pairwise(places)]


def test_what_rounding_leaves_over_is_carried_into_the_next_round(served: Served, tmp_path: Path) -> None:
    assert moves_of(served, tmp_path, carry_residue=True) == [0, 1, 0, 0]


def test_what_rounding_leaves_over_is_dropped_on_request(served: Served, tmp_path: Path) -> None:
    assert moves_of(served, tmp_path, carry_residue=False) == [0, 0, 0, 0]

"""Whole rounds against real validators, through the front door."""

from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

import quorate
from ledger.blobs import Fate
from ledger.errors import InputError
from ledger.records import RoundStatus
from participant.errors import NodeHasNone, NotTakingPart, RoundNotOpen, TaskEnded
from tests.participant.proxy import proxy
from tests.participant.served import Served, seeded_net, trained


def test_four_sites_make_two_global_models(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1, 2, 3), rounds=2)
    with ExitStack() as open_sites:
        sites = [open_sites.enter_context(served.consortium(site, tmp_path / str(site))) for site in range(4)]
        tasks = [site.task(name) for site in sites]
        for number in (1, 2):
            for place, task in enumerate(tasks):
                with task.round() as r:
                    assert r.number == number
                    net = seeded_net(seed=99)
                    r.load_into(net)
                    receipt = r.submit(trained(net, by=0.125 * (place + 1)), num_examples=10)
                    assert receipt.accepted, receipt.why()
        with pytest.raises(TaskEnded):
            tasks[0].wait_round(after=2)
        histories = [task.history() for task in tasks]
        reasons = [task.why(2) for task in tasks]
        model = tasks[0].global_model()
    rows = [(item.round, item.status, item.rule, item.version) for item in histories[1]]
    assert rows == [(1, RoundStatus.DECIDED, None, 1), (2, RoundStatus.DECIDED, None, 2)]
    fates = [[item.fate for item in history] for history in histories]
    assert fates == [[Fate.CUT] * 2, [Fate.USED] * 2, [Fate.USED] * 2, [Fate.CUT] * 2]
    cut = "Cut: accepted, and given no influence by the rule: each of its values was among the lowest or the highest"
    assert [reason.startswith(cut) for reason in reasons] == [True, False, False, True]
    assert reasons[1] == "Used: its update is part of the global model of round 2, with a share of 50.000%."
    assert (model.version, model.record.model) == (2, histories[0][1].model)
    start = seeded_net().state_dict()
    moved = model.tensors()["first.weight"] - start["first.weight"]
    twice = torch.full_like(moved, 2 * (0.25 + 0.375) / 2)  # without the smallest and the largest of four moves
    assert torch.allclose(moved, twice, atol=1e-5)
    assert torch.equal(model.tensors()["last.bias"], start["last.bias"]), "a frozen tensor has moved"


def test_the_package_offers_the_consortium(served: Served, tmp_path: Path) -> None:
    name = served.open_task()
    with quorate.Consortium(
        nodes=served.urls, genesis=served.genesis, key=served.sites[0], state=tmp_path
    ) as consortium:
        with consortium.task(name).round() as r:
            receipt = r.submit(r.global_model(), 10)
        assert consortium.why(receipt) == receipt.why()
        assert consortium.why(receipt.transaction.hex()).startswith("Accepted in block")
        assert consortium.receipt(receipt.transaction) == receipt


def test_the_state_folder_lies_beside_the_key_file_by_default(served: Served) -> None:
    name = served.open_task()
    with quorate.Consortium(nodes=served.urls, genesis=served.genesis, key=served.sites[0]) as consortium:
        consortium.task(name).round()
    (folder,) = served.sites[0].with_suffix(".state").rglob(f"task-{name}")
    assert folder.parent.name.startswith(consortium.chain_id.hex()[:16])


def test_a_round_in_which_something_was_submitted_is_not_entered_again(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    with served.consortium(0, tmp_path) as consortium:
        task = consortium.task(name)
        r = task.round()
        first = r.submit(r.global_model(), 10)
        with pytest.raises(RoundNotOpen, match="none in 0 s"):
            task.round(timeout=0)
        again = r.submit(trained(seeded_net()), 10)
    assert again.is_remembered
    assert not first.is_remembered
    assert again.transaction == first.transaction


def test_what_was_submitted_from_another_place_counts_too(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    with served.consortium(0, tmp_path / "one") as one, served.consortium(0, tmp_path / "two") as two:
        late = two.task(name).round()
        r = one.task(name).round()
        assert r.submit(r.global_model(), 10).accepted
        with pytest.raises(RoundNotOpen):
            two.task(name).round(timeout=0)
        receipt = late.submit(trained(seeded_net()), 10)
    assert receipt.rule == "U7"


def test_an_update_over_the_norm_bound_is_clipped(served: Served, tmp_path: Path) -> None:
    name = served.register(replace(served.spec(), norm_max=2**28))
    with served.consortium(0, tmp_path) as consortium:
        r = consortium.task(name).round()
        receipt = r.submit(trained(seeded_net(), by=0.5), 10)
    assert receipt.accepted, receipt.why()


def test_without_clipping_it_is_refused_with_both_norms_and_another_may_follow(served: Served, tmp_path: Path) -> None:
    name = served.register(replace(served.spec(invited=(0, 1)), norm_max=2**28))
    with served.consortium(0, tmp_path) as consortium:
        task = consortium.task(name)
        r = task.round()
        refused = r.submit(trained(seeded_net(), by=0.5), 10, clip=False)
        assert (refused.accepted, refused.rule) == (False, "U12")
        assert "above the task's bound of 0.25 (268435456 * 2^-30)" in refused.why()
        with task.round(timeout=0) as again:
            accepted = again.submit(trained(seeded_net(), by=0.5), 10)
        assert accepted.accepted, accepted.why()
        assert task.receipt(1) == accepted.as_remembered()


def test_why_tells_of_rounds_that_are_open_void_or_were_never_opened(served: Served, tmp_path: Path) -> None:
    name = served.register(replace(served.spec(invited=(0, 1)), updates_min=2, norm_max=2**28, deadline_ms=1_500))
    with served.consortium(0, tmp_path / "0") as one, served.consortium(1, tmp_path / "1") as two:
        task = one.task(name)
        with task.round() as r:
            assert task.why(1) == "Round 1 is open, and nothing is decided yet."
            r.submit(trained(seeded_net(), by=0.5), 10, clip=False)
        while task.history()[0].status is not RoundStatus.VOID:
            pass
        assert task.why(1).startswith("Rejected: everything it sent was refused. Refused by rule U12 in block ")
        assert two.task(name).why(1) == "Absent: it sent nothing."
        for number in (0, 3):
            with pytest.raises(InputError, match="round of"):
                task.why(number)


def test_no_round_is_entered_once_all_attempts_are_used_up(served: Served, tmp_path: Path) -> None:
    name = served.register(replace(served.spec(invited=(0, 1)), norm_max=2**28))
    with served.consortium(0, tmp_path) as consortium:
        task = consortium.task(name)
        r = task.round()
        for _ in range(served.network.genesis.parameters.update_attempts_max):
            assert r.submit(trained(seeded_net(), by=0.5), 10, clip=False).rule == "U12"
        with pytest.raises(RoundNotOpen):
            task.round(timeout=0)


def test_a_late_update_gets_a_receipt_that_says_so(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1), deadline_ms=1_500)
    with served.consortium(0, tmp_path / "0") as punctual, served.consortium(1, tmp_path / "1") as tardy:
        slow = tardy.task(name).round()
        quick = punctual.task(name).round()
        assert quick.submit(quick.global_model(), 10).accepted
        history = tardy.task(name).history
        while history()[0].status is RoundStatus.OPEN:
            pass
        receipt = slow.submit(slow.global_model(), 10)
    assert receipt.rule in {"U3", "U5"}


def test_waiting_for_a_round_ends_with_the_task(served: Served, tmp_path: Path) -> None:
    name = served.open_task(rounds=1)
    with served.consortium(0, tmp_path) as consortium:
        task = consortium.task(name)
        assert task.wait_round() == 1
        with pytest.raises(RoundNotOpen, match="a round after 1"):
            task.wait_round(after=1, timeout=0)
        r = task.round()
        r.submit(r.global_model(), 10)
        with pytest.raises(TaskEnded, match="finished after round 1"):
            task.wait_round(after=1)
        with pytest.raises(TaskEnded):
            task.round()


def test_who_is_not_invited_is_told_so(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0,))
    with served.consortium(1, tmp_path) as consortium, pytest.raises(NotTakingPart, match="invited"):
        consortium.task(name).round()


def test_an_unknown_task_is_believed_to_be_unknown(served: Served, tmp_path: Path) -> None:
    with served.consortium(0, tmp_path) as consortium, pytest.raises(NodeHasNone, match="not-found"):
        consortium.task("nothing").round()


def test_an_unknown_transaction_is_believed_to_be_unknown(served: Served, tmp_path: Path) -> None:
    with served.consortium(0, tmp_path) as consortium, pytest.raises(NodeHasNone, match="transaction-unknown"):
        consortium.why("00" * 32)


@pytest.mark.parametrize("identity", ["00", "zz" * 32, b"short"])
def test_what_is_no_transaction_id_is_refused(served: Served, tmp_path: Path, identity: str) -> None:
    with served.consortium(0, tmp_path) as consortium, pytest.raises(InputError, match="64 hexadecimal digits"):
        consortium.why(identity)


@pytest.mark.parametrize("name", ["", "Cardio", "../x", "a" * 64, "a/b"])
def test_what_is_no_name_of_a_task_is_refused(served: Served, tmp_path: Path, name: str) -> None:
    with served.consortium(0, tmp_path) as consortium, pytest.raises(InputError, match="name of a task"):
        consortium.task(name)


def test_a_model_that_was_not_made_is_refused(served: Served, tmp_path: Path) -> None:
    name = served.open_task()
    with served.consortium(0, tmp_path) as consortium:
        task = consortium.task(name)
        assert task.global_model(0).version == 0
        with pytest.raises(InputError, match="expected 0 to 0, got 1"):
            task.global_model(1)


@pytest.mark.parametrize(
    ("name", "value"), [("first.weight", float("nan")), ("norm.running_var", float("inf")), ("last.weight", 1e9)]
)
def test_bad_tensors_are_refused_before_anything_is_sent(
    served: Served, tmp_path: Path, name: str, value: float
) -> None:
    task = served.open_task(invited=(0, 1))
    with (
        proxy(served.urls[0]) as watched,
        served.consortium(0, tmp_path, nodes=[watched.url]) as consortium,
    ):
        r = consortium.task(task).round()
        state = trained(seeded_net())
        state[name] = torch.full_like(state[name], value)
        watched.seen.clear()
        with pytest.raises(InputError, match=name):
            r.submit(state, 10)
        assert watched.seen == []


def test_what_is_trained_in_place_is_submitted_as_a_module_is(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1, 2, 3))
    with served.consortium(0, tmp_path) as consortium, consortium.task(name).round() as r:
        net = seeded_net(seed=99)
        r.load_into(net)
        r.write_update(trained(net), tmp_path / "module")
        model = r.global_model()
        for value in model.values():
            value += 0.125  # noqa: PLW2901 - in place
        r.write_update(model.state_dict(), tmp_path / "weights")
        assert (tmp_path / "weights").read_bytes() == (tmp_path / "module").read_bytes()
        assert r.submit(model.state_dict(), num_examples=10).accepted

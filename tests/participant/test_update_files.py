"""Updates as files: what is written is what would be sent, and what was written before is sent as it is."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from aggregation.errors import NotFinite
from ledger.encoding import decode
from ledger.entries import TransactionEntry
from ledger.errors import ConfigurationError, InputError
from ledger.hashing import Digest, sha256
from ledger.light_client import EntryProof
from ledger.transactions import SubmitUpdate
from participant.errors import InvalidSubmission
from participant.receipts import Receipt
from participant.updates import encode_trained
from tests.participant.proxy import proxy
from tests.participant.served import Served, seeded_net, trained

STEP = 2.0**-20
"""Of the grid of updates."""


def submitted(receipt: Receipt) -> Digest:
    """Return the digest of the update that a receipt is about."""
    entry = decode(receipt.proof, EntryProof).entry
    assert isinstance(entry, TransactionEntry)
    assert isinstance(entry.signed.transaction.body, SubmitUpdate)
    return entry.signed.transaction.body.blob


def test_what_is_written_is_what_would_be_sent(served: Served, tmp_path: Path) -> None:
    name, files = served.open_task(rounds=2), [tmp_path / "1.update", tmp_path / "2.update"]
    with served.consortium(0, tmp_path / "state") as consortium:
        task = consortium.task(name)
        for file in files:
            r = task.round()
            moved = {tensor: value + 0.3 * STEP for tensor, value in r.global_model().items()}
            r.write_update(moved, file)
            receipt = r.submit(moved, 10)
            assert receipt.accepted, receipt.why()
            assert submitted(receipt) == sha256(file.read_bytes())
    first, second = (file.read_bytes() for file in files)
    assert first != second, "what rounding left over of the first is in the second"


@pytest.mark.parametrize(("clip", "rule"), [(True, None), (False, "U12")])
def test_what_is_written_is_clipped_unless_it_is_not_to_be(
    served: Served, tmp_path: Path, *, clip: bool, rule: str | None
) -> None:
    name = served.register(replace(served.spec(invited=(0, 1)), norm_max=2**30))
    with served.consortium(0, tmp_path / "state") as consortium:
        r = consortium.task(name).round()
        far = {tensor: value + 1 for tensor, value in r.global_model().items()}
        r.write_update(far, str(tmp_path / "update"), clip=clip)
        assert r.submit_file((tmp_path / "update").read_bytes(), 10).rule == rule


def test_writing_asks_no_node_and_overwrites_nothing(served: Served, tmp_path: Path, task: str) -> None:
    file = tmp_path / "update"
    with proxy(served.urls[0]) as watched, served.consortium(0, tmp_path, nodes=[watched.url]) as consortium:
        r = consortium.task(task).round()
        watched.seen.clear()
        with pytest.raises(NotFinite):
            r.write_update({name: value * float("nan") for name, value in r.global_model().items()}, file)
        assert not file.exists()
        r.write_update(r.global_model(), file)
        before = file.read_bytes()
        with pytest.raises(ConfigurationError, match=f"a new file {file}"):
            r.write_update(trained(seeded_net()), file)
        assert (file.read_bytes(), watched.seen) == (before, [])


def test_an_update_file_that_was_made_before_is_submitted(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    with served.consortium(0, tmp_path) as consortium:
        r = consortium.task(name).round()
        made = encode_trained(r.model, trained(seeded_net()), residue=None, norm_max=None)
        receipt = r.submit_file(made.data, 10)
        assert receipt.accepted, receipt.why()
        assert r.submit_file(made.data, 10) == receipt.as_remembered()


def test_an_update_file_that_is_none_is_refused_before_it_is_sent(served: Served, tmp_path: Path) -> None:
    name = served.open_task(invited=(0, 1))
    with served.consortium(0, tmp_path) as consortium:
        r = consortium.task(name).round()
        with pytest.raises(InputError):
            r.submit_file(r.model.view, 10)
        with pytest.raises(InvalidSubmission):
            r.submit_file(encode_trained(r.model, r.global_model(), residue=None, norm_max=None).data, 0)

"""Four real processes, one of them down from genesis on until the others are past a checkpoint: it joins from there."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.entries import Accepted
from ledger.genesis import Genesis
from ledger.transactions import EnrolParticipant
from node.storage.leveldb import LevelDb
from quorate.cli import run
from quorate.errors import EvidenceMissing
from tests.acceptance.caller import Caller
from tests.acceptance.processes import ValidatorProcess, make_validators, until
from tests.consortium import signing_key

pytestmark = [pytest.mark.processes]

INTERVAL = 40
BLOCKS = 2 * INTERVAL + 5
"""More than one answer of blocks bridges, which whoever comes back may ask for before it knows how far behind it is."""
SETTINGS = f"\n[snapshots]\ninterval_blocks = {INTERVAL}\ninterval_seconds = 0\njoin_blocks = 5\n"
LATE = 3


def enrol(caller: Caller, by: ValidatorProcess, member: int, name: str) -> None:
    body = EnrolParticipant(organisation=f"org-{member}", name=name, key=signing_key(f"joining/{name}").public)
    assert isinstance(caller.judge(by.operator_key(), body).verdict, Accepted)


def status_of(caller: Caller) -> dict[str, Any] | None:
    """Return a node's status; None while it is being opened again."""
    try:
        return caller.status()
    except httpx.TransportError:
        return None


def content_of(home: Path, prefix: bytes) -> dict[bytes, bytes]:
    kv = LevelDb(home / "data" / "chain")
    try:
        return dict(kv.scan(prefix))
    finally:
        kv.close()


def test_a_validator_joins_from_a_snapshot_through_kills_and_votes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    validators = make_validators(tmp_path)
    genesis = Genesis((tmp_path / "genesis.json").read_bytes())
    callers = [Caller(validator.url, genesis, log_tail=validator.log_tail) for validator in validators]
    for validator in validators:
        with (validator.home / "node.toml").open("a", encoding="utf-8") as file:
            file.write(SETTINGS)
    late = validators[LATE]
    try:
        for validator in validators[:LATE]:
            validator.start()
        for caller in callers[:LATE]:
            caller.wait_ready()
        for number in range(BLOCKS):
            enrol(callers[0], validators[0], 0, f"site-{number}")
        running = callers[:LATE]
        until(lambda: all(caller.status()["snapshot"] == 2 * INTERVAL for caller in running), "the snapshots")

        for validator in validators[:LATE]:
            validator.kill()  # else what waits in their queues for the absent one would bring it up to date
            validator.start()
        late.start()
        until(lambda: late.lines("joining"), "the join to begin")
        late.kill()  # wherever it is by now: fetching, building, or already open again
        late.start()
        base = until(lambda: (status_of(callers[LATE]) or {}).get("base"), "the late validator to have joined")
        assert base == 2 * INTERVAL
        callers[LATE].wait_ready()
        until(lambda: callers[LATE].status()["height"] == callers[0].status()["height"], "the same height")

        refused = callers[LATE].http.get("/v1/blocks/3")
        assert refused.status_code == httpx.codes.NOT_FOUND
        assert refused.json()["code"] == "below-snapshot"
        assert callers[LATE].json("/v1/blocks", limit=100)["next"] is None
        where = ["--node", late.url, "--genesis", str(tmp_path / "genesis.json")]
        assert run(["export", str(tmp_path / "export"), *where]) == EvidenceMissing.exit_code
        said = capfd.readouterr().err
        assert "expected a node with all blocks since genesis, one whose status has base 0" in said
        assert f"a height above this node's snapshot, {base}" in said
        assert callers[0].http.get("/v1/blocks/3").status_code == httpx.codes.OK

        validators[1].kill()  # now there is no quorum without the late one's votes
        enrol(callers[LATE], validators[LATE], LATE, "after-the-join")
        enrol(callers[0], validators[0], 0, "after-the-join-too")
        until(lambda: callers[LATE].status()["height"] == callers[0].status()["height"], "the same height")
        assert callers[LATE].status()["state_root"] == callers[0].status()["state_root"]
        assert not late.errors()
        for validator in (validators[0], late):
            validator.terminate()
            assert validator.exit_code() == 0
        for prefix in (b"state/", b"tree/"):
            assert content_of(late.home, prefix) == content_of(validators[0].home, prefix)
        above = {key: value for key, value in content_of(late.home, b"header/").items() if key[-8:] > base.to_bytes(8)}
        assert above
        assert above.items() <= content_of(validators[0].home, b"header/").items()
    finally:
        for validator, caller in zip(validators, callers, strict=True):
            caller.http.close()
            if validator.is_running:
                validator.kill()

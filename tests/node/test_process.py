"""The node as a process of its own: it says what it does, answers who waits when told to stop, and leaves in order."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from ledger.encoding import encode
from ledger.transactions import EnrolParticipant
from node.config import Configuration, load
from node.home import Home
from node.keystore import KeyPurpose
from tests.consortium import signing_key
from tests.network import WAIT_SECONDS, make_homes, signed

RUN = """
import sys
from pathlib import Path
from node.home import Home
from node.process import run
sys.exit(run(Home(Path(sys.argv[1])), {"log.format": "json"}))
"""


class Process:
    """A validator alone: it has no quorum, so nothing becomes final."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.configuration: Configuration = load(home.configuration, environment={}).configuration
        self._process = subprocess.Popen([sys.executable, "-c", RUN, str(home.path)], stderr=subprocess.PIPE)
        self.lines: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.read_until("started")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def read_until(self, event: str | None) -> None:
        """Read log lines up to an event, or to the end."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return
        assert event is None, self.lines

    def end(self, number: signal.Signals) -> int:
        """Send a signal, read the log to its end, and return the exit code."""
        self._process.send_signal(number)
        self.read_until(None)
        return self._process.wait(WAIT_SECONDS)

    def caller(self) -> httpx.Client:
        """Return a caller of this node."""
        return httpx.Client(base_url=f"http://{self.configuration.rest.listen}", timeout=WAIT_SECONDS)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with Process(make_homes(tmp_path)[0]) as running:
        yield running


def transaction(home: Home) -> bytes:
    body = EnrolParticipant(organisation="org-0", name="site", key=signing_key("site").public)
    return encode(signed(home.load_key(KeyPurpose.OPERATOR), body, home.load_genesis()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_that_is_held_is_answered_before_the_node_leaves(process: Process, number: signal.Signals) -> None:
    answers: list[httpx.Response] = []

    def submit() -> None:
        with process.caller() as caller:
            headers = {"Content-Type": "application/msgpack"}
            content, wait = transaction(process.home), {"wait": 30_000}
            answers.append(caller.post("/v1/transactions", params=wait, headers=headers, content=content))

    waiting = threading.Thread(target=submit)
    waiting.start()
    with process.caller() as caller:
        while caller.get("/v1/status").json()["mempool_transactions"] == 0:
            assert waiting.is_alive()
    assert process.end(number) == 0
    waiting.join(WAIT_SECONDS)
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(202, "pending")]
    events = [line["event"] for line in process.lines]
    assert events[0] == "started"
    assert events[-2:] == ["stopping", "stopped"]


def test_metrics_have_a_listener_of_their_own(process: Process) -> None:
    with process.caller() as caller:
        assert caller.get("/metrics").status_code == 404
        metrics = caller.get(f"http://{process.configuration.metrics.listen}/metrics")
        assert "quorate_consensus_height 0.0" in metrics.text
        assert caller.get(f"http://{process.configuration.metrics.listen}/v1/status").status_code == 404
        assert caller.get("/livez").status_code == 200
        assert caller.get("/readyz").status_code == 503


def test_no_key_stands_in_the_log(process: Process) -> None:
    with process.caller() as caller:
        caller.post("/v1/transactions", headers={"Content-Type": "application/msgpack"}, content=b"\xc1" * 100)
    assert process.end(signal.SIGTERM) == 0
    written = json.dumps(process.lines)
    for purpose in (KeyPurpose.VOTE, KeyPurpose.SERVICE, KeyPurpose.OPERATOR, KeyPurpose.LOG_HEAD):
        assert process.home.load_key(purpose).seed().hex() not in written

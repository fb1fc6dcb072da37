"""Real processes whose validators change while transactions go on: one joins, one has its keys rotated, one leaves."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.genesis import Genesis
from ledger.quantities import Height
from node.home import Home
from participant.operator import Operator
from quorate.ports import free_ports
from tests.acceptance.caller import Caller
from tests.acceptance.processes import ValidatorProcess, make_validators, until
from tests.consortium import signing_key
from tests.quorate.commands import Commands

pytestmark = pytest.mark.processes


class Traffic:
    """Enrols one site after the other, at whichever validator answers, until it is told to stop."""

    def __init__(self, urls: list[str], genesis: Path, key: Path) -> None:
        self.receipts: list[bool] = []
        self.errors: list[Exception] = []
        self._ended = threading.Event()
        self._operator = Operator(nodes=urls, genesis=genesis, key=key)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                number = len(self.receipts)
                receipt = self._operator.enrol(f"site-{number}", signing_key(f"traffic/{number}").public)
                self.receipts.append(receipt.accepted)
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.errors.append(error)

    def more(self) -> None:
        """Wait until some more have been accepted."""
        wanted = len(self.receipts) + 3
        until(lambda: len(self.receipts) >= wanted or self.errors, "traffic goes on")
        assert not self.errors

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self._operator.close()


class Consortium:
    """Five homes, of which four are in genesis, and what their operators type."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self.folder = folder
        self.genesis = folder / "genesis.json"
        self.validators = make_validators(folder)
        self.run = commands
        self._files = 0
        link, rest, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
        self.fifth = folder / "org-4"
        address = ["--link", link, "--rest", rest, "--metrics", metrics]
        commands.data("node", "init", "--home", self.fifth, "--organisation", "org-4", *address)
        Home(self.fifth).adopt_genesis(self.genesis, learner=True)
        self.validators.append(_Fifth(self.fifth, self.genesis, 4, url=f"http://{rest}"))
        known = Genesis(self.genesis.read_bytes())
        self.callers = [Caller(each.url, known, log_tail=each.log_tail) for each in self.validators]

    def era(self, place: int) -> int:
        return int(self.callers[place].status()["era"])

    def change(self, era: int, *command: object, approvers: tuple[int, ...] = (0, 1, 2, 3)) -> int:
        """Make a change file, let operators approve it, submit it; return the number it is about."""
        self._files += 1
        file = self.folder / f"change-{self._files}.json"
        chain = ("--genesis", self.genesis)
        self.run.data("validator", *command, "--era", era, "--out", file, *chain)
        for place in approvers:
            self.run.data("validator", "approve", file, "--operator-key", self.operator(place), *chain)
        key = ("--operator-key", self.operator(2), "--node", self.validators[2].url)
        return int(self.run.data("validator", "submit", file, *key, *chain)["number"])

    def operator(self, place: int) -> Path:
        return self.folder / f"org-{place}" / "keys" / "operator.key"

    def reach(self, era: int, places: tuple[int, ...]) -> None:
        """Wait until some validators have a block of an era."""
        until(lambda: all(self.era(place) >= era for place in places), f"era {era}")

    def digests(self, places: tuple[int, ...]) -> set[str]:
        """Return the digest of the highest block that all of them have, as each has it."""
        height = min(self.callers[place].status()["height"] for place in places)
        return {self.callers[place].json(f"/v1/blocks/{height}")["digest"] for place in places}


class _Fifth(ValidatorProcess):
    """A validator that genesis does not name."""

    def __init__(self, home: Path, genesis: Path, number: int, *, url: str) -> None:
        super().__init__(home, genesis, number)
        self._url = url

    @property
    def url(self) -> str:
        return self._url


@pytest.fixture
def consortium(tmp_path: Path, commands: Commands) -> Iterator[Consortium]:
    made = Consortium(tmp_path, commands)
    try:
        for validator in made.validators:
            validator.start()
        for caller in made.callers[:4]:
            caller.wait_ready()
        yield made
    finally:
        for validator, caller in zip(made.validators, made.callers, strict=True):
            caller.http.close()
            if validator.is_running:
                validator.kill()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    for name in ("QUORATE_NODE", "QUORATE_GENESIS", "QUORATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return Commands()


def test_the_validators_change_while_transactions_go_on(consortium: Consortium) -> None:
    made = consortium
    urls = [made.validators[place].url for place in (2, 3)]
    traffic = Traffic(urls, made.genesis, made.operator(2))
    try:
        traffic.more()
        # a fifth one joins: learner first, then validator
        assert made.change(0, "register", "--home", made.fifth, "--joins") == 4
        until(lambda: made.callers[4].status()["seat"] == "learner", "the fifth node follows")
        assert made.change(0, "propose", "--add", 4) == 4
        made.reach(1, (0, 1, 2, 3, 4))
        made.callers[4].wait_ready()
        traffic.more()
        # the first one gets other keys, all of them
        made.change(1, "rotate", "--home", made.folder / "org-0", "--validator", 0, approvers=(0,))
        made.reach(2, (0, 1, 2, 3, 4))
        made.callers[0].wait_ready()
        traffic.more()
        # and is needed: with one of five killed, a quorum of four is everybody else
        made.validators[1].kill()
        traffic.more()
        made.validators[1].start()
        made.callers[1].wait_ready()
        # the second one leaves
        made.change(2, "propose", "--remove", 1, approvers=(0, 2, 3, 4))
        made.reach(3, (0, 2, 3, 4))
        traffic.more()
        until(lambda: made.callers[1].status()["seat"] == "left", "the second node knows that it has left")
        assert made.callers[1].http.get("/readyz").status_code == 503
        made.validators[1].terminate()
        assert made.validators[1].exit_code() == 0
        traffic.more()
    finally:
        traffic.stop()
    assert not traffic.errors
    assert all(traffic.receipts)
    assert len(made.digests((0, 2, 3, 4))) == 1
    assert [validator.errors() for validator in made.validators] == [[]] * 5
    verified = made.run("verify", "--node", made.validators[4].url, "--genesis", made.genesis)
    assert verified.code == 0, verified.err
    listed = made.run.data("validator", "list", "--node", made.validators[3].url)["validators"]
    assert [member["id"] for member in listed] == [0, 2, 3, 4]
    early = made.callers[4].json("/v1/validators", height=1)
    assert (early["era"], [member["id"] for member in early["validators"]]) == (0, [0, 1, 2, 3])
    assert Height(early["first_height"]) == 1

"""`quorate doctor`, `status --all` and `version --all`, on real homes and real nodes."""

import json
import shutil
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.quantities import TimeMs
from node.home import Home
from node.keystore import PRIVATE_MODE, KeyPurpose, create_key
from node.storage.vote_log import VoteLog
from node.transport.certificates import make_link_credential
from quorate import doctor_home, node_status, survey
from quorate.output import Answer
from quorate.ports import free_ports
from tests.acceptance.processes import until
from tests.network import make_homes
from tests.quorate.commands import Commands
from tests.quorate.walk import Walk


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_homes(tmp_path)[0]


def nobody() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


def findings(commands: Commands, *arguments: object) -> dict[str, dict[str, str]]:
    """Return what a doctor finds, by check; the worst, and all of them that are as bad, where there are several."""
    found: dict[str, dict[str, str]] = {}
    rank = ["ok", "skipped", "warn", "fail"]
    for it in commands("doctor", *arguments, "--format", "json").envelope["data"]:
        before = found.get(it["check"])
        if before is None or rank.index(it["verdict"]) > rank.index(before["verdict"]):
            found[it["check"]] = it
        elif it["verdict"] == before["verdict"]:
            before["found"] += f"; {it['found']}"
    return found


def test_a_running_node_is_found_well(commands: Commands, walk: Walk) -> None:
    place = walk.served.network.homes[0].path
    found = findings(commands, "--home", place, "--node", walk.url)
    verdicts = {check: it["verdict"] for check, it in found.items()}
    assert verdicts == {
        "settings": "ok",
        "keys": "warn",
        "genesis": "ok",
        "certificate": "ok",
        "disk": "ok",
        "forced writes": verdicts["forced writes"],
        "vote log": "ok",
        "database": "skipped",
        "time service": verdicts["time service"],
        "node": "ok",
        "peers": "ok",
        "chain": "ok",
        "versions": "ok",
        "clock": "ok",
        "links": "ok",
    }
    assert "the operator key lies on this host" in found["keys"]["found"]
    assert verdicts["forced writes"] in {"ok", "warn"}, "as fast as this disk is"
    assert verdicts["time service"] in {"ok", "warn", "skipped"}, "as this host is set up"
    assert "measured to +-" in found["clock"]["found"]
    assert not list(place.rglob("doctor.*"))


def test_without_a_home_only_what_others_say_is_looked_at(commands: Commands, walk: Walk) -> None:
    found = findings(commands, "--node", walk.url)
    assert {check: it["verdict"] for check, it in found.items()} == {
        "node": "ok",
        "peers": "ok",
        "chain": "ok",
        "versions": "ok",
        "clock": "ok",
        "links": "ok",
    }


def test_a_host_that_nobody_answers_says_so_and_what_to_do(commands: Commands, home: Home) -> None:
    ran = commands("doctor", "--home", home.path, "--node", nobody())
    assert ran.code == 1
    text = " ".join(ran.out.split())
    assert "What to do: keys: keep it on another machine" in text
    assert "is it running, and is http://127.0.0.1" in text
    assert "validator 3, org-3" in text
    assert "take connections" not in text


def loosened(home: Home) -> None:
    home.link_credential.chmod(0o640)


def without_votes(home: Home) -> None:
    home.vote_key_used.touch()


def torn_in_the_middle(home: Home) -> None:
    home.data.mkdir()
    log = VoteLog.create(home.vote_log, chain_id=home.load_genesis().chain_id)
    for record in (b"one" * 50, b"two" * 50, b"three" * 50):
        log.append([record])
        log.sync()
    log.close()
    content = bytearray(home.vote_log.read_bytes())
    content[len(content) // 2] ^= 1
    home.vote_log.write_bytes(content)


def another_certificate(home: Home) -> None:
    now = TimeMs(home.load_genesis().document.time_ms)
    home.link_credential.write_bytes(make_link_credential("org-0", now=now).pem)


def an_old_certificate(home: Home) -> None:
    home.link_credential.write_bytes(make_link_credential("org-0", now=TimeMs(1_000_000_000_000)).pem)


def misspelt(home: Home) -> None:
    home.configuration.write_text(home.configuration.read_text() + "\n[alarm]\n")


def no_room(home: Home) -> None:
    text = f"\n[alarms]\ndisk_free_bytes_warn = {2**60}\ndisk_free_bytes_min = {2**60}\n"
    home.configuration.write_text(home.configuration.read_text() + text)


def writable_by_others(home: Home) -> None:
    (home.path / "keys").chmod(0o777)


def damaged(home: Home) -> None:
    (home.data / "chain").mkdir(parents=True)
    (home.data / "chain" / "CURRENT").write_text("MANIFEST-000009\n")


@pytest.mark.parametrize(
    ("harm", "check", "said"),
    [
        (loosened, "keys", "0600"),
        (writable_by_others, "keys", "others may write"),
        (without_votes, "vote log", "none, though the vote key was used"),
        (torn_in_the_middle, "vote log", "vote log at byte"),
        (another_certificate, "certificate", "not the one that genesis records"),
        (an_old_certificate, "certificate", "expired at 2011"),
        (no_room, "disk", "bytes are free"),
        (damaged, "database", "database"),
        (misspelt, "settings", "did you mean alarms?"),
    ],
)
def test_what_is_wrong_with_a_home_is_found(
    commands: Commands, home: Home, harm: Callable[[Home], None], check: str, said: str
) -> None:
    before = findings(commands, "--home", home.path, "--node", nobody())[check]
    assert before["verdict"] in {"ok", "warn", "skipped"}
    harm(home)
    found = findings(commands, "--home", home.path, "--node", nobody())[check]
    assert found["verdict"] == "fail"
    assert said in found["found"]
    assert found["advice"] or "expected" in found["found"] or "did you mean" in found["found"]


def test_a_certificate_that_ends_soon_is_a_warning(
    commands: Commands, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_home, "EXPIRY_WARN_MS", 20 * 365 * 24 * 3600 * 1000)
    found = findings(commands, "--home", home.path, "--node", nobody())["certificate"]
    assert (found["verdict"], found["advice"]) == ("warn", "rotate it by a membership transaction in time")


def test_the_certificate_is_compared_with_the_one_in_force(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    own = Home(tmp_path / "own")
    ignored = shutil.ignore_patterns("LOCK", "vote.log.lock")
    shutil.copytree(walk.served.network.homes[1].path, own.path, ignore=ignored)
    found = findings(commands, "--home", own.path, "--node", walk.url)["certificate"]
    assert (found["verdict"], "the one that the chain records for validator 1" in found["found"]) == ("ok", True)
    another_certificate(own)
    found = findings(commands, "--home", own.path, "--node", walk.url)["certificate"]
    assert (found["verdict"], found["found"]) == ("fail", "not the one that the chain records for validator 1")
    own.key(KeyPurpose.VOTE).unlink()
    create_key(own.key(KeyPurpose.VOTE), KeyPurpose.VOTE)
    found = findings(commands, "--home", own.path, "--node", walk.url)["certificate"]
    assert found["verdict"] == "skipped"
    assert "no validator of the chain has this home's vote key" in found["found"]


def test_looking_at_a_vote_log_changes_nothing(commands: Commands, home: Home) -> None:
    home.data.mkdir()
    log = VoteLog.create(home.vote_log, chain_id=home.load_genesis().chain_id)
    log.append([b"a vote"])
    log.sync()
    torn = home.vote_log.read_bytes()[:-1]
    log.close()
    home.vote_log.write_bytes(torn)
    assert findings(commands, "--home", home.path, "--node", nobody())["vote log"]["verdict"] == "ok"
    assert home.vote_log.read_bytes() == torn


def test_a_stopped_nodes_database_is_checked_to_the_state(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    genesis = walk.served.network.homes[1]
    stopped = Home(tmp_path / "stopped")
    shutil.copytree(genesis.path, stopped.path, ignore=shutil.ignore_patterns("LOCK", "vote.log.lock"))
    found = findings(commands, "--home", stopped.path, "--node", walk.url)["database"]
    assert found["verdict"] == "ok"
    assert "certificate valid, state root from" in found["found"]


def test_a_bundle_has_no_secret_and_no_blob(commands: Commands, walk: Walk, tmp_path: Path) -> None:
    place, file = walk.served.network.homes[0].path, tmp_path / "support.tar"
    ran = commands("doctor", "--home", place, "--node", walk.url, "--bundle", file)
    assert "bundle" in ran.out
    with tarfile.open(file) as archive:
        names = archive.getnames()
        content = b"".join(read.read() for member in archive if (read := archive.extractfile(member)) is not None)
        findings_file = archive.extractfile("findings.json")
        assert findings_file is not None
        assert {it["check"] for it in json.load(findings_file)} >= {"keys", "clock", "links"}
    assert names == ["descriptor.json", "files.json", "findings.json", "genesis.json", "host.json", "node.toml"]
    for key in (place / "keys").glob("*.key"):
        assert key.stat().st_mode & 0o777 == PRIVATE_MODE
        assert json.loads(key.read_bytes())["seed"].encode() not in content
    assert b"PRIVATE KEY" not in content
    assert commands("doctor", "--node", walk.url, "--bundle", file).code == 2, "nothing is overwritten"


def test_all_validators_are_shown_side_by_side(commands: Commands, walk: Walk) -> None:
    def well() -> Any:
        ran = commands("status", "--all", "--node", walk.url, "--format", "json")
        return ran.envelope["data"] if ran.code == 0 else None

    data = until(well, "all validators well")  # one may be a block behind, or between two views
    assert [it["validator"] for it in data] == [0, 1, 2, 3]
    assert {it["status"]["chain_id"] for it in data} == {walk.served.network.genesis.chain_id.hex()}
    shown = commands("status", "--all", "--node", walk.url).out.splitlines()
    columns = ("validator", "organisation", "url", "height", "view", "primary", "head age", "clock", "version", "state")
    assert shown[0].lower().split() == " ".join(columns).split()
    assert [line.split()[:2] for line in shown[1:]] == [[str(number), f"org-{number}"] for number in range(4)]


def test_the_release_of_every_validator_is_shown(commands: Commands, walk: Walk) -> None:
    data = commands.data("version", "--all", "--node", walk.url)
    assert [(it["software"], it["protocol"]) for it in data] == [("0.1.0", 1)] * 4
    assert commands.data("version") == {"software": "0.1.0", "protocol": 1}


def test_a_validator_that_does_not_answer_is_in_the_table_and_in_the_exit_code(
    commands: Commands, walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = survey.places_of

    def with_a_silent_one(node: Any) -> Any:
        first, *rest = places(node)
        return [replace(first, validator=9, organisation="gone", url=nobody()), *rest]

    monkeypatch.setattr(node_status, "places_of", with_a_silent_one)
    ran = commands("status", "--all", "--node", walk.url)
    assert ran.code == 1
    assert "ConnectError" in ran.out.splitlines()[1]
    assert commands("version", "--all", "--node", walk.url).code == 1


def test_watching_asks_again_until_interrupted(commands: Commands, walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)
    monkeypatch.setattr(node_status, "ask_all", lambda _: Answer(data=[], shown=["all well"]))
    ran = commands("status", "--all", "--watch", "--node", walk.url)
    assert (ran.code, ran.out) == (130, "all well\n" * 3)
    assert "\x1b" not in ran.out, "nothing is cleared where there is no terminal"

"""Arguments of `Consortium`: what is wrong with them shows before a node is asked."""

from pathlib import Path

import pytest

import quorate
from ledger.errors import ConfigurationError, InputError, QuorateError
from node.keystore import KeyPurpose, create_key
from participant.consortium import Consortium
from participant.deadline import PAUSE_SECONDS_MIN, Deadline
from participant.errors import InvalidSubmission
from participant.node import Request
from participant.round import _checked_examples
from tests.consortium import consortium as make_consortium


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "genesis.json").write_bytes(make_consortium().genesis.data)
    create_key(tmp_path / "site.key", KeyPurpose.PARTICIPANT)
    return tmp_path


def opened(files: Path, nodes: object) -> Consortium:
    return Consortium(nodes=nodes, genesis=files / "genesis.json", key=str(files / "site.key"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        "http://127.0.0.1:1",
        ["127.0.0.1:1"],
        ["ftp://127.0.0.1"],
        ["http://"],
        ["http://:80"],
        ["http://host:0"],
        ["http://host:99999"],
        ["http://host:port"],
        ["http://user:secret@host"],
        ["http://host/?a=b"],
        ["http://host/#a"],
        ["http://ho st"],
        ["http://host", "http://host/"],
        [f"http://host-{number}" for number in range(101)],
    ],
    ids=str,
)
def test_a_bad_list_of_nodes_is_refused(files: Path, nodes: object) -> None:
    with pytest.raises(ConfigurationError, match="node"):
        opened(files, nodes)


@pytest.mark.parametrize("nodes", [["http://host"], ["https://host:443/behind/a/proxy/"], ["http://[::1]:80"]])
def test_a_good_list_of_nodes_is_taken(files: Path, nodes: list[str]) -> None:
    with opened(files, nodes) as consortium:
        assert consortium.chain_id == make_consortium().genesis.chain_id


def test_a_missing_genesis_file_is_named(files: Path) -> None:
    (files / "genesis.json").unlink()
    with pytest.raises(ConfigurationError, match=r"genesis\.json"):
        opened(files, ["http://host"])


def test_a_changed_genesis_file_is_refused(files: Path) -> None:
    data = (files / "genesis.json").read_bytes()
    (files / "genesis.json").write_bytes(data.replace(b"org-00", b"org-99", 1))
    with pytest.raises(QuorateError):
        opened(files, ["http://host"])


def test_a_missing_key_file_is_named(files: Path) -> None:
    (files / "site.key").unlink()
    with pytest.raises(ConfigurationError, match=r"site\.key"):
        opened(files, ["http://host"])


@pytest.mark.parametrize("count", [0, -1, 2**63, 1.0, "7", None])
def test_a_bad_number_of_examples_is_refused(count: object) -> None:
    with pytest.raises(InvalidSubmission, match="num_examples"):
        _checked_examples(count)  # type: ignore[arg-type]


def test_the_package_has_nothing_else() -> None:
    assert quorate.Consortium is Consortium
    with pytest.raises(AttributeError, match="no attribute 'Client'"):
        quorate.Client  # noqa: B018


def test_a_deadline_of_no_time_has_passed_and_pauses_for_none() -> None:
    deadline = Deadline(0.0)
    assert deadline.has_passed
    deadline.pause()
    assert deadline.remaining == 0.0


def test_a_deadline_in_the_future_has_not_passed() -> None:
    deadline = Deadline(10_000.0)
    deadline.pause(seconds_max=PAUSE_SECONDS_MIN)
    assert not deadline.has_passed
    assert 0 < deadline.remaining < 10_000.0


def test_what_is_asked_of_a_node_is_said_in_errors() -> None:
    assert str(Request(method="GET", path="/v1/tasks/cardio")) == "GET /v1/tasks/cardio"


def test_errors_of_names_are_input_errors(files: Path) -> None:
    with opened(files, ["http://host"]) as consortium, pytest.raises(InputError):
        consortium.task("No Name")


def test_a_node_may_be_asked_first_without_a_new_consortium(files: Path) -> None:
    with opened(files, ["http://a", "http://b/"]) as consortium:
        assert consortium.node == "http://a"
        consortium.ask_first("http://b/")
        assert consortium.node == "http://b"
        with pytest.raises(ConfigurationError, match="http://c"):
            consortium.ask_first("http://c")
        assert consortium.node == "http://b"


def test_a_damaged_genesis_file_is_the_callers_mistake_and_no_verdict(files: Path) -> None:
    (files / "genesis.json").write_bytes(b"{")
    with pytest.raises(ConfigurationError, match=r"genesis\.json: not a genesis file") as caught:
        opened(files, ["http://host"])
    assert caught.value.exit_code == 2

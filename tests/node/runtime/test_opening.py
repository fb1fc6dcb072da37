"""Opening a node's data: durable before the first vote, refused where it cannot go on, and given back on failure."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.errors import ConfigurationError
from ledger.quantities import TimeMs
from node import seat
from node.config import Configuration, LinkSection, load
from node.home import Home
from node.keystore import KeyPurpose
from node.runtime import opening
from node.runtime.node import Node
from node.runtime.opening import Durable
from node.seat import note_used_vote_key, stage_keys, take_seat, used_vote_key
from tests.consortium import signing_key
from tests.network import make_homes


def configuration_of(home: Home) -> Configuration:
    return load(home.configuration, environment={}).configuration


def open_data(home: Home) -> Durable:
    return Durable.open(home, home.load_genesis(), configuration_of(home))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_homes(tmp_path)[0]


def test_that_a_key_has_a_vote_log_is_durable_before_it_votes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[Path, bool, bool]] = []
    monkeypatch.setattr(
        opening,
        "sync_directory",
        lambda folder: synced.append((folder, home.vote_log.exists(), home.vote_key_used.exists())),
    )
    monkeypatch.setattr(
        seat,
        "sync_directory",
        lambda folder: synced.append((folder, home.vote_log.exists(), home.vote_key_used.exists())),
    )
    durable = open_data(home)
    durable.prepare_vote_log(home, home.load_genesis())
    durable.close()
    assert synced == [(home.path, False, False), (home.path / "keys", True, True)]


def test_a_lost_vote_log_is_not_made_anew_for_the_same_key(home: Home) -> None:
    durable = open_data(home)
    durable.prepare_vote_log(home, home.load_genesis())
    durable.close()
    home.vote_log.unlink()
    again = open_data(home)
    again.prepare_vote_log(home, home.load_genesis())
    assert again.vote_log is None
    assert not home.vote_log.exists()
    again.close()


def test_a_key_that_is_not_the_one_that_voted_gets_a_vote_log(home: Home) -> None:
    note_used_vote_key(home, signing_key("the key before").public)
    durable = open_data(home)
    durable.prepare_vote_log(home, home.load_genesis())
    assert durable.vote_log is not None
    assert used_vote_key(home) == home.load_key(KeyPurpose.VOTE).public.hex()
    durable.close()


def test_a_restored_home_votes_with_the_key_that_a_rotation_gave_it(home: Home) -> None:
    """The mark of a restored home names no key; what it stands for is the key that was there before the rotation."""
    stage_keys(home, link_address="127.0.0.1:1", rest_url="", now=TimeMs(0), vote_key_only=True)
    before, recorded = home.staged_key(KeyPurpose.VOTE), home.key(KeyPurpose.VOTE)
    aside = recorded.with_suffix(".aside")
    recorded.replace(aside)
    before.replace(recorded)
    aside.replace(before)  # now the chain records the staged key, and the present one is of the past
    home.vote_key_used.touch(mode=0o600)
    durable = open_data(home)
    take_seat(home, home.load_genesis(), durable.chain.state)
    durable.prepare_vote_log(home, home.load_genesis())
    assert durable.vote_log is not None
    assert used_vote_key(home) == home.load_key(KeyPurpose.VOTE).public.hex()
    durable.close()


def test_frames_that_cannot_hold_a_block_of_this_chain_are_refused(home: Home) -> None:
    narrow = replace(configuration_of(home), link=LinkSection(frame_bytes_max=13 * 2**20 - 1))
    with pytest.raises(ConfigurationError, match=r"link\.frame_bytes_max: expected at least 13631488 bytes"):
        Durable.open(home, home.load_genesis(), narrow)
    enough = replace(configuration_of(home), link=LinkSection(frame_bytes_max=13 * 2**20))
    Durable.open(home, home.load_genesis(), enough).close()


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_link_credential_that_others_may_read_is_refused(home: Home, mode: int) -> None:
    home.link_credential.chmod(mode)

    async def start() -> None:
        Node(home, configuration_of(home))

    with pytest.raises(ConfigurationError, match=rf"link\.pem: expected 0600 .*, got {mode:04o}"):
        asyncio.run(start())
    open_data(home).close()

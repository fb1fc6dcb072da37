"""The home of a node: made once, and bound to one chain."""

from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from ledger.genesis import assemble
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs
from node.home import Home, create_member, create_validator, read_descriptor
from node.keystore import KeyPurpose


def make(folder: Path, count: int) -> list[Home]:
    homes = [Home(folder / f"v{number}") for number in range(count)]
    for number, home in enumerate(homes):
        create_validator(
            home, organisation=f"org-{number}", link=f"10.0.0.{number}:7450", rest="127.0.0.1:7451", metrics=""
        )
    return homes


def genesis_of(homes: list[Home], file: Path) -> Path:
    descriptors = tuple(read_descriptor(home.descriptor) for home in homes)
    file.write_bytes(assemble(descriptors, chain="c", time=TimeMs(1), parameters=ChainParameters()))
    return file


def test_a_descriptor_is_signed_by_every_key_of_the_home(tmp_path: Path) -> None:
    (home,) = make(tmp_path, 1)
    descriptor = read_descriptor(home.descriptor)
    purposes = (KeyPurpose.OPERATOR, KeyPurpose.VOTE, KeyPurpose.SERVICE, KeyPurpose.LOG_HEAD)
    assert descriptor.signing_keys() == tuple(home.load_key(purpose).public for purpose in purposes)


def test_a_home_that_exists_is_never_touched(tmp_path: Path) -> None:
    (home,) = make(tmp_path, 1)
    before = sorted((path, path.read_bytes()) for path in home.path.rglob("*") if path.is_file())
    with pytest.raises(ConfigurationError, match="empty or new folder"):
        create_member(home, organisation="other")
    assert before == sorted((path, path.read_bytes()) for path in home.path.rglob("*") if path.is_file())


def test_a_changed_descriptor_is_refused(tmp_path: Path) -> None:
    (home,) = make(tmp_path, 1)
    home.descriptor.write_text(home.descriptor.read_text().replace("10.0.0.0:7450", "10.0.0.9:7450"))
    with pytest.raises(Exception, match="descriptor signature"):
        read_descriptor(home.descriptor)


def test_each_home_finds_its_own_place_in_genesis(tmp_path: Path) -> None:
    homes = make(tmp_path, 4)
    file = genesis_of(homes, tmp_path / "genesis.json")
    for number, home in enumerate(homes):
        home.adopt_genesis(file)
        member = home.membership(home.load_genesis())
        assert (member.validator, member.organisation) == (number, f"org-{number}")


def test_a_genesis_without_this_home_is_refused(tmp_path: Path) -> None:
    homes = make(tmp_path, 5)
    file = genesis_of(homes[:4], tmp_path / "genesis.json")
    with pytest.raises(ConfigurationError, match="vote key"):
        homes[4].adopt_genesis(file)


def test_a_home_keeps_its_first_chain(tmp_path: Path) -> None:
    homes = make(tmp_path, 5)
    homes[0].adopt_genesis(genesis_of(homes[:4], tmp_path / "a.json"))
    with pytest.raises(ConfigurationError, match="another one is in use"):
        homes[0].adopt_genesis(genesis_of(homes, tmp_path / "b.json"))


def test_a_home_without_genesis_says_how_to_get_one(tmp_path: Path) -> None:
    (home,) = make(tmp_path, 1)
    with pytest.raises(ConfigurationError, match="--genesis"):
        home.load_genesis()

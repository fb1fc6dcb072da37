"""The home of a node: made once, and bound to one chain."""

from pathlib import Path

import pytest

from ledger.errors import ConfigurationError
from ledger.genesis import GENESIS_BYTES_MAX, assemble
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs
from node.home import DESCRIPTOR_BYTES_MAX, Home, create_member, create_validator, read_descriptor
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


@pytest.mark.parametrize(("read", "bytes_max"), [("genesis", GENESIS_BYTES_MAX), ("descriptor", DESCRIPTOR_BYTES_MAX)])
def test_a_file_of_another_member_is_read_up_to_a_size(tmp_path: Path, read: str, bytes_max: int) -> None:
    (home,) = make(tmp_path, 1)
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ConfigurationError, match=f"huge.json: expected at most {bytes_max} bytes"):
        home.adopt_genesis(huge) if read == "genesis" else read_descriptor(huge)


def test_a_damaged_genesis_file_is_the_operators_to_mend(tmp_path: Path) -> None:
    homes = make(tmp_path, 4)
    file = genesis_of(homes, tmp_path / "genesis.json")
    homes[0].adopt_genesis(file)
    good = file.read_bytes()
    for damaged in (good[:-9], b"", good.replace(b"10.0.0.0:7450", b"10.0.0.9:7450"), good + b"\n", b"\xff" + good):
        for place in (file, homes[0].genesis):
            place.write_bytes(damaged)
        for read in (lambda: homes[1].adopt_genesis(file), homes[0].load_genesis):
            with pytest.raises(ConfigurationError, match=r"genesis\.json"):
                read()
    assert not homes[1].genesis.exists()


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (home,) = make(tmp_path, 1)
    with pytest.raises(ConfigurationError, match=r"nothing\.json"):
        home.adopt_genesis(tmp_path / "nothing.json")
    with pytest.raises(ConfigurationError, match=r"nothing\.json"):
        read_descriptor(tmp_path / "nothing.json")

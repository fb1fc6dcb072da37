"""Backups of a real home: whole or refused, without the vote log, and restored into a node that must not vote."""

import asyncio
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs

from consensus.learner import Learner
from ledger.errors import ConfigurationError, QuorateError
from ledger.genesis import Genesis
from node import backup
from node.archive import MANIFEST, SEAL, BackupDamaged, Manifest, read_archive, read_manifest, seal_of
from node.backup import NodeRuns
from node.config import load
from node.home import Home
from node.runtime.node import Node
from quorate.cli import run
from tests.ledger.helpers import genesis as other_genesis
from tests.network import running_network
from tests.node.runtime.sites import open_task


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return the home of a stopped validator of a chain with blocks, blobs and a task."""

    async def scenario() -> Home:
        async with running_network(tmp_path_factory.mktemp("network")) as network:
            await open_task(network, rounds=1)
            top = network.nodes[0].api.height
            await network.until(lambda: network.nodes[3].api.height >= top)
            return network.homes[3]

    return asyncio.run(scenario())


@pytest.fixture(scope="module")
def made(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backup without keys; not to be changed."""
    file = tmp_path_factory.mktemp("backups") / "one.tar"
    backup.create(home, file, with_keys=False)
    return file


def names(file: Path) -> list[str]:
    return [entry.path for entry in read_manifest(file).files]


def test_a_backup_holds_chain_blobs_and_settings_and_neither_votes_nor_keys(home: Home, made: Path) -> None:
    held = names(made)
    assert {"genesis.json", "node.toml", "descriptor.json"} <= set(held)
    assert {name.split("/")[1] for name in held if name.startswith("data/")} == {"chain", "blobs", "blobs.index"}
    assert not [name for name in held if "vote" in name or name.startswith("keys")]
    blobs = {path.name for path in (home.data / "blobs").rglob("*") if path.is_file()}
    assert blobs
    assert blobs == {Path(name).name for name in held if name.startswith("data/blobs/")}
    assert made.stat().st_mode & 0o077 == 0


def test_keys_go_in_when_asked_for_and_the_mark_of_use_never(home: Home, tmp_path: Path) -> None:
    backup.create(home, tmp_path / "keys.tar", with_keys=True)
    keys = [name for name in names(tmp_path / "keys.tar") if name.startswith("keys/")]
    assert keys == [f"keys/{name}" for name in ("link.pem", "log-head.key", "operator.key", "service.key", "vote.key")]


def test_keys_that_are_asked_for_must_be_there(home: Home, tmp_path: Path) -> None:
    copy = Home(Path(shutil.copytree(home.path, tmp_path / "home")))
    shutil.rmtree(copy.path / "keys")
    with pytest.raises(ConfigurationError, match="private keys, as asked for"):
        backup.create(copy, tmp_path / "never.tar", with_keys=True)
    assert not (tmp_path / "never.tar").exists()


def test_the_same_home_gives_the_same_list(home: Home, tmp_path: Path) -> None:
    for name in ("one", "two"):
        backup.create(home, tmp_path / name, with_keys=False)
    with tarfile.open(tmp_path / "one") as one:
        assert [member.name for member in one] == [MANIFEST, SEAL, *names(tmp_path / "one")]
        assert {(member.mtime, member.uid, member.gid, member.mode) for member in one} == {(0, 0, 0, 0o600)}
    assert names(tmp_path / "one") == sorted(names(tmp_path / "one"))


def test_a_good_backup_is_checked_down_to_the_state(home: Home, made: Path) -> None:
    genesis = home.load_genesis()
    manifest, checked = backup.check(made, trusted=genesis)
    assert (manifest.chain_id, manifest.height) == (genesis.chain_id.hex(), checked.head.header.height)
    assert manifest.height > 0
    assert checked.pairs > 10


def test_a_backup_of_another_chain_is_refused(made: Path) -> None:
    with pytest.raises(BackupDamaged, match="chain id"):
        backup.check(made, trusted=other_genesis())


def test_a_running_node_is_not_backed_up(home: Home, tmp_path: Path) -> None:
    async def scenario() -> None:
        copy = Home(Path(shutil.copytree(home.path, tmp_path / "home")))
        node = Node(copy, load(copy.configuration, environment={}).configuration)
        with pytest.raises(NodeRuns, match="expected stopped, got running"):
            backup.create(copy, tmp_path / "never.tar", with_keys=False)
        await node.stop()
        assert not (tmp_path / "never.tar").exists()
        backup.create(copy, tmp_path / "now.tar", with_keys=False)

    asyncio.run(scenario())


def test_nothing_is_overwritten(home: Home, made: Path, tmp_path: Path) -> None:
    before = made.read_bytes()
    with pytest.raises(ConfigurationError, match="which exists"):
        backup.create(home, made, with_keys=False)
    assert made.read_bytes() == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigurationError, match="an empty or new folder"):
        backup.restore(made, Home(tmp_path), trusted=None)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_restored_home_is_the_same_chain_and_does_not_vote(home: Home, tmp_path: Path) -> None:
    backup.create(home, tmp_path, with_keys=True)
    (file,) = tmp_path.iterdir()
    assert file.name == f"quorate-testing-{read_manifest(file).height}.tar"
    restored = Home(tmp_path / "restored")
    _, checked = backup.restore(file, restored, trusted=home.load_genesis())
    assert checked == backup.check_chain(home, home.load_genesis())
    for name in names(file):
        if not name.startswith("data/chain/"):  # LevelDB has opened these, and writes them anew
            assert (restored.path / name).stat().st_mode & 0o077 == 0
    assert restored.vote_key_used.exists()
    assert not restored.vote_log.exists()

    async def scenario() -> None:
        with capture_logs() as written:
            node = Node(restored, load(restored.configuration, environment={}).configuration)
        assert isinstance(node.loop.engine, Learner)
        assert [line["reason"] for line in written if line["event"] == "follows-without-a-vote"] == [
            "its vote log is lost or incomplete: its key must not vote again, a rotation gives it a new one"
        ]
        await node.stop()
        assert not restored.vote_log.exists()

    asyncio.run(scenario())


def test_a_restore_that_fails_leaves_a_home_that_does_not_vote_either(made: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(made.read_bytes()[:-20_000])
    home = Home(tmp_path / "home")
    with pytest.raises(QuorateError):
        backup.restore(damaged, home, trusted=None)
    assert home.vote_key_used.exists()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2**62), flip=st.integers(1, 255))
@example(place=602, flip=1)  # a digit of the chain id in the list, which no digest covered
def test_a_changed_byte_is_found_wherever_it_matters(made: Path, place: int, flip: int) -> None:
    changed = bytearray(made.read_bytes())
    place %= len(changed)
    with tarfile.open(made) as archive:
        read = [(member.offset, member.offset_data + member.size) for member in archive]
    changed[place] ^= flip
    file = made.with_name("changed.tar")
    file.write_bytes(changed)
    matters = any(start <= place < end for start, end in read)
    try:
        read_archive(file, into=None)
    except QuorateError:
        return
    # padding between members, and of the end, is read by nobody; in a member's header a leading zero may be a blank
    assert not matters or read_manifest(file) == read_manifest(made)


@pytest.mark.parametrize("field", ["chain", "chain_id", "height", "head", "keys"])
def test_what_the_list_says_of_the_chain_is_checked(made: Path, tmp_path: Path, field: str) -> None:
    true = read_manifest(made)
    wrong = {
        "chain": "tasting",
        "chain_id": "00" * 32,
        "height": true.height - 1,
        "head": "00" * 32,
        "keys": True,
    }
    file = forged(made, tmp_path / "forged.tar", lambda manifest: replace(manifest, **{field: wrong[field]}), [])
    with pytest.raises(QuorateError):
        backup.check(file, trusted=None)


def test_no_byte_of_the_list_or_of_its_digest_may_differ(made: Path) -> None:
    file = made.with_name("changed.tar")
    with tarfile.open(made) as archive:
        first, second = archive.next(), archive.next()
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == (MANIFEST, SEAL)
    whole = made.read_bytes()[: second.offset_data + 512]
    for member in (first, second):
        told = member.offset_data + 400  # every byte before the files, and some of each file
        end = member.offset_data + member.size
        for place in (*range(member.offset_data, min(told, end)), *range(told, end, 17)):
            changed = bytearray(whole)
            changed[place] ^= 1
            file.write_bytes(changed)
            with pytest.raises(BackupDamaged):
                read_manifest(file)


def forged(made: Path, to: Path, change: Callable[[Manifest], Manifest], extra: list[tarfile.TarInfo]) -> Path:
    """Write a backup with another list of files and the digest of that one, and with members that are in no list."""
    manifest = change(read_manifest(made))
    written = msgspec.json.encode(manifest)
    with tarfile.open(made) as source, tarfile.open(to, "w", format=tarfile.PAX_FORMAT) as target:
        for name, content in ((MANIFEST, written), (SEAL, seal_of(written))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
        listed = {entry.path for entry in manifest.files}
        for member in [*source.getmembers()[2:], *extra]:
            if member.name in listed or member in extra:
                target.addfile(member, source.extractfile(member) if member not in extra else None)
    return to


def entry(path: str) -> dict[str, object]:
    return {"path": path, "size": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}


def with_entry(path: str) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        told = msgspec.to_builtins(manifest)
        told["files"] = sorted([*told["files"], entry(path)], key=lambda item: str(item["path"]))
        return msgspec.convert(told, Manifest)

    return change


@pytest.mark.parametrize(
    "path", ["data/vote.log", "keys/vote.used", "keys/operator.key", "data/scratch/x", "elsewhere", "data/chainx/y"]
)
def test_what_no_backup_holds_is_refused_before_anything_is_written(made: Path, tmp_path: Path, path: str) -> None:
    file = forged(made, tmp_path / "forged.tar", with_entry(path), [])
    refusal = f"chain, blobs, settings, keys, got {path}"
    with pytest.raises(BackupDamaged, match=refusal):
        backup.restore(file, Home(tmp_path / "home"), trusted=None)
    with pytest.raises(BackupDamaged, match=refusal):
        backup.check(file, trusted=None)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "data/chain/../../../outside", "data\\chain", ".", ""])
def test_no_name_leads_out_of_the_home(made: Path, tmp_path: Path, path: str) -> None:
    file = forged(made, tmp_path / "forged.tar", with_entry(path), [])
    with pytest.raises(BackupDamaged, match="distinct names in order, below the home"):
        backup.restore(file, Home(tmp_path / "home"), trusted=None)


def test_members_that_are_links_or_unlisted_are_refused(made: Path, tmp_path: Path) -> None:
    link = tarfile.TarInfo("data/chain/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    unlisted = forged(made, tmp_path / "unlisted.tar", lambda manifest: manifest, [link])
    with pytest.raises(BackupDamaged, match="end of"):
        read_archive(unlisted, into=tmp_path / "out")
    listed = forged(made, tmp_path / "listed.tar", with_entry("node.zzz"), [])
    with pytest.raises(BackupDamaged, match=r"expected node\.zzz, got None"):
        read_archive(listed, into=None)


@pytest.mark.parametrize("content", [b"", b"no tar", bytes(10_240)])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file.tar"
    file.write_bytes(content)
    with pytest.raises(BackupDamaged):
        read_manifest(file)
    with pytest.raises(ConfigurationError, match="a file to read"):
        read_manifest(tmp_path / "absent.tar")


def test_a_damaged_chain_is_not_backed_up(home: Home, tmp_path: Path) -> None:
    copy = Home(Path(shutil.copytree(home.path, tmp_path / "home")))
    for table in (*(copy.data / "chain").glob("*.ldb"), *(copy.data / "chain").glob("*.log")):
        content = bytearray(table.read_bytes())
        for place in range(len(content) // 3, len(content), 97):
            content[place] ^= 0xFF
        table.write_bytes(content)
    with pytest.raises(QuorateError):
        backup.create(copy, tmp_path / "never.tar", with_keys=False)
    assert not (tmp_path / "never.tar").exists()


def test_the_commands_say_what_comes_next(home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, genesis = tmp_path / "backup.tar", home.genesis
    assert run(["backup", "create", "--home", str(home.path), "--to", str(file)]) == 0
    assert f"next: quorate backup check {file}" in capfd.readouterr().err
    assert run(["backup", "check", str(file), "--genesis", str(genesis)]) == 0
    out, err = capfd.readouterr()
    assert "private keys: no" in " ".join(out.split())
    assert f"next: quorate backup restore {file} --home HOME" in err
    assert run(["backup", "restore", str(file), "--home", str(tmp_path / "new"), "--genesis", str(genesis)]) == 0
    err = capfd.readouterr().err
    assert "its old vote key counts as used" in err
    assert "holds no private keys" in err
    os.truncate(file, file.stat().st_size // 2)
    assert run(["backup", "check", str(file)]) == 1


def test_genesis_of_a_backup_is_read_from_it(made: Path, tmp_path: Path) -> None:
    read_archive(made, into=tmp_path / "out", wanted=lambda name: name == "genesis.json")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["genesis.json"]
    assert Genesis((tmp_path / "out" / "genesis.json").read_bytes()).chain_id.hex() == read_manifest(made).chain_id

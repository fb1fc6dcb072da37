"""Blobs: a name only for what is whole and as announced, room only within the quota, an end for orphans."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InputError, TooLarge
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.quantities import Height
from node.storage.blob_store import BlobStore
from node.storage.errors import BlobMismatch, BlobNotFound, StorageFull
from node.storage.kv import MemoryStore
from tests.node.storage.blobs import ALICE, BOB, EXPIRES, FACTS, add, files, never


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def kv() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(directory: Path, kv: MemoryStore) -> BlobStore:
    return BlobStore(directory, kv, quota_bytes=1_000)


def test_a_blob_is_stored_under_its_digest_and_read_back(store: BlobStore, directory: Path) -> None:
    digest = add(store, b"content")
    name = digest.hex()
    assert files(directory) == [f"{name[:2]}/{name}"]
    assert store.has(digest)
    assert store.size(digest) == 7
    assert store.path(digest).read_bytes() == b"content"
    with store.open(digest) as file:
        assert file.read() == b"content"
    assert store.record(digest).author == ALICE
    assert store.record(digest).expires == EXPIRES


@settings(deadline=None, max_examples=25)
@given(chunks=st.lists(st.binary(max_size=2_000), min_size=1, max_size=6).filter(any))
def test_chunks_of_any_size_make_the_same_blob(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]) -> None:
    store = BlobStore(tmp_path_factory.mktemp("blobs"), MemoryStore(), quota_bytes=20_000)
    content = b"".join(chunks)
    incoming = store.begin(sha256(content), len(content), author=ALICE, expires=EXPIRES)
    for chunk in chunks:
        incoming.write(chunk)
    incoming.finish()
    assert store.path(sha256(content)).read_bytes() == content


def test_nothing_is_visible_before_it_is_whole(store: BlobStore) -> None:
    incoming = store.begin(sha256(b"content"), 7, author=ALICE, expires=EXPIRES)
    incoming.write(b"content")
    assert not store.has(sha256(b"content"))
    assert list(store) == []
    incoming.abort()


def test_more_bytes_than_declared_are_refused_at_once(store: BlobStore, directory: Path) -> None:
    incoming = store.begin(sha256(b"content"), 7, author=ALICE, expires=EXPIRES)
    incoming.write(b"conte")
    with pytest.raises(TooLarge, match="expected 7 bytes, got 8 or more"):
        incoming.write(b"nt!")
    assert files(directory) == []
    assert sum(store.orphan_sizes(ALICE)) == 0


def test_fewer_bytes_than_declared_are_refused_at_the_end(store: BlobStore, directory: Path) -> None:
    incoming = store.begin(sha256(b"content"), 7, author=ALICE, expires=EXPIRES)
    incoming.write(b"conten")
    with pytest.raises(BlobMismatch, match="expected 7, got 6"):
        incoming.finish()
    assert files(directory) == []
    assert sum(store.orphan_sizes(ALICE)) == 0


def test_other_bytes_than_announced_are_refused(store: BlobStore, directory: Path) -> None:
    incoming = store.begin(sha256(b"content"), 7, author=ALICE, expires=EXPIRES)
    incoming.write(b"CONTENT")
    with pytest.raises(BlobMismatch, match=sha256(b"CONTENT").hex()):
        incoming.finish()
    assert files(directory) == []
    assert not store.has(sha256(b"content"))


def test_an_empty_blob_is_refused(store: BlobStore) -> None:
    with pytest.raises(InputError, match="at least 1 byte"):
        store.begin(sha256(b""), 0, author=ALICE, expires=EXPIRES)


def test_leaving_the_context_without_finishing_drops_the_blob(store: BlobStore, directory: Path) -> None:
    with store.begin(sha256(b"x"), 1, author=ALICE, expires=EXPIRES) as incoming:
        incoming.write(b"x")
    assert files(directory) == []
    assert sum(store.orphan_sizes(ALICE)) == 0


def test_the_quota_counts_what_is_stored_and_what_is_arriving(store: BlobStore) -> None:
    add(store, bytes(400))
    arriving = store.begin(sha256(b"other"), 500, author=ALICE, expires=EXPIRES)
    with pytest.raises(StorageFull, match="expected 101 bytes, got 100 of 1000") as refusal:
        store.begin(ZERO_DIGEST, 101, author=ALICE, expires=EXPIRES)
    assert (refusal.value.code, refusal.value.http_status) == ("storage-full", 507)
    store.begin(ZERO_DIGEST, 100, author=ALICE, expires=EXPIRES).abort()
    arriving.abort()
    store.begin(ZERO_DIGEST, 600, author=ALICE, expires=EXPIRES).abort()
    assert store.bytes_total == 400


def test_deleting_gives_room_back(store: BlobStore, directory: Path) -> None:
    digest = add(store, bytes(400))
    store.delete(digest)
    assert store.bytes_total == 0
    assert not store.has(digest)
    assert files(directory) == []


def test_an_open_blob_stays_readable_when_it_is_deleted(store: BlobStore) -> None:
    digest = add(store, b"content")
    with store.open(digest) as file:
        store.delete(digest)
        assert file.read() == b"content"


@pytest.mark.parametrize("ask", ["record", "size", "path", "open", "delete", "set_recorded"])
def test_an_unknown_blob_is_not_found(store: BlobStore, ask: str) -> None:
    with pytest.raises(BlobNotFound, match=ZERO_DIGEST.hex()):
        getattr(store, ask)(ZERO_DIGEST)


def test_blobs_are_listed_in_order(store: BlobStore) -> None:
    digests = [add(store, b"%d" % number) for number in range(20)]
    assert list(store) == sorted(digests)


def test_what_counts_against_an_author_is_what_no_block_has_recorded(store: BlobStore) -> None:
    first = add(store, bytes(100))
    add(store, bytes(200), author=BOB)
    arriving = store.begin(ZERO_DIGEST, 50, author=ALICE, expires=EXPIRES)
    assert (sum(store.orphan_sizes(ALICE)), sum(store.orphan_sizes(BOB))) == (150, 200)
    store.set_recorded(first)
    assert sum(store.orphan_sizes(ALICE)) == 50
    arriving.abort()
    assert sum(store.orphan_sizes(ALICE)) == 0


def test_facts_and_record_are_kept(store: BlobStore, directory: Path, kv: MemoryStore) -> None:
    digest = add(store, b"content")
    assert store.record(digest).facts is None
    store.set_facts(digest, FACTS)
    store.set_recorded(digest)
    again = BlobStore(directory, kv, quota_bytes=1_000)
    assert again.record(digest).facts == FACTS
    assert again.record(digest).recorded


def test_orphans_are_deleted_once_their_height_has_passed(store: BlobStore) -> None:
    early, late, recorded = add(store, b"early", expires=5), add(store, b"late", expires=6), add(store, b"x", expires=5)
    store.set_recorded(recorded)
    assert store.expire(Height(5), is_recorded=never) == ()
    assert store.expire(Height(6), is_recorded=never) == (early,)
    assert list(store) == sorted([late, recorded])
    assert store.expire(Height(1_000), is_recorded=never) == (late,)
    assert list(store) == [recorded]


def test_a_blob_that_state_has_recorded_does_not_expire_though_it_was_never_noted(store: BlobStore) -> None:
    digest = add(store, b"content", expires=5)
    assert store.expire(Height(6), is_recorded=lambda asked: asked == digest) == ()
    assert store.record(digest).recorded
    assert store.expire(Height(6), is_recorded=never) == ()


def test_expiry_names_what_it_deleted_in_order(store: BlobStore) -> None:
    digests = [add(store, b"%d" % number) for number in range(9)]
    assert store.expire(Height(11), is_recorded=never) == tuple(sorted(digests))


def test_the_same_blob_again_is_kept_once_until_the_later_height(store: BlobStore, directory: Path) -> None:
    digest = add(store, b"content", expires=5)
    store.set_facts(digest, FACTS)
    add(store, b"content", expires=8, author=BOB)
    add(store, b"content", expires=3)
    assert len(files(directory)) == 1
    assert store.bytes_total == 7
    assert store.record(digest).expires == 8
    assert store.record(digest).facts == FACTS


def test_the_same_blob_may_arrive_twice_at_a_time(store: BlobStore, directory: Path) -> None:
    digest = sha256(b"content")
    one = store.begin(digest, 7, author=ALICE, expires=EXPIRES)
    other = store.begin(digest, 7, author=BOB, expires=EXPIRES)
    one.write(b"content")
    other.write(b"content")
    other.finish()
    one.finish()
    assert store.bytes_total == 7
    assert len(files(directory)) == 1


def test_a_later_ticket_keeps_a_stored_blob_longer(store: BlobStore) -> None:
    digest = add(store, b"content", expires=5)
    store.keep_until(digest, Height(9))
    store.keep_until(digest, Height(7))
    assert store.expire(Height(9), is_recorded=never) == ()
    assert store.expire(Height(10), is_recorded=never) == (digest,)


def test_files_are_for_this_user_alone(store: BlobStore, directory: Path) -> None:
    path = store.path(add(store, b"content"))
    modes = [entry.stat().st_mode & 0o777 for entry in (path, path.parent, directory / "incoming")]
    assert modes == [0o600, 0o700, 0o700]


def test_a_crowd_of_orphans_is_deleted_a_few_at_a_time(store: BlobStore) -> None:
    digests = sorted(add(store, b"%d" % number) for number in range(5))
    assert [store.expire(Height(11), is_recorded=never, most=2) for _ in range(4)] == [
        tuple(digests[:2]),
        tuple(digests[2:4]),
        tuple(digests[4:]),
        (),
    ]

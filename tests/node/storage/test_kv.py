"""Both stores are one map: the same operations give the same answers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.storage.kv import KeyValueStore, MemoryStore
from node.storage.leveldb import LevelDb

keys = st.lists(st.sampled_from([b"a", b"b", b"\x00", b"\xff"]), max_size=3).map(b"".join)
batches = st.dictionaries(keys, st.none() | st.binary(max_size=4), max_size=6)
operations = st.lists(st.tuples(batches, st.booleans(), st.booleans()), max_size=12)
"""Batches to write, whether synced, and whether the store is opened again afterwards."""


@pytest.fixture(params=["memory", "leveldb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValueStore]:
    made: KeyValueStore = MemoryStore() if request.param == "memory" else LevelDb(tmp_path / "database")
    yield made
    made.close()


@settings(deadline=None, max_examples=40)
@given(operations=operations, asked=st.lists(keys, max_size=8))
def test_memory_and_leveldb_behave_alike_and_like_a_dictionary(
    operations: list[tuple[dict[bytes, bytes | None], bool, bool]], asked: list[bytes]
) -> None:
    expected: dict[bytes, bytes] = {}
    with tempfile.TemporaryDirectory() as directory:
        memory, level = MemoryStore(), LevelDb(Path(directory) / "database")
        for batch, sync, again in operations:
            memory.write(batch, sync=sync)
            level.write(batch, sync=sync)
            for key, value in batch.items():
                if value is None:
                    expected.pop(key, None)
                else:
                    expected[key] = value
            if again:
                memory.close()
                level.close()
                memory, level = MemoryStore(memory.values), LevelDb(Path(directory) / "database")
            assert list(memory.scan(b"")) == list(level.scan(b"")) == sorted(expected.items())
        for key in asked:
            below = sorted(pair for pair in expected.items() if pair[0].startswith(key))
            assert list(memory.scan(key)) == list(level.scan(key)) == below
            assert memory.get(key) == level.get(key) == expected.get(key)
        level.close()


def test_a_scan_shows_the_store_as_it_was_when_it_was_asked_for(store: KeyValueStore) -> None:
    store.write({b"a1": b"old", b"a2": b"old"}, sync=False)
    scan = store.scan(b"a")
    store.write({b"a1": b"new", b"a2": None, b"a3": b"new"}, sync=False)
    assert list(scan) == [(b"a1", b"old"), (b"a2", b"old")]


def test_closing_twice_does_nothing(store: KeyValueStore) -> None:
    store.close()
    store.close()


def test_using_a_closed_store_is_a_mistake(store: KeyValueStore) -> None:
    store.close()
    with pytest.raises((AssertionError, RuntimeError)):
        store.get(b"a")

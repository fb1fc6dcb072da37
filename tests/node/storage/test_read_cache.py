"""The read cache answers as the store below does, whatever was read and written before, and stays small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.storage import read_cache, schema
from node.storage.kv import MemoryStore
from node.storage.read_cache import ENTRIES_MAX, VALUE_BYTES_MAX, ReadCache

KEYS = [schema.state(b"a"), schema.state(b"b"), schema.tree_node(b"c"), schema.HEAD]
STEPS = st.lists(
    st.one_of(
        st.sampled_from(KEYS),
        st.dictionaries(st.sampled_from(KEYS), st.one_of(st.none(), st.binary(max_size=4)), min_size=1),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_it_answers_as_the_store_below(steps: list[bytes | dict[bytes, bytes | None]]) -> None:
    below, plain = MemoryStore(), MemoryStore()
    cache = ReadCache(below)
    for step in steps:
        if isinstance(step, dict):
            cache.write(step, sync=True)
            plain.write(step, sync=True)
        else:
            assert cache.get(step) == plain.get(step)
    assert below.values == plain.values
    assert list(cache.scan(b"state/")) == list(plain.scan(b"state/"))


def test_what_was_read_once_is_not_read_again() -> None:
    below = MemoryStore({KEYS[0]: b"1"})
    cache = ReadCache(below)
    assert cache.get(KEYS[0]) == b"1"
    below.values.clear()
    assert cache.get(KEYS[0]) == b"1"


@pytest.mark.parametrize(("key", "size"), [(KEYS[0], VALUE_BYTES_MAX + 1), (schema.HEAD, 1)])
def test_long_values_and_other_records_are_not_kept(key: bytes, size: int) -> None:
    below = MemoryStore({key: bytes(size)})
    cache = ReadCache(below)
    assert cache.get(key) is not None
    below.values.clear()
    assert cache.get(key) is None


def test_it_stays_within_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_cache, "ENTRIES_MAX", 8)
    keys = [schema.state(bytes([number])) for number in range(50)]
    cache = ReadCache(MemoryStore(dict.fromkeys(keys, b"1")))
    for key in keys:
        assert cache.get(key) == b"1"
        assert len(cache._kept) <= 8
    assert ENTRIES_MAX > 8


def test_a_write_that_fails_leaves_what_was_there() -> None:
    class Failing(MemoryStore):
        def write(self, batch: object, *, sync: bool) -> None:  # noqa: ARG002
            raise OSError("disk")

    cache = ReadCache(Failing({KEYS[0]: b"1"}))
    assert cache.get(KEYS[0]) == b"1"
    with pytest.raises(OSError, match="disk"):
        cache.write({KEYS[0]: b"2"}, sync=True)
    assert cache.get(KEYS[0]) == b"1"


def test_closing_closes_the_store_below() -> None:
    below = MemoryStore()
    ReadCache(below).close()
    with pytest.raises(AssertionError):
        below.get(b"")

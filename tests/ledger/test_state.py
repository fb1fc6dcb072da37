"""The state map: an overlay reads as if its changes had been carried out, and leaves what is below alone."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.state import MemoryState, Overlay

keys = st.binary(max_size=2)
maps = st.dictionaries(keys, st.binary(max_size=2), max_size=12)
changes = st.dictionaries(keys, st.none() | st.binary(max_size=2), max_size=12)


def change(overlay: Overlay, writes: dict[bytes, bytes | None]) -> None:
    for key, value in writes.items():
        if value is None:
            overlay.delete(key)
        else:
            overlay.put(key, value)


@settings(deadline=None)
@given(base=maps, writes=changes, prefix=keys)
def test_an_overlay_reads_like_the_state_it_leads_to(
    base: dict[bytes, bytes], writes: dict[bytes, bytes | None], prefix: bytes
) -> None:
    overlay, expected = Overlay(MemoryState(base)), MemoryState(base)
    change(overlay, writes)
    expected.apply(writes)
    assert list(overlay.scan(prefix)) == list(expected.scan(prefix))
    assert all(overlay.get(key) == expected.get(key) for key in (*base, *writes, prefix))


@settings(deadline=None)
@given(base=maps, lower=changes, upper=changes, prefix=keys)
def test_overlays_stack(
    base: dict[bytes, bytes], lower: dict[bytes, bytes | None], upper: dict[bytes, bytes | None], prefix: bytes
) -> None:
    below = Overlay(MemoryState(base))
    change(below, lower)
    above = Overlay(below)
    change(above, upper)
    expected = MemoryState(base)
    expected.apply(lower)
    expected.apply(upper)
    assert list(above.scan(prefix)) == list(expected.scan(prefix))


@settings(deadline=None)
@given(base=maps, writes=changes)
def test_an_overlay_leaves_what_is_below_alone(base: dict[bytes, bytes], writes: dict[bytes, bytes | None]) -> None:
    state = MemoryState(base)
    change(Overlay(state), writes)
    assert state.values == base


@settings(deadline=None)
@given(values=maps, prefix=keys)
def test_a_scan_is_in_ascending_order_of_key(values: dict[bytes, bytes], prefix: bytes) -> None:
    found = [key for key, _ in MemoryState(values).scan(prefix)]
    assert found == sorted(key for key in values if key[: len(prefix)] == prefix)


def test_a_scan_shows_the_state_at_its_beginning() -> None:
    overlay = Overlay(MemoryState({b"a": b"1", b"b": b"2", b"c": b"3", b"d": b"4"}))
    seen = []
    for key, value in overlay.scan(b""):
        seen.append((key, value))
        overlay.put(b"d", b"changed ahead of the scan")
        overlay.delete(b"c")
        overlay.put(b"e", b"new")
    assert seen == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"d", b"4")]


def test_a_state_does_not_share_the_dictionary_it_was_made_from() -> None:
    values = {b"a": b"1"}
    MemoryState(values).apply({b"a": None})
    assert values == {b"a": b"1"}


def test_a_deleted_key_can_be_set_again() -> None:
    overlay = Overlay(MemoryState({b"a": b"1"}))
    overlay.delete(b"a")
    overlay.put(b"a", b"2")
    assert list(overlay.scan(b"")) == [(b"a", b"2")]


def test_an_empty_value_is_a_value() -> None:
    overlay = Overlay(MemoryState())
    overlay.put(b"a", b"")
    assert overlay.get(b"a") == b""
    assert list(overlay.scan(b"a")) == [(b"a", b"")]

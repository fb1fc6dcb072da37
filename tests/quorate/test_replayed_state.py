"""The ordered map behaves as the plain one of the ledger."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.state import MemoryState
from quorate.replayed_state import ReplayedState

_keys = st.binary(max_size=3)
_blocks = st.lists(st.dictionaries(_keys, st.none() | st.binary(max_size=2), max_size=6), max_size=8)


@settings(deadline=None)
@given(first=st.dictionaries(_keys, st.binary(max_size=2)), blocks=_blocks, prefix=st.binary(max_size=2))
def test_reads_are_those_of_the_plain_map(
    first: dict[bytes, bytes], blocks: list[dict[bytes, bytes | None]], prefix: bytes
) -> None:
    plain, ordered = MemoryState(first), ReplayedState(first)
    for writes in blocks:
        plain.apply(writes)
        ordered.apply(writes)
        assert list(ordered.scan(prefix)) == list(plain.scan(prefix))
        assert list(ordered.scan(b"")) == list(plain.scan(b""))
        assert all(ordered.get(key) == plain.get(key) for key in writes)


def test_what_it_was_made_from_stays_as_it_was() -> None:
    values = {b"a": b"1"}
    ReplayedState(values).apply({b"a": None, b"b": b"2"})
    assert values == {b"a": b"1"}

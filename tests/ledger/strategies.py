"""Values of every noun, drawn from the very types and bounds that decoding enforces.

A noun that is added to the ledger is covered without a line here; only nouns with a rule that no field's type can state
are written out below.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from msgspec import inspect

import ledger
from ledger.blobs import Codec, UpdateFacts
from ledger.encoding import Noun, encode_integer
from ledger.hashing import Digest
from ledger.merkle import Frontier

ITEMS_MAX = 4
"""Longest drawn tuple."""
BYTES_MAX = 80
"""Longest drawn byte string, unless the shortest that is allowed is longer."""

for _module in pkgutil.iter_modules(ledger.__path__):
    importlib.import_module(f"ledger.{_module.name}")

NOUNS: tuple[type[Noun], ...] = tuple(
    sorted(
        (kind for kind in Noun.__subclasses__() if kind.__module__.startswith("ledger.")),
        key=lambda kind: (kind.__module__, kind.__name__),
    )
)
"""Every noun of the ledger."""


def trying(examples: int) -> settings:
    """Return settings for nouns: some are large, and drawing them on a busy machine takes its time."""
    return settings(deadline=None, max_examples=examples, suppress_health_check=[HealthCheck.too_slow])


def digests() -> st.SearchStrategy[Digest]:
    """Draw a digest."""
    return st.binary(min_size=32, max_size=32).map(Digest)


def names() -> st.SearchStrategy[str]:
    """Draw the name of an organisation, participant or task."""
    return st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,62}\Z")


@cache
def values(kind: Any) -> st.SearchStrategy[Any]:
    """Draw a value of a noun, or of any other type that nouns are made of."""
    return _values(inspect.type_info(kind))


def any_noun() -> st.SearchStrategy[Noun]:
    """Draw a value of some noun."""
    return st.sampled_from(NOUNS).flatmap(values)


def _values(info: inspect.Type) -> st.SearchStrategy[Any]:
    assert type(info) in _MAKERS, f"no canonical encoding holds {info}"
    return _MAKERS[type(info)](info)


def _integers(info: inspect.IntType) -> st.SearchStrategy[int]:
    """Draw an integer, often one at which the encoding changes its length."""
    assert info.ge is not None, "every integer has bounds"
    assert info.le is not None, "every integer has bounds"
    low, high = int(info.ge), int(info.le)
    edges = {edge for bits in (7, 8, 16, 32, 63) for edge in (2**bits - 1, 2**bits)} | {low, high}
    return st.sampled_from(sorted(edge for edge in edges if low <= edge <= high)) | st.integers(low, high)


def _bytes(info: inspect.BytesType) -> st.SearchStrategy[bytes]:
    shortest = info.min_length or 0
    longest = BYTES_MAX if info.max_length is None else min(info.max_length, BYTES_MAX)
    return st.binary(min_size=shortest, max_size=max(shortest, longest))


def _text(info: inspect.StrType) -> st.SearchStrategy[str]:
    assert info.pattern is not None, "every text has a pattern"
    return st.from_regex(info.pattern)


def _tuples(info: inspect.VarTupleType) -> st.SearchStrategy[tuple[Any, ...]]:
    longest = ITEMS_MAX if info.max_length is None else min(info.max_length, ITEMS_MAX)
    return st.lists(_values(info.item_type), min_size=info.min_length or 0, max_size=longest).map(tuple)


def _nouns(info: inspect.StructType) -> st.SearchStrategy[Any]:
    if info.cls in _RULED:
        return _RULED[info.cls]
    return st.builds(info.cls, **{field.name: _values(field.type) for field in info.fields})


_MAKERS: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.IntType: _integers,
    inspect.BytesType: _bytes,
    inspect.StrType: _text,
    inspect.EnumType: lambda info: st.sampled_from(list(info.cls)),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.NoneType: lambda _: st.none(),
    inspect.UnionType: lambda info: st.one_of([_values(part) for part in info.types]),
    inspect.TupleType: lambda info: st.tuples(*(_values(part) for part in info.item_types)),
    inspect.VarTupleType: _tuples,
    inspect.StructType: _nouns,
}


def frontiers() -> st.SearchStrategy[Frontier]:
    """Draw a frontier: as many peaks as its size has one bits."""
    return st.integers(0, 2**63 - 1).flatmap(
        lambda size: st.lists(digests(), min_size=size.bit_count(), max_size=size.bit_count()).map(
            lambda peaks: Frontier(size=size, peaks=tuple(peaks))
        )
    )


_RULED: dict[type, st.SearchStrategy[Any]] = {
    Frontier: frontiers(),
    UpdateFacts: st.builds(
        UpdateFacts,
        layout=digests(),
        codec=st.sampled_from(Codec),
        norm_squared=st.integers(0, 2**256 - 1).map(encode_integer),
        value_max=st.integers(0, 2**63 - 1),
    ),
}
"""Nouns with a rule between fields, or inside one, that their types cannot state."""

"""JSON schemas of nouns: what `ledger.rendering.plain` makes of a class, as a pydantic model for the OpenAPI document.

Derived from the class itself, so that the document cannot say anything else than the ledger does: bytes are
hexadecimal, enumerations are names, tagged nouns carry `kind`.
"""

import functools
import operator
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field, create_model

from ledger.rendering import plain


class Answer(BaseModel):
    """Base of what is answered: closed, so that the tests notice a field that the document does not name."""

    model_config = ConfigDict(extra="forbid")


@functools.cache
def noun_model(noun: type[msgspec.Struct]) -> type[Answer]:
    """Return the model of a noun's plain form."""
    return create_model(noun.__name__, __base__=Answer, __doc__=noun.__doc__, **noun_fields(noun))


def noun_fields(noun: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the fields of a noun's plain form as `pydantic.create_model` takes them."""
    fields: dict[str, Any] = {}
    if noun.__struct_config__.tag is not None:
        fields["kind"] = (Literal[noun.__name__], ...)
    for field in msgspec.structs.fields(noun):
        fields[field.name] = (plain_type(field.type), ...)
    return fields


def plain_type(kind: Any) -> Any:  # noqa: ANN401 - any annotation of a noun's field
    """Return the type of `plain(value)` for values of a field's type."""
    kind = getattr(kind, "__supertype__", kind)
    arguments = get_args(kind)
    match get_origin(kind):
        case None:
            return _plain_class(kind)
        case origin if origin is Annotated:
            return _bounded(arguments[0], next(mark for mark in arguments[1:] if isinstance(mark, Meta)))
        case origin if origin is tuple:
            return list[plain_type(arguments[0])]  # type: ignore[misc] # a type made at run time
        case origin:
            assert origin in {Union, UnionType}, origin
            return _union(arguments)


def _plain_class(kind: type) -> Any:  # noqa: ANN401
    if issubclass(kind, msgspec.Struct):
        return noun_model(kind)
    if issubclass(kind, Enum):
        return Literal[tuple(plain(member) for member in kind)]
    assert kind in {bool, bytes, int, str}, kind
    return Annotated[str, Field(pattern="^([0-9a-f]{2})*$")] if kind is bytes else kind


def _bounded(kind: Any, meta: Meta) -> Any:  # noqa: ANN401
    plain_kind = plain_type(kind)
    base = getattr(kind, "__supertype__", kind)
    if base is bytes and meta.min_length == meta.max_length and meta.max_length is not None:
        return Annotated[str, Field(pattern=f"^[0-9a-f]{{{2 * meta.max_length}}}$")]
    if base is str and meta.pattern is not None:
        return Annotated[str, Field(pattern=meta.pattern.replace(r"\A", "^").replace(r"\Z", "$"))]
    if base is int:
        return Annotated[int, Field(ge=meta.ge, le=meta.le)]
    return plain_kind


def _union(kinds: tuple[Any, ...]) -> Any:  # noqa: ANN401
    members = tuple(NoneType if kind is NoneType else plain_type(kind) for kind in kinds)
    tagged = len(members) > 1 and NoneType not in members
    union: Any = functools.reduce(operator.or_, members)
    return Annotated[union, Field(discriminator="kind")] if tagged else union

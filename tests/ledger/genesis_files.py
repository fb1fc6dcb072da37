"""A genesis file, and ways to write another one that nobody should accept."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ledger.errors import QuorateError
from ledger.genesis import Genesis, OrganisationDescriptor
from tests.ledger.helpers import genesis_file

FILE = genesis_file()
TEXT = FILE.decode()
Json = dict[str, Any]


def expect_refusal(data: bytes, error: type[QuorateError], words: str | None = None) -> None:
    with pytest.raises(error, match=words) as caught:
        Genesis(data)
    assert caught.type is error
    assert len(str(caught.value)) < 2_000


def changed(change: Callable[[Json], object]) -> bytes:
    """Return the genesis file with one change, written as the file was."""
    document = json.loads(TEXT)
    change(document)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def written(descriptors: tuple[OrganisationDescriptor, ...]) -> bytes:
    """Return a genesis file with descriptors that `assemble` might refuse."""
    return changed(lambda document: document.update(organisations=msgspec.to_builtins(descriptors)))

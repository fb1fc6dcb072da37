"""A chain id and the shortest ways to write and read a vote log, for tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.hashing import sha256
from node.storage.vote_log import VoteLog

CHAIN = sha256(b"chain")


def add(log: VoteLog, *records: bytes) -> None:
    log.append(records)
    log.sync()


def held(path: Path) -> tuple[bytes, ...]:
    """Open, read and close a log that lost nothing."""
    log, recovered = VoteLog.open(path, chain_id=CHAIN)
    log.close()
    assert recovered.torn_bytes == 0
    return recovered.records


def counting(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """Return the list that grows with every call of a function of `os` on a descriptor."""
    calls: list[int] = []
    real: Callable[[int], None] = getattr(os, name)

    def counted(descriptor: int) -> None:
        calls.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, name, counted)
    return calls

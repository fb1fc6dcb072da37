"""The limits of this machine, measured in the same run: what no system on it can pass."""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ledger.encoding import Purpose
from ledger.hashing import ZERO_DIGEST
from ledger.keys import SigningKey, verify
from node.storage.leveldb import LevelDb

SECONDS = 1.5


def rate(work: Callable[[], object]) -> float:
    """Return how often a second `work` can be done."""
    count, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < SECONDS:
        work()
        count += 1
    return count / passed


def limits(folder: Path) -> dict[str, float]:
    """Return rates a second: signatures of one core, forced writes of this disk, messages over loopback."""
    key, payload = SigningKey(bytes(32)), bytes(256)
    signature = key.sign(Purpose.TRANSACTION, payload, chain_id=ZERO_DIGEST)
    found = {
        "Ed25519 verifications, one core": rate(
            lambda: verify(key.public, signature, Purpose.TRANSACTION, payload, chain_id=ZERO_DIGEST)
        ),
        "Ed25519 signatures, one core": rate(lambda: key.sign(Purpose.TRANSACTION, payload, chain_id=ZERO_DIGEST)),
    }
    with tempfile.TemporaryDirectory(dir=folder) as name:
        file = os.open(Path(name) / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            found["forced writes, 4 KiB appends"] = rate(lambda: _force(file))
        finally:
            os.close(file)
        database = LevelDb(Path(name) / "db")
        found["forced writes, LevelDB"] = rate(lambda: database.write({os.urandom(8): bytes(256)}, sync=True))
        database.close()
    found["loopback round trips, 256 bytes"] = _round_trips()
    return found


def _round_trips() -> float:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    for end in (ours, theirs):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    echo = threading.Thread(target=_echo, args=(theirs,))
    echo.start()
    with ours:
        found = rate(lambda: _ask(ours))
    echo.join()
    return found


def _force(file: int) -> None:
    os.write(file, bytes(4096))
    os.fdatasync(file)


def _ask(end: socket.socket) -> bytes:
    end.sendall(bytes(256))
    return end.recv(256, socket.MSG_WAITALL)


def _echo(end: socket.socket) -> None:
    with end:
        while data := end.recv(256, socket.MSG_WAITALL):
            end.sendall(data)

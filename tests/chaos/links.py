"""The network under a cluster: namespaces joined by a switch that loses and delays packets, or plain loopback."""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import httpx
import msgspec

from tests.acceptance.processes import Addresses, loopback_addresses

LINK_PORT = 7_450
CLONE_NEWNET = 0x40000000


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to packets from one validator to another."""

    blocked: bool = False
    loss: float = 0.0
    """Chance that a packet is lost."""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Most that is added to the delay: packets overtake each other."""
    duplicate: float = 0.0
    """Chance that a packet arrives twice."""


Rules: TypeAlias = Mapping[str, Link]
"""By `source>target`; what is not named is a good link."""


def link_host(place: int) -> str:
    """Return the address of a validator in its namespace."""
    return f"10.77.0.{place + 1}"


class Network(Protocol):
    """What lies between the validators, and between them and their callers."""

    name: str
    can_fail: bool
    """Whether `set` has an effect."""

    def addresses(self, place: int) -> Addresses:
        """Return where a validator listens."""
        ...

    def prefix(self, place: int) -> list[str]:
        """Return the command that starts another one where the validator lives."""
        ...

    def transport(self, place: int) -> httpx.BaseTransport:
        """Return the way of a caller to a validator: never disturbed."""
        ...

    def set(self, rules: Rules) -> None:
        """Let these rules hold from now on."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class Loopback:
    """The machine's own loopback: nothing can be cut or slowed there."""

    name = "loopback (no network faults)"
    can_fail = False

    def addresses(self, place: int) -> Addresses:
        """Return free ports."""
        return loopback_addresses(place)

    def prefix(self, place: int) -> list[str]:  # noqa: ARG002
        """Return nothing: every process lives here."""
        return []

    def transport(self, place: int) -> httpx.BaseTransport:  # noqa: ARG002
        """Return the ordinary transport."""
        return httpx.HTTPTransport()

    def set(self, rules: Rules) -> None:
        """Refuse: nobody may believe that a fault was injected."""
        assert not rules

    def close(self) -> None:
        """Do nothing."""


class Namespaces:
    """A network namespace for each validator, joined by the switch."""

    name = "a network namespace each, packets through a switch of ours"
    can_fail = True

    def __init__(self, count: int, seed: int) -> None:
        """Start the switch; raises OSError where the machine does not permit it."""
        self._switch = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.switch", str(count), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._switch.stdout is not None
        line = self._switch.stdout.readline()
        if not line:
            _, said = self._switch.communicate()
            raise OSError(said.decode(errors="replace").strip().rpartition("\n")[2])
        self._paths = msgspec.json.decode(line, type=list[str])
        self._lock = threading.Lock()

    def addresses(self, place: int) -> Addresses:
        """Return the same ports everywhere: each namespace has its own."""
        link = f"{link_host(place)}:{LINK_PORT}"
        return Addresses(link=link, rest="127.0.0.1:7451", metrics="127.0.0.1:7452")

    def prefix(self, place: int) -> list[str]:
        """Enter the namespace."""
        return ["nsenter", f"--net={self._paths[place]}", "--"]

    def transport(self, place: int) -> httpx.BaseTransport:
        """Return a transport whose sockets are made in the namespace, on its loopback."""
        return _Inside(self._paths[place])

    def set(self, rules: Rules) -> None:
        """Tell the switch."""
        assert self._switch.stdin is not None
        with self._lock:
            self._switch.stdin.write(msgspec.json.encode(rules) + b"\n")
            self._switch.stdin.flush()

    def close(self) -> None:
        """End the switch, and with it namespaces and devices."""
        self._switch.communicate()


class _Inside(httpx.HTTPTransport):
    def __init__(self, namespace: str) -> None:
        super().__init__()
        self._namespace = namespace

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with _inside(self._namespace):
            return super().handle_request(request)


@contextmanager
def _inside(namespace: str) -> Iterator[None]:
    """Let this thread make its sockets in another network namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        away = os.open(namespace, os.O_RDONLY)
        try:
            _enter(away)
        finally:
            os.close(away)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "the namespace cannot be entered")


def best_network(count: int, seed: int) -> Network:
    """Return namespaces where the machine permits, else loopback."""
    if not Path("/dev/net/tun").exists():
        return Loopback()
    try:
        return Namespaces(count, seed)
    except OSError:
        return Loopback()

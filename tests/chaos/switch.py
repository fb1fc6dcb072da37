"""The network between namespaces, as one process: every packet passes here, and is lost, late or doubled as told.

Each validator has a network namespace of its own whose only way out is a TUN device, and this process holds the other
ends. So loss and delay need no kernel module, and nothing is left behind: namespaces and devices end with it.

    python -m tests.chaos.switch COUNT SEED

writes one line with the paths of the namespaces to stdout, takes one line of rules at a time from stdin, and ends when
stdin does. Needs to be root of its user namespace, and /dev/net/tun.
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import selectors
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field

import msgspec

from tests.chaos.links import LINK_PORT, Link, Rules, link_host

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PACKET_INFORMATION = 0x0001 | 0x1000
MTU = 1_500
WAITING_MAX = 20_000
"""Packets that may be under way; more are lost, as in any switch."""
PER_TURN_MAX = 64
"""Packets taken from one device before the next one has its turn."""

assert LINK_PORT < 2**16


@dataclass(slots=True)
class Switch:
    """The devices, the rules, and the packets that are under way."""

    devices: list[int]
    chance: random.Random
    rules: Rules = field(default_factory=dict)
    waiting: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    """(due, count, receiver, packet)."""
    count: int = 0

    def take(self, source: int, now: float) -> None:
        """Take what a validator has sent."""
        for _ in range(PER_TURN_MAX):
            try:
                packet = os.read(self.devices[source], 65_535)
            except BlockingIOError:
                return
            target = packet[19] - 1
            is_ours = packet[0] >> 4 == 4 and packet[16:19] == b"\x0a\x4d\x00"
            if is_ours and target in range(len(self.devices)):
                self._pass_on(source, target, packet, now)

    def _pass_on(self, source: int, target: int, packet: bytes, now: float) -> None:
        link = self.rules.get(f"{source}>{target}")
        if link is None:
            self._deliver(target, packet)
            return
        if link.blocked or self.chance.random() < link.loss:
            return
        for _ in range(2 if self.chance.random() < link.duplicate else 1):
            delay = (link.delay_ms + self.chance.random() * link.jitter_ms) / 1_000
            if delay == 0:
                self._deliver(target, packet)
            elif len(self.waiting) < WAITING_MAX:
                self.count += 1
                heapq.heappush(self.waiting, (now + delay, self.count, target, packet))

    def deliver_due(self, now: float) -> float | None:
        """Deliver what is due; return in how many seconds more is."""
        while self.waiting and self.waiting[0][0] <= now:
            _, _, target, packet = heapq.heappop(self.waiting)
            self._deliver(target, packet)
        return self.waiting[0][0] - now if self.waiting else None

    def _deliver(self, target: int, packet: bytes) -> None:
        with contextlib.suppress(OSError):  # a receiver that is full loses packets
            os.write(self.devices[target], packet)


def main() -> None:
    """Run until stdin ends."""
    count, seed = map(int, sys.argv[1:])
    made = [_make_namespace(place) for place in range(count)]
    switch = Switch([device for device, _ in made], random.Random(seed))
    paths = [f"/proc/{os.getpid()}/fd/{namespace}" for _, namespace in made]
    sys.stdout.write(msgspec.json.encode(paths).decode() + "\n")
    sys.stdout.flush()
    selector = selectors.DefaultSelector()
    for place, device in enumerate(switch.devices):
        selector.register(device, selectors.EVENT_READ, place)
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
    told = b""
    while True:
        wait = switch.deliver_due(time.monotonic())
        for key, _ in selector.select(wait):
            if key.data is not None:
                switch.take(key.data, time.monotonic())
                continue
            news = os.read(sys.stdin.fileno(), 2**16)
            if not news:
                return
            *lines, told = (told + news).split(b"\n")
            for line in lines:
                switch.rules = msgspec.json.decode(line, type=dict[str, Link])


def _make_namespace(place: int) -> tuple[int, int]:
    """Return the TUN device of a new namespace, and the namespace: an open file keeps it alive."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "a new network namespace was refused")
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"wire", IFF_TUN_NO_PACKET_INFORMATION))
    for command in (
        "link set lo up",
        f"link set dev wire mtu {MTU} up",
        f"addr add {link_host(place)}/24 dev wire",
    ):
        subprocess.run(["ip", *command.split()], check=True)  # noqa: S607 - where it lies is the system's business
    return device, namespace


if __name__ == "__main__":
    main()

"""The switch: what a rule says happens to packets between the two that it names, and to no others."""

import socket
from collections.abc import Iterator
from random import Random

import pytest

from tests.chaos.links import Link
from tests.chaos.switch import Switch

PACKET = bytearray(b"\x45" + bytes(40))
PACKET[16:19] = b"\x0a\x4d\x00"


class Bench:
    """A switch over three devices; sockets keep packets apart as devices do."""

    def __init__(self) -> None:
        self.pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(3)]
        for ours, theirs in self.pairs:
            ours.settimeout(0)
            theirs.settimeout(0)
        self.switch = Switch([ours.fileno() for ours, _ in self.pairs], Random(1))

    def send(self, source: int, target: int, *, now: float = 0.0) -> None:
        packet = bytearray(PACKET)
        packet[19] = target + 1
        self.send_raw(source, packet, now=now)

    def send_raw(self, source: int, packet: bytes | bytearray, *, now: float = 0.0) -> None:
        self.pairs[source][1].send(packet)
        self.switch.take(source, now)

    def arrived(self, target: int) -> int:
        count = 0
        while True:
            try:
                self.pairs[target][1].recv(100)
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    for pair in made.pairs:
        for end in pair:
            end.close()


def test_packets_go_where_they_are_sent(bench: Bench) -> None:
    bench.send(0, 2)
    assert [bench.arrived(place) for place in range(3)] == [0, 0, 1]


def test_a_cut_link_is_cut_in_one_direction(bench: Bench) -> None:
    bench.switch.rules = {"0>1": Link(blocked=True)}
    bench.send(0, 1)
    bench.send(1, 0)
    bench.send(0, 2)
    assert [bench.arrived(place) for place in range(3)] == [1, 0, 1]


def test_some_are_lost_and_some_come_twice(bench: Bench) -> None:
    bench.switch.rules = {"0>1": Link(loss=0.5), "0>2": Link(duplicate=0.5)}
    counts = [0, 0]
    for _ in range(200):
        bench.send(0, 1)
        counts[0] += bench.arrived(1)
        bench.send(0, 2)
        counts[1] += bench.arrived(2)
    assert 60 < counts[0] < 140
    assert 260 < counts[1] < 340


def test_late_packets_wait_and_may_overtake(bench: Bench) -> None:
    switch = bench.switch
    switch.rules = {"0>1": Link(delay_ms=100)}
    bench.send(0, 1, now=5.0)
    assert switch.deliver_due(5.0) == pytest.approx(0.1)
    assert bench.arrived(1) == 0
    switch.rules = {}
    bench.send(0, 1, now=5.0)
    assert bench.arrived(1) == 1
    assert switch.deliver_due(5.2) is None
    assert bench.arrived(1) == 1


def test_what_is_for_nobody_is_dropped(bench: Bench) -> None:
    for broken in (b"\x60" + bytes(40), bytes(PACKET[:19]) + b"\x09" + bytes(20)):
        bench.send_raw(0, broken)
    assert [bench.arrived(place) for place in range(3)] == [0, 0, 0]

"""Ports of trial networks: free, and never given out twice by one process."""

import random

import pytest

from quorate import ports


def test_a_port_is_given_out_once_though_it_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Homes of one network draw one after the other, and listen only once all have drawn."""
    first, second = ports.free_ports(2)
    drawn = iter([first, first, second, second, *range(ports.FIRST, ports.LAST)])

    monkeypatch.setattr(random.SystemRandom, "randint", lambda *_: next(drawn))  # draws what was given out before
    assert not {first, second} & {*ports.free_ports(2)}


def test_the_environment_names_another_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ports.PORTS_VARIABLE, "31000-31063")
    assert all(31_000 <= port <= 31_063 for port in ports.free_ports(12))

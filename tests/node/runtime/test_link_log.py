"""Links as log lines: each failure with its code, and neither strangers nor a validator can fill the log."""

import time

import pytest
from structlog.testing import capture_logs

from ledger.quantities import ValidatorId
from node.runtime.link_log import LinkLog
from node.transport.errors import FrameTooLarge, LinkFailed, TruncatedFrame
from node.transport.events import LinkEvent, LinkEventKind

STRANGER = LinkEvent(
    kind=LinkEventKind.INCOMING_REFUSED, address="192.0.2.1:9", error=LinkFailed("x", expected="a", got="b")
)


def broken(peer: int, error: TruncatedFrame | FrameTooLarge) -> LinkEvent:
    return LinkEvent(kind=LinkEventKind.INCOMING_DOWN, peer=ValidatorId(peer), address="192.0.2.2:9", error=error)


def test_strangers_are_counted_and_written_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    write = LinkLog()
    with capture_logs() as written:
        for _ in range(5):
            write(STRANGER)
        now = 101.0
        write(STRANGER)
    assert [(line["event"], line["count"], line["code"], line["error"]) for line in written] == [
        ("incoming-refused", 1, "link-failed", "x: expected a, got b"),
        ("incoming-refused", 5, "link-failed", "x: expected a, got b"),
    ]


def test_a_link_that_ended_wrongly_is_written_with_its_code_for_each_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    write = LinkLog()
    with capture_logs() as written:
        for _ in range(3):
            write(broken(1, TruncatedFrame("frame")))
            write(broken(2, FrameTooLarge("frame")))
    assert [(line["log_level"], line["peer"], line["code"]) for line in written] == [
        ("info", 1, "truncated-frame"),
        ("info", 2, "frame-too-large"),
    ]


@pytest.mark.parametrize("kind", [LinkEventKind.DIAL_FAILED, LinkEventKind.LINK_DOWN])
def test_failures_of_our_own_dialling_are_written_each_time(kind: LinkEventKind) -> None:
    write = LinkLog()
    with capture_logs() as written:
        for _ in range(2):
            write(LinkEvent(kind=kind, peer=ValidatorId(1), address="a", error=LinkFailed("x")))
    assert [(line["log_level"], line["code"]) for line in written] == [("info", "link-failed")] * 2


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        (LinkEventKind.LINK_UP, "info"),
        (LinkEventKind.BLOB_SENT, "debug"),
        (LinkEventKind.INCOMING_UP, "debug"),
        (LinkEventKind.INCOMING_DOWN, "debug"),
    ],
)
def test_what_went_well_is_written_each_time(kind: LinkEventKind, level: str) -> None:
    write = LinkLog()
    with capture_logs() as written:
        for _ in range(2):
            write(LinkEvent(kind=kind, address="a"))
    assert [line["log_level"] for line in written] == [level] * 2

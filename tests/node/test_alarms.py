"""Alarms: one line when raised, one when cleared, and in between what the condition is now."""

from structlog.testing import capture_logs

from ledger.quantities import TimeMs
from node.alarms import AlarmKind, AlarmLevel, Alarms


def put(alarms: Alarms, level: AlarmLevel, detail: str, *, now: int, subject: str = "") -> None:
    alarms.put(AlarmKind.DISK, level, detail, now=TimeMs(now), subject=subject)


def test_an_alarm_is_logged_when_it_is_raised_when_it_gets_worse_and_when_it_is_cleared() -> None:
    alarms = Alarms()
    with capture_logs() as written:
        put(alarms, AlarmLevel.WARNING, "9 bytes", now=1)
        put(alarms, AlarmLevel.WARNING, "8 bytes", now=2)
        put(alarms, AlarmLevel.CRITICAL, "1 byte", now=3)
        alarms.clear(AlarmKind.DISK)
        alarms.clear(AlarmKind.DISK)
    assert [(line["event"], line["log_level"], line.get("detail")) for line in written] == [
        ("alarm-raised", "warning", "9 bytes"),
        ("alarm-raised", "error", "1 byte"),
        ("alarm-cleared", "info", None),
    ]


def test_an_alarm_says_how_it_stands_now_and_since_when() -> None:
    alarms = Alarms()
    put(alarms, AlarmLevel.WARNING, "9 bytes", now=1)
    put(alarms, AlarmLevel.CRITICAL, "1 byte", now=3)
    (alarm,) = alarms
    assert (alarm.level, alarm.detail, alarm.since) == (AlarmLevel.CRITICAL, "1 byte", 1)


def test_subjects_of_one_kind_are_apart() -> None:
    alarms = Alarms()
    for subject in ("b", "a"):
        put(alarms, AlarmLevel.WARNING, "few", now=1, subject=subject)
    assert [alarm.subject for alarm in alarms] == ["a", "b"]
    alarms.clear(AlarmKind.DISK, subject="a")
    assert [alarm.subject for alarm in alarms] == ["b"]

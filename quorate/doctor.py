"""`quorate doctor`: everything that commonly goes wrong with a validator, looked at from its host, with what to do.

Nothing is changed and nothing is locked that a running node needs: the chain's database is opened only where no node
runs. A check that cannot be made says so and counts as neither good nor bad.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ledger.errors import QuorateError


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    SKIPPED = "skipped"
    """It could not be made."""
    WARN = "warn"
    """It works now, and should be seen to."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""
    """What to do, where something is to be done."""


Check = Callable[[], Iterator[Finding]]


def ok(check: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, verdict=Verdict.OK, found=found)


def skipped(check: str, why: str) -> Finding:
    """Return that a check could not be made."""
    return Finding(check=check, verdict=Verdict.SKIPPED, found=why)


def warn(check: str, found: str, advice: str) -> Finding:
    """Return that something should be seen to."""
    return Finding(check=check, verdict=Verdict.WARN, found=found, advice=advice)


def fail(check: str, found: str, advice: str) -> Finding:
    """Return that something is wrong."""
    return Finding(check=check, verdict=Verdict.FAIL, found=found, advice=advice)


def guarded(name: str, check: Check) -> list[Finding]:
    """Return what a check finds; what it raises is its finding."""
    try:
        return list(check())
    except QuorateError as error:
        return [fail(name, str(error), error.hint)]
    except (LookupError, TypeError, ValueError) as error:
        return [fail(name, f"an answer of another form: {type(error).__name__}: {error}", "is that a Quorate node?")]


def examine(home: Path | None, node: str) -> list[Finding]:
    """Look at a home, if one is named, at its node, and at every validator that it can name."""
    from quorate.doctor_home import home_checks  # noqa: PLC0415 - LevelDB, only where a home is looked at
    from quorate.doctor_peers import peer_checks  # noqa: PLC0415

    found = [] if home is None else [each for name, check in home_checks(home) for each in guarded(name, check)]
    return found + [each for name, check in peer_checks(home, node) for each in guarded(name, check)]

"""What `quorate doctor` looks at on the host itself: settings, keys, certificate, disk, database, vote log, clock."""

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ledger.genesis import Genesis
from node.backup import check_chain
from node.config import load
from node.home import Home
from node.keystore import KeyPurpose, read_private
from node.storage.errors import HomeInUse
from node.storage.files import disk, free_bytes
from node.storage.vote_groups import recover
from node.storage.vote_log import locked
from node.transport.certificates import certificate_in, valid_until
from quorate.doctor import Check, Finding, fail, ok, skipped, warn
from quorate.words import moment

EXPIRY_WARN_MS = 60 * 24 * 3600 * 1000
"""A link certificate that ends sooner should be rotated: a membership transaction needs people."""
SYNCS = 20
SYNC_WARN_MS = 50.0
"""Median of a forced write: a block needs several, so views would time out at a fraction of the default second."""


def home_checks(path: Path) -> list[tuple[str, Check]]:
    """Return the checks of a home, by name."""
    home = Home(path)
    return [
        ("settings", lambda: _settings(home)),
        ("keys", lambda: _keys(home)),
        ("genesis", lambda: _genesis(home)),
        ("certificate", lambda: _certificate(home)),
        ("disk", lambda: _disk(home)),
        ("forced writes", lambda: _forced_writes(home)),
        ("vote log", lambda: _vote_log(home)),
        ("database", lambda: _database(home)),
        ("time service", _time_service),
    ]


def _settings(home: Home) -> Iterator[Finding]:
    rows = list(load(home.configuration, environment=os.environ).rows())
    changed = sum(origin != "default" for _, _, origin in rows)
    yield ok("settings", f"{len(rows)} settings, {changed} of them set")


def _keys(home: Home) -> Iterator[Finding]:
    folder = home.path / "keys"
    for purpose in (KeyPurpose.VOTE, KeyPurpose.SERVICE, KeyPurpose.LOG_HEAD):
        home.load_key(purpose)
    read_private(home.link_credential)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o022:
        yield fail("keys", f"others may write in {folder} (mode {mode:04o})", f"chmod 700 {folder}")
    else:
        yield ok("keys", "vote, service, log-head and link key: whole, and their owner's alone")
    if home.key(KeyPurpose.OPERATOR).exists():
        advice = "keep it on another machine: it approves changes of membership, and the node never needs it"
        yield warn("keys", "the operator key lies on this host", advice)


def _genesis(home: Home) -> Iterator[Finding]:
    genesis = home.load_genesis()
    yield ok("genesis", f"chain {genesis.document.chain}, id {genesis.chain_id.hex()}")


def _certificate(home: Home) -> Iterator[Finding]:
    certificate = certificate_in(read_private(home.link_credential))
    left = valid_until(certificate) - _now_ms()
    until = moment(valid_until(certificate))
    if left <= 0:
        yield fail("certificate", f"expired at {until}", "rotate it by a membership transaction")
    elif left < EXPIRY_WARN_MS:
        yield warn("certificate", f"valid until {until}", "rotate it by a membership transaction in time")
    else:
        yield ok("certificate", f"valid until {until}")


def _disk(home: Home) -> Iterator[Finding]:
    alarms = load(home.configuration, environment=os.environ).configuration.alarms
    free = free_bytes(home.data if home.data.exists() else home.path)
    found = f"{free:,} bytes are free"
    if free < alarms.disk_free_bytes_min:
        yield fail("disk", found, "make room: blobs are refused, and a full disk stops the node (docs/runbook.md)")
    elif free < alarms.disk_free_bytes_warn:
        yield warn("disk", found, f"make room: below {alarms.disk_free_bytes_min:,} blobs are refused")
    else:
        yield ok("disk", found)


def _forced_writes(home: Home) -> Iterator[Finding]:
    """Time some forced writes where the vote log is; what is measured shares the disk with whatever runs."""
    path = (home.data if home.data.exists() else home.path) / f"doctor.{os.getpid()}"
    times = []
    with disk(f"forced writes in {path.parent}"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            for _ in range(SYNCS):
                begun = time.perf_counter()
                os.write(descriptor, bytes(512))
                os.fdatasync(descriptor)
                times.append((time.perf_counter() - begun) * 1000)
        finally:
            os.close(descriptor)
            path.unlink()
    median, worst = sorted(times)[SYNCS // 2], max(times)
    found = f"median {median:.2f} ms, worst {worst:.2f} ms of {SYNCS}"
    if median > SYNC_WARN_MS:
        yield warn("forced writes", found, "put the data on a faster disk, or raise timing.view_ms")
    else:
        yield ok("forced writes", found)


def _vote_log(home: Home) -> Iterator[Finding]:
    """Read the vote log without changing it; a running node may be writing its end meanwhile."""
    if not home.vote_log.exists():
        if home.vote_key_used.exists():
            advice = "this validator must not vote with this key again: see 'vote log lost' in docs/runbook.md"
            yield fail("vote log", "none, though the vote key was used", advice)
        else:
            yield ok("vote log", "none, and the vote key was never used")
        return
    genesis = home.load_genesis()
    with disk(f"vote log {home.vote_log}"):
        content = home.vote_log.read_bytes()
    recovered, _ = recover(content, chain_id=genesis.chain_id)
    yield ok("vote log", f"{len(recovered.records):,} records in {len(content):,} bytes, checksums hold")


def _database(home: Home) -> Iterator[Finding]:
    genesis: Genesis = home.load_genesis()
    if not (home.data / "chain").is_dir():
        yield skipped("database", "none yet")
        return
    try:
        with locked(home.vote_log):
            checked = check_chain(home, genesis)
    except HomeInUse:
        yield skipped("database", "the node runs and has it open; `/readyz?verbose` shows its alarms")
        return
    header = checked.head.header
    yield ok("database", f"height {header.height:,}, certificate valid, state root from {checked.pairs:,} entries")


def _time_service() -> Iterator[Finding]:
    """Ask systemd whether the clock is synchronised, where it can be asked."""
    program = shutil.which("timedatectl")
    if program is None:
        yield skipped("time service", "no timedatectl here")
        return
    command = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)  # noqa: S603 - found on PATH, no input
    except (OSError, subprocess.TimeoutExpired) as error:
        yield skipped("time service", str(error))
        return
    said = asked.stdout.strip()
    if said == "yes":
        yield ok("time service", "the clock is synchronised")
    elif said == "no":
        yield warn("time service", "the clock is not synchronised", "set up NTP (chrony, systemd-timesyncd)")
    else:
        yield skipped("time service", asked.stderr.strip() or f"timedatectl ended with {asked.returncode}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""Configuration of one node: typed, closed, with a limit on everything, and an origin for each value.

Precedence: option on the command line, then environment (`QUORATE_LIMITS__BLOB_BYTES_MAX`), then `node.toml`, then the
default. An unknown key is an error with a suggestion. Nothing here can make a block invalid or change a receipt:
what does is a chain parameter in state.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ledger.errors import ConfigurationError

ENVIRONMENT_PREFIX = "QUORATE_"
_Count = Annotated[int, Meta(ge=1, le=2**62)]
_Milliseconds = Annotated[int, Meta(ge=1, le=3_600_000)]
_WRONG_VALUE = re.compile(r"`\$\.([a-z_]+)\.([a-z_]+)`")
_Listen = Annotated[str, Meta(pattern=r"\A(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}\Z")]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables of `node.toml`."""


class LinkSection(_Section, frozen=True, kw_only=True):
    """Where peers reach this validator, and how much may wait for a slow one."""

    listen: _Listen = "127.0.0.1:7450"
    """Address of the TLS listener for peers."""
    frame_bytes_max: Annotated[int, Meta(ge=1, lt=2**32)] = 16 * 2**20
    """Largest message of a peer; checked before allocation."""
    queue_bytes_max: _Count = 32 * 2**20
    """Bytes that may wait for one peer before the oldest are dropped (consensus sends them again)."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError where two limits contradict each other."""
        if self.frame_bytes_max > self.queue_bytes_max:
            raise ConfigurationError(
                "link",
                expected="frame_bytes_max <= queue_bytes_max",
                got=f"{self.frame_bytes_max}, {self.queue_bytes_max}",
            )


class RestSection(_Section, frozen=True, kw_only=True):
    """Where callers reach this node."""

    listen: _Listen = "127.0.0.1:7451"
    """Address of the HTTP listener; other than loopback needs a certificate."""
    certificate: str = ""
    """PEM file with the certificate chain for HTTPS."""
    private_key: str = ""
    """PEM file with its private key."""
    wait_ms_max: _Milliseconds = 30_000
    """Longest that a call with `?wait=` is held."""
    requests_concurrent_max: _Count = 256
    """Requests served at a time; more are refused with 503."""


class MetricsSection(_Section, frozen=True, kw_only=True):
    """Prometheus listener."""

    listen: Annotated[str, Meta(pattern=r"\A(|(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5})\Z")] = ""
    """Address for /metrics; empty: off."""


class LimitsSection(_Section, frozen=True, kw_only=True):
    """What this node accepts from callers and keeps for them."""

    blob_bytes_max: _Count = 512 * 2**20
    """Largest upload."""
    storage_bytes_max: _Count = 64 * 2**30
    """All blobs together."""
    author_bytes_max: _Count = 2 * 2**30
    """Uploads of one author that are not recorded yet."""
    author_uploads_max: _Count = 1_000
    """How many those may be."""
    uploads_concurrent_max: _Count = 16
    """Uploads at a time."""
    mempool_transactions_max: _Count = 20_000
    mempool_bytes_max: _Count = 64 * 2**20
    mempool_sender_max: _Count = 500
    """Waiting transactions of one author."""
    worker_seconds_max: _Count = 600
    """Longest that the worker may take for one blob or one aggregation."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError where two limits contradict each other."""
        if not self.blob_bytes_max <= self.author_bytes_max <= self.storage_bytes_max:
            raise ConfigurationError(
                "limits",
                expected="blob_bytes_max <= author_bytes_max <= storage_bytes_max",
                got=f"{self.blob_bytes_max}, {self.author_bytes_max}, {self.storage_bytes_max}",
            )


class AlarmsSection(_Section, frozen=True, kw_only=True):
    """When the operator is to be told (`/readyz?verbose`, `/v1/status`, `quorate_alarm`)."""

    disk_free_bytes_warn: _Count = 2 * 2**30
    """Less free space than this where the data is: a warning."""
    disk_free_bytes_min: _Count = 512 * 2**20
    """Blobs are refused that would leave less than this: the chain and the vote log need the rest."""
    clock_offset_ms_max: _Milliseconds = 1_000
    """How far f+1 peers' clocks may be away; a chain's blocks may be dated `clock_drift_ms` ahead (5 s by default)."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError where two limits contradict each other."""
        if self.disk_free_bytes_min > self.disk_free_bytes_warn:
            raise ConfigurationError(
                "alarms",
                expected="disk_free_bytes_min <= disk_free_bytes_warn",
                got=f"{self.disk_free_bytes_min}, {self.disk_free_bytes_warn}",
            )


class TimingSection(_Section, frozen=True, kw_only=True):
    """Local timeouts; they touch liveness, never safety."""

    view_ms: _Milliseconds = 500
    """How long the oldest pending item may wait before the primary is given up.

    Longer where round trips between validators are long; doubled for each failed view until decisions are quick again.
    """
    resend_ms: _Milliseconds = 400
    """How often unanswered messages are sent again."""
    status_ms: _Milliseconds = 1_000
    """Heartbeat."""
    fetch_ms: _Milliseconds = 500
    """How long an asked peer has before another one is asked."""


class SnapshotSection(_Section, frozen=True, kw_only=True):
    """Snapshots of the state: made for others, fetched from them when far behind."""

    make: bool = True
    """Make them; a chain needs some validators that do, and equal intervals at all of them."""
    interval_blocks: _Count = 1_000
    """A snapshot is made at heights that are multiples of this,"""
    interval_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 60
    """and at most one in so many seconds of block time, so that a fast chain supersedes none while it is fetched."""
    keep: Annotated[int, Meta(ge=1, le=16)] = 2
    """How many are kept."""
    join: bool = True
    """Fetch one when far behind, or when no peer has the next block; a node that does never has the blocks before."""
    join_blocks: _Count = 5_000
    """How many blocks behind is far."""


class LogSection(_Section, frozen=True, kw_only=True):
    """One line an event, on stderr."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Configuration(_Section, frozen=True, kw_only=True):
    """All of `node.toml`."""

    link: LinkSection = LinkSection()
    rest: RestSection = RestSection()
    metrics: MetricsSection = MetricsSection()
    limits: LimitsSection = LimitsSection()
    alarms: AlarmsSection = AlarmsSection()
    timing: TimingSection = TimingSection()
    snapshots: SnapshotSection = SnapshotSection()
    log: LogSection = LogSection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration and where each of its values came from."""

    configuration: Configuration
    origins: Mapping[tuple[str, str], str]
    """Origin by (table, key)."""

    def rows(self) -> Iterator[tuple[str, object, str]]:
        """Yield (name, value, origin) of every setting."""
        for table in Configuration.__struct_fields__:
            section = getattr(self.configuration, table)
            for key in section.__struct_fields__:
                yield f"{table}.{key}", getattr(section, key), self.origins[table, key]


def load(path: Path, *, environment: Mapping[str, str], options: Mapping[str, str] | None = None) -> Loaded:
    """Read `node.toml` and lay environment and options over it; raises ConfigurationError.

    `options` are `table.key` to text, as the command line gives them.
    """
    values: dict[str, dict[str, Any]] = {table: {} for table in Configuration.__struct_fields__}
    origins = {(table, key): "default" for table, section in _sections().items() for key in section.__struct_fields__}
    for table, key, value in _from_file(path):
        _put(values, origins, table, key, value, f"file {path.name}")
    for name, text in sorted(environment.items()):
        table, separator, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if name.startswith(ENVIRONMENT_PREFIX) and separator:
            _put(values, origins, table, key, text, f"environment {name}")
    for name, text in (options or {}).items():
        table, _, key = name.partition(".")
        _put(values, origins, table, key, text, f"option {name}")
    try:
        configuration = msgspec.convert(values, Configuration, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{_origin_of(error, origins) or path.name}: {error}") from error
    return Loaded(configuration=configuration, origins=origins)


def _origin_of(error: msgspec.ValidationError, origins: Mapping[tuple[str, str], str]) -> str | None:
    """Return where the value came from that an error of msgspec names."""
    found = _WRONG_VALUE.search(str(error))
    return None if found is None else origins.get((found[1], found[2]))


def _sections() -> dict[str, type[_Section]]:
    return {table: type(getattr(Configuration(), table)) for table in Configuration.__struct_fields__}


def _from_file(path: Path) -> Iterator[tuple[str, str, Any]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError("configuration file", expected=str(path), got=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not TOML: {error}") from error
    for table, section in content.items():
        if not isinstance(section, dict):
            raise ConfigurationError(f"{path.name}: {table}", expected="a table such as [limits]", got=section)
        _check_table(table, f"file {path.name}")
        for key, value in section.items():
            yield table, key, value


def _put(
    values: dict[str, dict[str, Any]],
    origins: dict[tuple[str, str], str],
    table: str,
    key: str,
    value: object,
    origin: str,
) -> None:
    _check_table(table, origin)
    keys = _sections()[table].__struct_fields__
    if key not in keys:
        raise ConfigurationError(f"{origin}: unknown key {table}.{key}{_suggestion(key, keys)}")
    values[table][key] = value
    origins[table, key] = origin


def _check_table(table: str, origin: str) -> None:
    known = _sections()
    if table not in known:
        raise ConfigurationError(f"{origin}: unknown table [{table}]{_suggestion(table, known)}")


def _suggestion(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"

"""A trial network on one machine: real homes, real processes, one folder; what `quorate network` and the demo run.

FOLDER/network.json     who is in it, and which processes were started
FOLDER/genesis.json     the chain's genesis file
FOLDER/NAME/            home of each member, with node.log and node.lock
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import msgspec

from ledger.errors import ConfigurationError
from ledger.genesis import GENESIS_BYTES_MAX, Genesis, assemble
from ledger.parameters import ChainParameters
from ledger.quantities import Name, TimeMs
from node.home import Home, create_member, create_validator
from quorate.errors import ProcessFailed
from quorate.files import claim_folder, read_file, write_new_file
from quorate.ports import free_ports
from quorate.processes import PAUSE_SECONDS, end, is_running, spawn_python

FORMAT = "quorate-network-1"
NETWORK_FILE = "network.json"
GENESIS_FILE = "genesis.json"
NETWORK_BYTES_MAX = 2**20
READY_SECONDS = 120.0
"""How long a node may take until it is ready: far longer than it does."""
STOP_SECONDS = 20.0
"""How long a node may take to end by itself."""
_LOG_BYTES = 4_096
_LOG_LINES = 5


class Member(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A member of the network, as network.json has it."""

    name: Name
    url: str | None
    """Where callers reach its validator; None for a member that only trains."""
    process: int | None = None
    """Number of the process that was started last."""
    started_ms: int | None = None
    """When it was, in milliseconds since 1970."""


class _NetworkFile(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    format: str
    chain: Name
    members: list[Member]
    """Those with a validator first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberStatus:
    """Where a member's validator stands."""

    name: str
    url: str
    process: int | None
    """None if it does not run."""
    ready: bool
    height: int | None


class LocalNetwork:
    """Validators of one chain, each a process of its own; processes go on when this object is gone."""

    def __init__(self, folder: Path, file: _NetworkFile) -> None:
        self.folder = folder
        self._file = file

    @classmethod
    def create(cls, folder: Path, *, organisations: Sequence[str], chain: str, trainers: Sequence[str] = ()) -> Self:
        """Make homes of `organisations` with a validator each and of `trainers` without, and their genesis file.

        Raises ConfigurationError if there is something already, InputError where the members make no chain.
        """
        claim_folder(folder)
        descriptors = []
        for name in organisations:
            link, rest, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
            home = Home(folder / name)
            descriptors.append(create_validator(home, organisation=name, link=link, rest=rest, metrics=metrics))
        descriptors += [create_member(Home(folder / name), organisation=name) for name in trainers]
        now = TimeMs(time.time_ns() // 1_000_000)
        data = assemble(tuple(descriptors), chain=chain, time=now, parameters=ChainParameters())
        write_new_file(folder / GENESIS_FILE, data)
        return cls.of_homes(folder)

    @classmethod
    def of_homes(cls, folder: Path) -> Self:
        """Return the network of homes that were made in a folder, beside their genesis file, by whatever commands.

        Raises ConfigurationError, InputError.
        """
        document = Genesis(read_file(folder / GENESIS_FILE, bytes_max=GENESIS_BYTES_MAX)).document
        urls = {it.organisation: next((seat.rest_url for seat in it.validators), None) for it in document.organisations}
        members = [Member(name=name, url=url) for name, url in urls.items()]
        members.sort(key=lambda member: member.url is None)
        network = cls(folder, _NetworkFile(format=FORMAT, chain=document.chain, members=members))
        network._save()
        return network

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the network that was made in a folder; raises ConfigurationError."""
        data = read_file(folder / NETWORK_FILE, bytes_max=NETWORK_BYTES_MAX)
        try:
            file = msgspec.json.decode(data, type=_NetworkFile)
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"{folder / NETWORK_FILE} is not ours: {error}") from None
        if file.format != FORMAT:
            raise ConfigurationError(str(folder / NETWORK_FILE), expected=FORMAT, got=file.format)
        return cls(folder, file)

    @property
    def genesis(self) -> Path:
        """The genesis file."""
        return self.folder / GENESIS_FILE

    @property
    def members(self) -> tuple[Member, ...]:
        """All members, those with a validator first."""
        return tuple(self._file.members)

    @property
    def urls(self) -> list[str]:
        """Where callers reach each validator."""
        return [member.url for member in self._file.members if member.url is not None]

    def home(self, place: int) -> Home:
        """Return the home of a member."""
        return Home(self.folder / self._file.members[place].name)

    def chain_id(self) -> str:
        """Return the chain id, from the genesis file."""
        return Genesis(self.genesis.read_bytes()).chain_id.hex()

    def start(self, place: int) -> None:
        """Start a member's validator; raises ProcessFailed if it runs."""
        home, member = self.home(place), self._file.members[place]
        command = ["node", "start", "--home", str(home.path), "--genesis", str(self.genesis), "--log-format", "json"]
        member.process = spawn_python(["-m", "quorate", *command], lock=self._lock(place), log=self.log(place))
        member.started_ms = time.time_ns() // 1_000_000
        self._save()

    def kill(self, place: int) -> None:
        """Kill a member's validator without warning (SIGKILL), if it runs."""
        self._end(place, patience=0.0)

    def stop(self, place: int) -> None:
        """Let a member's validator end by itself, if it runs; kill it if it does not."""
        self._end(place, patience=STOP_SECONDS)

    def stop_all(self) -> None:
        """Stop all validators that run."""
        for place in range(len(self.urls)):
            self.stop(place)

    def wait_ready(self, place: int, *, seconds: float = READY_SECONDS) -> None:
        """Wait until a validator says that callers may be sent to it; raises ProcessFailed."""
        name, until = self._file.members[place].name, time.monotonic() + seconds
        while not self._is_ready(place):
            if not self.is_running(place):
                raise ProcessFailed(
                    f"validator of {name}", expected="it running", got=f"it ended; {self._last_words(place)}"
                )
            if time.monotonic() >= until:
                raise ProcessFailed(
                    f"validator of {name}", expected=f"it ready in {seconds:g} s", got=self._last_words(place)
                )
            time.sleep(PAUSE_SECONDS)

    def is_running(self, place: int) -> bool:
        """Return whether a member's validator runs."""
        return is_running(self._lock(place))

    def status(self) -> list[MemberStatus]:
        """Return where each validator stands."""
        return [self._status(place, url) for place, url in enumerate(self.urls)]

    def log(self, place: int) -> Path:
        """Return the log file of a member's validator."""
        return self.home(place).path / "node.log"

    def _lock(self, place: int) -> Path:
        return self.home(place).path / "node.lock"

    def _end(self, place: int, *, patience: float) -> None:
        number = self._file.members[place].process
        if number is not None:
            end(number, lock=self._lock(place), patience=patience)

    def _is_ready(self, place: int) -> bool:
        try:
            return httpx.get(f"{self.urls[place]}/readyz", timeout=2.0).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _status(self, place: int, url: str) -> MemberStatus:
        member, running = self._file.members[place], self.is_running(place)
        height: int | None = None
        try:
            height = int(httpx.get(f"{url}/v1/status", timeout=2.0).json()["height"]) if running else None
        except (httpx.TransportError, ValueError, LookupError, TypeError):
            height = None
        return MemberStatus(
            name=member.name,
            url=url,
            process=member.process if running else None,
            ready=running and self._is_ready(place),
            height=height,
        )

    def _last_words(self, place: int) -> str:
        """Return the end of a validator's log."""
        try:
            with self.log(place).open("rb") as file:
                file.seek(max(0, self.log(place).stat().st_size - _LOG_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return "no log"
        return f"its log ends: {' | '.join(lines[-_LOG_LINES:])}"

    def _save(self) -> None:
        fresh = self.folder / f"{NETWORK_FILE}.new"
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(self._file), indent=2) + b"\n")
        fresh.replace(self.folder / NETWORK_FILE)

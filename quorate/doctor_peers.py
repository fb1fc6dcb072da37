"""What `quorate doctor` asks others: this host's node, every validator's REST address, and their link ports."""

import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from ledger.errors import QuorateError
from ledger.genesis import Genesis
from node.config import AlarmsSection
from node.home import Home
from node.keystore import KeyPurpose, read_private
from node.runtime.peer_clocks import deviation_ms
from node.transport.certificates import certificate_in
from node.transport.sockets import parse_address
from participant.errors import NodeFault
from participant.node import Node
from quorate.doctor import Check, Finding, Verdict, fail, ok, skipped, warn
from quorate.survey import STATUS, Place, Sighting, ask_all, places_in, places_of

CONNECT_SECONDS = 3.0
_TROUBLES: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "it is changing the view": lambda status: not status["active"],
    "it is behind the others": lambda status: bool(status["behind"]),
}


def peer_checks(home: Path | None, node: str) -> list[tuple[str, Check]]:
    """Return the checks that need the network, by name."""
    around = _Around(home, node)
    return [
        ("node", around.own_node),
        ("peers", around.peers),
        ("chain", around.chain),
        ("versions", around.versions),
        ("clock", around.clock),
        ("links", around.links),
        ("certificate", around.certificate),
    ]


class _Around:
    """What is known of the node and of the others; each is asked once."""

    def __init__(self, home: Path | None, node: str) -> None:
        self._home = None if home is None else Home(home)
        self._node = node

    @cached_property
    def _genesis(self) -> Genesis | None:
        try:
            return None if self._home is None else self._home.load_genesis()
        except QuorateError:
            return None

    @cached_property
    def _places(self) -> tuple[str, list[Place]]:
        """Whose word it is and the validators: those of now; those of genesis where the node does not say."""
        with httpx.Client(follow_redirects=False) as http:
            try:
                return "the chain", places_of(Node(self._node, http))
            except NodeFault:
                return "genesis", [] if self._genesis is None else places_in(self._genesis)

    @cached_property
    def seen(self) -> list[Sighting]:
        """Every validator, as it answered."""
        return ask_all(self._places[1])

    @property
    def _answers(self) -> list[tuple[Sighting, dict[str, Any]]]:
        return [(it, it.status) for it in self.seen if it.status is not None]

    def own_node(self) -> Iterator[Finding]:
        with httpx.Client(follow_redirects=False) as http:
            try:
                status = Node(self._node, http).json(STATUS, dict[str, Any])
            except NodeFault as fault:
                yield fail("node", str(fault), f"is it running, and is {self._node} its rest.listen? (`--node`)")
                return
        troubles = [name for name, is_so in _TROUBLES.items() if is_so(status)]
        if troubles:
            yield warn("node", f"{self._node}: {', '.join(troubles)}", "watch it: `quorate status --all --watch`")
        else:
            yield ok("node", f"{self._node} is ready for callers, height {status['height']:,}")
        for alarm in status["alarms"]:
            verdict = Verdict.FAIL if alarm["level"] == "critical" else Verdict.WARN
            advice = "docs/runbook.md has a section about it"
            yield Finding(check=f"alarm {alarm['kind']}", verdict=verdict, found=alarm["detail"], advice=advice)

    def peers(self) -> Iterator[Finding]:
        if not self.seen:
            yield skipped("peers", "nobody says who the validators are: name a home or a node")
        silent = [it for it in self.seen if it.status is None]
        for it in silent:
            advice = "is it up, and may this host call it? links between validators are another matter (`links`)"
            yield warn("peers", f"validator {it.place.validator}, {it.place.organisation}: {it.error}", advice)
        if self.seen and not silent:
            yield ok("peers", f"all {len(self.seen)} validators answer callers")

    def chain(self) -> Iterator[Finding]:
        ids = {status["chain_id"] for _, status in self._answers}
        if self._genesis is not None:
            ids.add(self._genesis.chain_id.hex())
        if len(ids) > 1:
            advice = "compare `quorate genesis show` with the other members: the chain id is the file's digest"
            yield fail("chain", f"{len(ids)} different chain ids", advice)
        elif ids:
            yield ok("chain", f"one chain id, {min(ids)}")
        else:
            yield skipped("chain", "nobody answers")
        heads = {(status["height"], status["head"]) for _, status in self._answers}
        forked = {height for height, _ in heads if sum(other == height for other, _ in heads) > 1}
        for height in sorted(forked):
            advice = "stop submitting; compare the blocks: more than f validators are Byzantine, or a database lies"
            yield fail("chain", f"two different blocks at height {height}", advice)

    def versions(self) -> Iterator[Finding]:
        found = sorted({(status["software"], status["protocol"]) for _, status in self._answers})
        if not found:
            yield skipped("versions", "nobody answers")
        elif len(found) == 1:
            yield ok("versions", f"release {found[0][0]}, protocol {found[0][1]} everywhere")
        else:
            said = ", ".join(f"{software} (protocol {protocol})" for software, protocol in found)
            yield warn("versions", said, "finish the upgrade: `quorate version --all` shows who runs which")

    def clock(self) -> Iterator[Finding]:
        """Compare this host's clock with those that answer, each as precisely as half its round trip allows."""
        answers = [it for it, _ in self._answers]
        certain = [it.offset_ms - max(-it.error_ms, min(it.error_ms, it.offset_ms)) for it in answers]
        deviation = deviation_ms(certain, peers=max(1, len(self.seen) - 1))
        if deviation is None:
            yield skipped("clock", f"{len(answers)} validators answer, too few to believe")
            return
        error = max(it.error_ms for it in answers)
        found = f"at least {abs(deviation):,} ms from those of f+1 validators (measured to +-{error:,} ms)"
        if abs(deviation) > AlarmsSection().clock_offset_ms_max:
            yield fail("clock", found, "set this host's clock (NTP); if theirs are wrong, tell their operators")
        else:
            yield ok("clock", found)

    def links(self) -> Iterator[Finding]:
        said_by, places = self._places
        addresses = {it.validator: it.link_address for it in places if it.link_address is not None}
        if not addresses:
            yield skipped("links", "nobody says where they are: name a home or a node")
            return
        with ThreadPoolExecutor(len(addresses)) as pool:
            refusals = dict(zip(addresses, pool.map(_refusal, addresses.values()), strict=True))
        for number, refusal in refusals.items():
            if refusal is not None:
                advice = "is that validator up, and do firewalls let this host reach it?"
                yield warn("links", f"validator {number} at {addresses[number]}: {refusal}", advice)
        if not any(refusals.values()):
            yield ok("links", f"the link ports of all {len(addresses)} validators of {said_by} take connections")

    def certificate(self) -> Iterator[Finding]:
        """Compare this host's link certificate with the one in force, which a rotation may have changed."""
        said_by, places = self._places
        if self._home is None:
            return
        vote = self._home.load_key(KeyPurpose.VOTE).public
        own = next((it for it in places if it.vote_key == vote), None)
        if own is None:
            found = f"no validator of {said_by} has this home's vote key"
            yield skipped("certificate", f"{found}: a learner, one that has left, or one with keys of an earlier era")
        elif own.link_certificate == certificate_in(read_private(self._home.link_credential)):
            yield ok("certificate", f"the one that {said_by} records for validator {own.validator}")
        else:
            advice = "put back the credential that the chain records, or rotate it by a membership transaction"
            yield fail("certificate", f"not the one that {said_by} records for validator {own.validator}", advice)


def _refusal(address: str) -> str | None:
    """Return why a port takes no connection, or None."""
    try:
        with socket.create_connection(parse_address(address), timeout=CONNECT_SECONDS):
            return None
    except (OSError, QuorateError) as error:
        return str(error)

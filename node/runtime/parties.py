"""Who is linked with this node, by the state: validators and learners, and for a while those that have just left.

At the end of an era others may be a moment behind: whoever leaves, or changes its certificate, could not even learn of
it if its links ended at once. So what the state no longer records is trusted for `LEAVING_SECONDS` more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ledger.quantities import ValidatorId
from ledger.records import SeatRecord, SeatStatus
from node.transport.sockets import Address, parse_address
from node.transport.tls import Parties

LEAVING_SECONDS = 10.0
"""Longer than it takes to resend what was lost, many times over."""


class Clock(Protocol):
    """A clock that never jumps."""

    def __call__(self) -> float:
        """Return seconds."""


@dataclass(slots=True, kw_only=True)
class Linked:
    """Everybody with a number, and by which certificate and where; knows no socket."""

    clock: Clock
    validators: frozenset[ValidatorId] = frozenset()
    """Members of the current set."""
    addresses: dict[ValidatorId, Address] = field(default_factory=dict)
    _certificates: dict[ValidatorId, bytes] = field(default_factory=dict)
    _leaving: dict[tuple[ValidatorId, bytes], float] = field(default_factory=dict)
    """When what the state no longer records ends."""
    _last: dict[ValidatorId, Address] = field(default_factory=dict)
    """Where those that are leaving were reached."""

    @property
    def parties(self) -> Parties:
        """Who may be at the other end of a link, and by which certificate."""
        current = list(self._certificates.items())
        return [*current, *(pair for pair in self._leaving if pair not in current)]

    def update(self, seats: Iterable[SeatRecord]) -> set[ValidatorId]:
        """Take the state's word; return those whose certificate has changed."""
        here = [seat for seat in seats if seat.status is not SeatStatus.LEFT]
        certificates = {seat.member.id: seat.member.link_certificate for seat in here}
        addresses = {seat.member.id: parse_address(seat.link_address) for seat in here}
        gone = {pair for pair in self._certificates.items() if certificates.get(pair[0]) != pair[1]}
        self._leaving |= dict.fromkeys(gone, self.clock() + LEAVING_SECONDS)
        self._last |= {number: self.addresses[number] for number, _ in gone}
        self._certificates, self.addresses = certificates, addresses
        self.validators = frozenset(seat.member.id for seat in here if seat.status is SeatStatus.VALIDATOR)
        return {number for number, _ in gone if number in certificates}

    def expire(self) -> bool:
        """Forget those whose time is over; return whether there were any."""
        over = [pair for pair, end in self._leaving.items() if self.clock() >= end]
        for pair in over:
            del self._leaving[pair]
        return bool(over)

    def peers(self, own: ValidatorId | None) -> Mapping[ValidatorId, Address]:
        """Return everybody else and where to dial, those that are leaving included."""
        leaving = {number: self._last[number] for number, _ in self._leaving}
        return {number: address for number, address in (leaving | self.addresses).items() if number != own}

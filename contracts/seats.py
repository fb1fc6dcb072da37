"""Seats: numbers under which validators and learners stand in state, and what a change of one writes."""

from collections.abc import Iterable
from enum import StrEnum

from contracts import queries
from contracts.context import Call
from contracts.verdicts import Refused, StateWrites
from ledger import state_keys
from ledger.encoding import encode
from ledger.keys import PublicKey
from ledger.membership import SeatKeys
from ledger.quantities import Era, Height, ValidatorId
from ledger.records import EraRecord, KeyRecord, KeyRole, SeatRecord, SeatStatus
from ledger.validators import Validator


class MembershipRule(StrEnum):
    """Why a change of membership is refused; approvals have rules of their own (`contracts.approvals`)."""

    OTHER_ERA = "V1"
    """It was approved for another era: (that one, the current one)."""
    ORGANISATION_UNKNOWN = "V2"
    """The learner's organisation is no member."""
    OWNER_NOT_ASKED = "V3"
    """The organisation whose learner or keys these are has not approved."""
    NOT_A_VALIDATOR = "V4"
    """There is no such validator in the current set: (its number)."""
    NOT_A_LEARNER = "V5"
    """There is no such learner: (its number)."""
    SET_TOO_SMALL = "V6"
    """Too few validators would remain: (they would be, fewest)."""
    SET_TOO_LARGE = "V7"
    """There would be too many validators: (they would be, most)."""
    ORGANISATION_TAKEN = "V8"
    """An operator key is given for an organisation that is a member."""
    TOO_MANY_LEARNERS = "V9"
    """The organisation has a learner, or the chain as many as it may: (the organisation's, all, most)."""
    KEY_TAKEN = "V10"
    """A new key or the certificate stands twice in the change, is on chain, or is or was another seat's."""
    POSSESSION_COUNT = "V11"
    """Not one proof of possession for each new key: (needed, got)."""
    KEY_NOT_HELD = "V12"
    """A proof of possession does not verify under its key: (its place, from 0)."""
    NOTHING_CHANGES = "V13"
    """The keys and addresses are those that the validator has."""


def sitting(call: Call, number: ValidatorId) -> SeatRecord:
    """Return a validator of the current set."""
    seat = queries.seat(call.state, number)
    if seat is None or seat.status is not SeatStatus.VALIDATOR:
        raise Refused(MembershipRule.NOT_A_VALIDATOR, number)
    return seat


def learning(call: Call, number: ValidatorId) -> SeatRecord:
    """Return a learner."""
    seat = queries.seat(call.state, number)
    if seat is None or seat.status is not SeatStatus.LEARNER:
        raise Refused(MembershipRule.NOT_A_LEARNER, number)
    return seat


def check_fresh(call: Call, keys: Iterable[bytes], *, besides: Iterable[bytes] = ()) -> None:
    """Refuse keys and certificates that anybody has or had, or that are to be two things at once."""
    taken = set(besides)
    for key in keys:
        once = queries.seat_of_key(call.state, key) is not None
        if once or key in taken or queries.key_record(call.state, PublicKey(key)) is not None:
            raise Refused(MembershipRule.KEY_TAKEN)
        taken.add(key)


def begin_era(call: Call, members: Iterable[Validator]) -> StateWrites:
    """Let these validators decide from the next block on."""
    era, first_height = queries.era(call.state)
    ended = EraRecord(
        first_height=first_height,
        last_height=call.context.height,
        validators=queries.validators(call.state).members,
    )
    return {
        state_keys.past_era(era): encode(ended),
        state_keys.VALIDATORS: encode(tuple(sorted(members, key=lambda member: member.id))),
        state_keys.ERA: encode((Era(era + 1), Height(call.context.height + 1))),
    }


def take_keys(member: Validator) -> StateWrites:
    """Mark the keys and the certificate as this seat's, for good."""
    return {state_keys.seat_key(name): encode(member.id) for name in member.key_names}


def give_role(member: Validator) -> StateWrites:
    """Let the service key author transactions."""
    record = KeyRecord(role=KeyRole.SERVICE, organisation=member.organisation, subject=member.id)
    return {state_keys.key(member.service_key): encode(record)}


def take_role(member: Validator) -> StateWrites:
    """Let the service key author no more."""
    return {state_keys.key(member.service_key): None}


def fill(call: Call, member: Validator, keys: SeatKeys, status: SeatStatus) -> StateWrites:
    """Give a seat keys and addresses."""
    return put(
        SeatRecord(
            member=member,
            link_address=keys.link_address,
            rest_url=keys.rest_url,
            status=status,
            since=call.context.height,
        )
    )


def put(seat: SeatRecord) -> StateWrites:
    """Write a seat."""
    return {state_keys.seat(seat.member.id): encode(seat)}

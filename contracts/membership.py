"""ChangeValidators: one change of who runs a validator, with whose keys; a change of the set ends the era.

Who must agree: a change of the set, and whatever brings in a new organisation, needs the approval of organisations that
together run at least a quorum of the validators; a learner of one's own and one's own keys need one's own approval
alone. Anybody with a key on chain may bring the approvals: the statement is the organisations'.

Numbers count on from genesis's and are never given again; a rotation keeps the number. A key or certificate that ever
belonged to a seat is never used again, so that nothing that it once signed can be taken for another's, and no approval
or proof of possession serves twice. A seat that leaves loses the role of its service key at once; its vote key stays
good for the heights of its eras, which is what certificates are checked with.

The new set decides from the next block on, and `queries.era` says so from here: a second change in the same block was
approved for an era that is over, or for one that has not begun (V1).
"""

from collections.abc import Set as AbstractSet
from typing import assert_never

from msgspec.structs import replace

from contracts import queries
from contracts.approvals import approving, check_signatures, require_quorum
from contracts.context import Call
from contracts.seats import (
    MembershipRule,
    begin_era,
    check_fresh,
    fill,
    give_role,
    learning,
    put,
    sitting,
    take_keys,
    take_role,
)
from contracts.verdicts import Judgement, Refused, StateWrites, accept
from ledger import state_keys
from ledger.encoding import encode
from ledger.errors import InvalidSignature
from ledger.membership import (
    AddValidator,
    Change,
    DropLearner,
    RegisterLearner,
    RemoveValidator,
    ReplaceValidator,
    RotateKeys,
    new_keys,
    verify_possession,
)
from ledger.quantities import VALIDATORS_MAX, VALIDATORS_MIN, ValidatorId
from ledger.records import KeyRecord, KeyRole, OrganisationRecord, SeatStatus
from ledger.transactions import ChangeValidators

LEARNERS_MAX = 8
"""Learners at a time: each is sent every block."""

Outcome = tuple[ValidatorId, StateWrites]


def judge(call: Call, body: ChangeValidators) -> Judgement:
    """Carry out the change; accepted values: (number of the seat that it was about)."""
    current, _ = queries.era(call.state)
    if body.era != current:
        raise Refused(MembershipRule.OTHER_ERA, body.era, current)
    if current != call.context.era:
        # This very block has begun that era. Were it to end it too, no block would ever be of it, and the chain halts.
        raise Refused(MembershipRule.OTHER_ERA, body.era, call.context.era)
    number, writes = _outcome(call, body.change, approving(call, body))
    _check_possession(call, body)
    check_signatures(call, body)
    return accept(number, writes=writes)


def _outcome(call: Call, change: Change, agreed: AbstractSet[str]) -> Outcome:
    match change:
        case RegisterLearner():
            return _register(call, change, agreed)
        case DropLearner():
            return _drop(call, change, agreed)
        case RotateKeys():
            return _rotate(call, change, agreed)
        case AddValidator() | RemoveValidator() | ReplaceValidator():
            require_quorum(call, agreed)
            return _change_set(call, change)
        case _:
            assert_never(change)


def _register(call: Call, change: RegisterLearner, agreed: AbstractSet[str]) -> Outcome:
    writes: dict[bytes, bytes | None] = {}
    known = queries.organisation(call.state, change.organisation)
    if change.operator_key is None:
        if known is None:
            raise Refused(MembershipRule.ORGANISATION_UNKNOWN)
        _require_owner(change.organisation, agreed)
    else:
        if known is not None:
            raise Refused(MembershipRule.ORGANISATION_TAKEN)
        require_quorum(call, agreed)
        operator = KeyRecord(role=KeyRole.OPERATOR, organisation=change.organisation, subject=0)
        organisation = OrganisationRecord(name=change.organisation, operator_key=change.operator_key)
        writes[state_keys.key(change.operator_key)] = encode(operator)
        writes[state_keys.organisation(change.organisation)] = encode(organisation)
    learners = [seat.member for seat in queries.seats(call.state) if seat.status is SeatStatus.LEARNER]
    own = sum(member.organisation == change.organisation for member in learners)
    if own or len(learners) >= LEARNERS_MAX:
        raise Refused(MembershipRule.TOO_MANY_LEARNERS, own, len(learners), LEARNERS_MAX)
    check_fresh(call, [*new_keys(change), change.keys.link_certificate])
    number = ValidatorId(queries.seats_count(call.state))
    member = change.keys.validator(number, change.organisation)
    writes |= {**take_keys(member), **fill(call, member, change.keys, SeatStatus.LEARNER)}
    writes[state_keys.SEATS_COUNT] = encode(number + 1)
    return number, writes


def _drop(call: Call, change: DropLearner, agreed: AbstractSet[str]) -> Outcome:
    learner = learning(call, change.learner)
    if learner.member.organisation not in agreed:
        require_quorum(call, agreed)
    return change.learner, put(replace(learner, status=SeatStatus.LEFT, since=call.context.height))


def _change_set(call: Call, change: AddValidator | RemoveValidator | ReplaceValidator) -> Outcome:
    members = {member.id: member for member in call.context.validators.members}
    writes: dict[bytes, bytes | None] = {}
    if not isinstance(change, AddValidator):
        seat = sitting(call, change.validator)
        del members[change.validator]
        writes |= put(replace(seat, status=SeatStatus.LEFT, since=call.context.height))
        writes |= take_role(seat.member)
    if not isinstance(change, RemoveValidator):
        seat = learning(call, change.learner)
        members[change.learner] = seat.member
        writes |= put(replace(seat, status=SeatStatus.VALIDATOR, since=call.context.height))
        writes |= give_role(seat.member)
    if len(members) < VALIDATORS_MIN:
        raise Refused(MembershipRule.SET_TOO_SMALL, len(members), VALIDATORS_MIN)
    if len(members) > VALIDATORS_MAX:
        raise Refused(MembershipRule.SET_TOO_LARGE, len(members), VALIDATORS_MAX)
    number = change.validator if isinstance(change, RemoveValidator) else change.learner
    return number, {**writes, **begin_era(call, members.values())}


def _rotate(call: Call, change: RotateKeys, agreed: AbstractSet[str]) -> Outcome:
    seat = sitting(call, change.validator)
    before = seat.member
    _require_owner(before.organisation, agreed)
    member = change.keys.validator(before.id, before.organisation)
    pairs = [
        (before.vote_key, member.vote_key),
        (before.service_key, member.service_key),
        (before.log_head_key, member.log_head_key),
        (before.link_certificate, member.link_certificate),
    ]
    # A key that stays keeps its purpose: as another one of this seat it is no fresh key.
    kept = [old for old, new in pairs if old == new]
    check_fresh(call, [new for old, new in pairs if new != old], besides=kept)
    addresses = (change.keys.link_address, change.keys.rest_url)
    written = fill(call, member, change.keys, SeatStatus.VALIDATOR)
    if member == before:
        if addresses == (seat.link_address, seat.rest_url):
            raise Refused(MembershipRule.NOTHING_CHANGES)
        return before.id, written
    members = [member if each.id == member.id else each for each in call.context.validators.members]
    roles = {**take_role(before), **give_role(member)}
    return before.id, {**roles, **take_keys(member), **written, **begin_era(call, members)}


def _require_owner(organisation: str, agreed: AbstractSet[str]) -> None:
    if organisation not in agreed:
        raise Refused(MembershipRule.OWNER_NOT_ASKED)


def _check_possession(call: Call, body: ChangeValidators) -> None:
    keys = new_keys(body.change)
    if len(body.possession) != len(keys):
        raise Refused(MembershipRule.POSSESSION_COUNT, len(keys), len(body.possession))
    for place, (key, proof) in enumerate(zip(keys, body.possession, strict=True)):
        try:
            verify_possession(body.change, key, proof, chain_id=call.context.chain_id)
        except InvalidSignature as error:
            raise Refused(MembershipRule.KEY_NOT_HELD, place) from error

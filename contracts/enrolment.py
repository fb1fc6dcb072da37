"""EnrolParticipant: an organisation adds a training site to the registry.

Registry numbers count from 1 and are never given again; order and ties of aggregation go by them. The key may author
transactions from the next block on.
"""

from enum import StrEnum

from contracts import queries
from contracts.context import Call
from contracts.verdicts import Judgement, Refused, accept
from ledger import state_keys
from ledger.encoding import encode
from ledger.quantities import ParticipantId
from ledger.records import KeyRecord, KeyRole, ParticipantRecord
from ledger.transactions import EnrolParticipant


class EnrolmentRule(StrEnum):
    """Why an enrolment is refused."""

    AUTHOR_NOT_OPERATOR = "P1"
    """The author is no operator key."""
    FOREIGN_ORGANISATION = "P2"
    """The organisation is unknown, or not the author's."""
    NAME_TAKEN = "P3"
    """The organisation has a participant of this name: (its number)."""
    KEY_TAKEN = "P4"
    """The key is on chain already, or is or was a validator's."""
    REGISTRY_FULL = "P5"
    """No number is left: (numbers given, most)."""


def judge(call: Call, body: EnrolParticipant) -> Judgement:
    """Give the participant the next registry number; accepted values: (number)."""
    state = call.state
    if call.author.role is not KeyRole.OPERATOR:
        raise Refused(EnrolmentRule.AUTHOR_NOT_OPERATOR)
    if call.author.organisation != body.organisation:
        raise Refused(EnrolmentRule.FOREIGN_ORGANISATION)
    namesake = queries.participant_number(state, body.organisation, body.name)
    if namesake is not None:
        raise Refused(EnrolmentRule.NAME_TAKEN, namesake)
    if queries.key_record(state, body.key) is not None or queries.seat_of_key(state, body.key) is not None:
        raise Refused(EnrolmentRule.KEY_TAKEN)
    count, most = queries.participants_count(state), call.context.parameters.participants_max
    if count >= most:
        raise Refused(EnrolmentRule.REGISTRY_FULL, count, most)
    number = ParticipantId(count + 1)
    participant = ParticipantRecord(
        participant=number,
        organisation=body.organisation,
        name=body.name,
        key=body.key,
        enrolled=call.context.height,
    )
    key = KeyRecord(role=KeyRole.PARTICIPANT, organisation=body.organisation, subject=number)
    writes = {
        state_keys.PARTICIPANTS_COUNT: encode(number),
        state_keys.participant(number): encode(participant),
        state_keys.participant_name(body.organisation, body.name): encode(number),
        state_keys.key(body.key): encode(key),
    }
    return accept(number, writes=writes)

"""P1 to P5: each rule fires with its integers, and its near miss is accepted."""

from contracts import queries
from ledger.entries import Accepted
from ledger.keys import SigningKey
from ledger.parameters import ChainParameters
from ledger.quantities import ParticipantId
from ledger.records import KeyRecord, KeyRole
from ledger.transactions import EnrolParticipant
from tests.consortium import signing_key
from tests.contracts.driver import Chain, refused, verdicts


def body(*, organisation: str = "org-00", name: str = "ward", key: SigningKey | None = None) -> EnrolParticipant:
    return EnrolParticipant(organisation=organisation, name=name, key=(key or signing_key("new")).public)


def test_numbers_count_from_one() -> None:
    chain = Chain()
    assert chain.accepted(chain.operator, body()) == (1,)
    other = body(organisation="org-01", key=signing_key("newer"))
    assert chain.accepted(chain.members.operators["org-01"], other) == (2,)


def test_an_enrolment_is_readable_afterwards() -> None:
    chain = Chain()
    chain.accepted(chain.operator, body())
    key = signing_key("new").public
    assert queries.key_record(chain.state, key) == KeyRecord(role=KeyRole.PARTICIPANT, organisation="org-00", subject=1)
    (participant,) = queries.participants(chain.state)
    assert participant == queries.participant(chain.state, ParticipantId(1))
    assert (participant.name, participant.key, participant.enrolled) == ("ward", key, chain.height)
    assert queries.participant_number(chain.state, "org-00", "ward") == 1


def test_p1_a_service_key_enrols_nobody() -> None:
    chain = Chain()
    for key in chain.members.services.values():
        assert chain.verdict(key, body()) == refused("P1")


def test_p2_an_operator_enrols_for_its_own_organisation_only() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, body(organisation="org-01")) == refused("P2")
    assert chain.verdict(chain.operator, body(organisation="nobody")) == refused("P2")


def test_p3_a_name_is_taken_within_its_organisation_only() -> None:
    chain = Chain()
    chain.accepted(chain.operator, body())
    assert chain.verdict(chain.operator, body(key=signing_key("newer"))) == refused("P3", 1)
    elsewhere = body(organisation="org-01", key=signing_key("newer"))
    assert chain.verdict(chain.members.operators["org-01"], elsewhere) == Accepted(values=(2,))


def test_p4_a_key_is_on_chain_once() -> None:
    chain = Chain()
    assert chain.verdict(chain.operator, body(key=chain.operator)) == refused("P4")
    assert chain.verdict(chain.operator, body(key=chain.members.services[min(chain.members.services)])) == refused("P4")
    chain.accepted(chain.operator, body())
    assert chain.verdict(chain.operator, body(name="other")) == refused("P4")


def test_p4_holds_within_one_block() -> None:
    chain = Chain()
    executed = chain.block(chain.sign(chain.operator, body()), chain.sign(chain.operator, body(name="other")))
    assert verdicts(executed) == [Accepted(values=(1,)), refused("P4")]


def test_p5_the_registry_has_a_last_number() -> None:
    chain = Chain(parameters=ChainParameters(participants_max=1))
    chain.accepted(chain.operator, body())
    further = body(name="other", key=signing_key("newer"))
    assert chain.verdict(chain.operator, further) == refused("P5", 1, 1)

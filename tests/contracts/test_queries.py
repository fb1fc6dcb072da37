"""Typed reads: what is there, and what is not."""

from contracts import queries
from ledger.blobs import LayoutFacts, ModelFacts
from ledger.quantities import ModelVersion, ParticipantId, RoundNumber, ValidatorId
from ledger.records import KeyRole, ParticipationRecord
from tests.consortium import signing_key
from tests.contracts.driver import Chain, digest
from tests.contracts.training import LAYOUT, LAYOUT_FACTS, MODEL, TASK, Training, task_spec


def test_genesis_is_readable() -> None:
    chain = Chain()
    genesis = chain.members.genesis
    assert queries.parameters(chain.state) == genesis.parameters
    assert queries.validators(chain.state).digest == genesis.validators.digest
    assert queries.era(chain.state) == (0, 1)
    assert [member.name for member in queries.organisations(chain.state)] == list(chain.members.organisations)
    own = queries.organisation(chain.state, "org-00")
    assert own is not None
    assert own.operator_key == chain.operator.public
    record = queries.key_record(chain.state, chain.operator.public)
    assert record is not None
    assert record.role is KeyRole.OPERATOR


def test_what_is_not_there_is_none() -> None:
    state = Chain().state
    assert queries.organisation(state, "nobody") is None
    assert queries.key_record(state, signing_key("nobody").public) is None
    assert queries.participant(state, ParticipantId(1)) is None
    assert queries.participant_number(state, "org-00", "nobody") is None
    assert queries.blob(state, LAYOUT) is None
    assert queries.task(state, TASK) is None
    assert queries.round_record(state, TASK, RoundNumber(1)) is None
    assert queries.attestation(state, TASK, RoundNumber(1), ValidatorId(0)) is None
    assert queries.model(state, TASK, ModelVersion(0)) is None


def test_what_has_not_begun_is_empty() -> None:
    state = Chain().state
    assert queries.participants_count(state) == queries.tasks_open(state) == 0
    assert list(queries.tasks(state)) == []
    assert list(queries.participants(state)) == []
    assert queries.participations(state, TASK, RoundNumber(1)) == {}
    assert queries.attestations(state, TASK, RoundNumber(1)) == {}
    assert queries.participation(state, TASK, RoundNumber(1), ParticipantId(1)) == ParticipationRecord()


def test_facts_are_those_of_the_kind_asked_for() -> None:
    state = Training().state
    assert queries.blob_facts(state, LAYOUT, LayoutFacts) == LAYOUT_FACTS
    assert queries.blob_facts(state, LAYOUT, ModelFacts) is None
    assert queries.blob_facts(state, MODEL, LayoutFacts) is None
    assert queries.blob_facts(state, digest("none"), LayoutFacts) is None


def test_participations_are_listed_by_registry_number() -> None:
    chain = Training(task_spec())
    chain.send_all([3, 1])
    found = queries.participations(chain.state, TASK, RoundNumber(1))
    assert list(found) == [1, 3]
    assert found[ParticipantId(3)] == chain.participation(3)


def test_rounds_of_tasks_with_similar_names_are_kept_apart() -> None:
    chain = Training(task_spec())
    chain.send_all([1])
    assert queries.participations(chain.state, TASK + "-2", RoundNumber(1)) == {}
    assert queries.participations(chain.state, TASK[:-1], RoundNumber(1)) == {}

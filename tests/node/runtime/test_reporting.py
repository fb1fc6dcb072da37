"""The duty to report: by turns, until the chain has the offence, and never for ever."""

from dataclasses import dataclass, field

from ledger.evidence import EraMembers, ProvenOffence, double_vote, verify_evidence
from ledger.parameters import ChainParameters
from ledger.quantities import Era, Height, ValidatorId
from ledger.transactions import Body, ReportEquivocation
from ledger.validators import ValidatorSet
from node.errors import MempoolFull
from node.runtime.reporting import AGAIN_TICKS, ATTEMPTS_MAX, PENDING_MAX, RANK_TICKS, Reporting
from tests.contracts.driver import Chain
from tests.ledger.contradictions import Signatory


@dataclass
class Me:
    validator: ValidatorId | None


@dataclass
class Node:
    """What the duty sees of a node, over a chain in memory."""

    chain: Chain
    member: Me
    submitted: list[Body] = field(default_factory=list)
    full: bool = False

    @property
    def validators(self) -> ValidatorSet:
        return self.chain.members.genesis.validators

    def submit(self, body: Body) -> None:
        self.submitted.append(body)
        if self.full:
            raise MempoolFull("mempool", expected="room", got="none")


def duty(who: int | None = 0, chain: Chain | None = None) -> tuple[Node, Reporting]:
    node = Node(chain or Chain(), Me(None if who is None else ValidatorId(who)))
    return node, Reporting(outbox=node, state=lambda: node.chain.state)  # type: ignore[arg-type]


def proven(chain: Chain, *, height: int = 3) -> ProvenOffence:
    liar = Signatory(2, key=chain.members.votes[ValidatorId(2)], chain_id=chain.chain_id)
    evidence = double_vote(liar.vote("a", height=height), liar.vote("b", height=height))
    members = EraMembers(
        era=Era(0), first_height=Height(1), last_height=None, validators=chain.members.genesis.validators
    )
    return verify_evidence(evidence, members, chain_id=chain.chain_id)


def ticks(reporting: Reporting, count: int) -> None:
    for _ in range(count):
        reporting.tick()


def test_the_first_in_rank_reports_at_once_and_once() -> None:
    node, reporting = duty()
    found = proven(node.chain)
    reporting.on_evidence(found)
    reporting.on_evidence(found)
    ticks(reporting, AGAIN_TICKS)
    assert node.submitted == [ReportEquivocation(evidence=found.evidence)]


def test_the_others_leave_it_time() -> None:
    node, reporting = duty(2)
    reporting.on_evidence(proven(node.chain))
    ticks(reporting, 2 * RANK_TICKS)
    assert not node.submitted
    ticks(reporting, 1)
    assert len(node.submitted) == 1


def test_what_the_chain_has_is_not_reported() -> None:
    chain = Chain()
    found = proven(chain)
    chain.accepted(chain.members.services[ValidatorId(0)], ReportEquivocation(evidence=found.evidence))
    node, reporting = duty(0, chain)
    reporting.on_evidence(found)
    ticks(reporting, 3)
    assert not node.submitted


def test_who_has_enough_on_record_is_reported_no_more() -> None:
    chain = Chain(parameters=ChainParameters(offender_evidence_max=1))
    chain.accepted(
        chain.members.services[ValidatorId(0)], ReportEquivocation(evidence=proven(chain, height=9).evidence)
    )
    node, reporting = duty(0, chain)
    reporting.on_evidence(proven(chain))
    ticks(reporting, 3)
    assert not node.submitted


def test_what_is_refused_is_tried_again_a_few_times() -> None:
    node, reporting = duty()
    node.full = True
    reporting.on_evidence(proven(node.chain))
    ticks(reporting, 2 * ATTEMPTS_MAX * (AGAIN_TICKS + 1))
    assert len(node.submitted) == ATTEMPTS_MAX
    assert not reporting._waiting


def test_a_learner_reports_nothing() -> None:
    node, reporting = duty(None)
    reporting.on_evidence(proven(node.chain))
    ticks(reporting, 3 * AGAIN_TICKS)
    assert not node.submitted


def test_what_waits_is_bounded() -> None:
    node, reporting = duty()
    for height in range(PENDING_MAX + 3):
        reporting.on_evidence(proven(node.chain, height=height))
    assert len(reporting._waiting) == PENDING_MAX

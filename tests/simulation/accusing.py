"""The auditor: from what honest replicas hold, who is guilty? And runs with more Byzantine ones than may be.

Up to f of them can do no harm. With f + 1, agreement may break, and then all that is promised is that those who broke
it are named: at least f + 1, and nobody else.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

from msgspec.structs import replace

from consensus.errors import StateDivergence
from consensus.messages import Finality, Message, NewView, ViewChange, Votes
from consensus.new_view import EraContext
from consensus.records import EnteredRecord, PreparedRecord, PrePrepareRecord, decode_record
from ledger.certificates import CertifiedBlock, CommitCertificate, PreparedCertificate
from ledger.errors import InvalidEvidence
from ledger.evidence import (
    Amnesia,
    EraMembers,
    Evidence,
    ProvenOffence,
    SignedVote,
    double_new_view,
    double_view_change,
    double_vote,
    verify_evidence,
)
from ledger.hashing import Digest
from ledger.quantities import Height, ValidatorId
from ledger.votes import Vote, VoteKind, VoteProof
from tests.simulation.checker import Checker
from tests.simulation.faults import Faults
from tests.simulation.node import Node
from tests.simulation.world import World

ITEMS = [f"item {number}".encode() for number in range(4)]
SECONDS = 12.0


class Transcript:
    """Everything that some replicas hold of what anybody has signed, by who signed it."""

    def __init__(self) -> None:
        self._votes: dict[ValidatorId, set[SignedVote]] = defaultdict(set)
        self._view_changes: dict[ValidatorId, dict[Digest, ViewChange]] = defaultdict(dict)
        self._new_views: dict[ValidatorId, set[NewView]] = defaultdict(set)

    def read(self, node: Node) -> None:
        """Take in a replica's chain and vote log."""
        for certified in node.disk.blocks:
            if certified.certificate is not None:
                self.take_commits(certified.certificate)
        for data in node.disk.records:
            match decode_record(data):
                case PrePrepareRecord(vote=vote, proof=proof):
                    self._votes[proof.validator].add(SignedVote(vote=vote, proof=proof))
                case PreparedRecord(certificate=certificate):
                    self._take_prepared(certificate)
                case EnteredRecord(new_view=new_view, view_changes=changes):
                    self._new_views[new_view.payload.validator].add(new_view)
                    for change in changes:
                        self._take_change(change)
                case _:
                    pass

    def hear(self, message: Message) -> None:
        """Take in what was said on the wire."""
        match message:
            case Votes(bundle=bundle):
                for vote, proof in bundle.proofs():
                    self._votes[bundle.validator].add(SignedVote(vote=vote, proof=proof))
            case ViewChange():
                self._take_change(message)
            case NewView():
                self._new_views[message.payload.validator].add(message)
            case Finality(certificate=certificate):
                self.take_commits(certificate)
            case _:
                pass

    def evidence(self) -> Iterator[Evidence]:
        """Yield every pair that could convict somebody: most of them do not."""
        for votes in self._votes.values():
            places: dict[tuple[int, int], list[SignedVote]] = defaultdict(list)
            for signed in votes:
                places[signed.vote.view, signed.vote.height].append(signed)
            for here in places.values():
                yield from (double_vote(one, other) for one, other in combinations(here, 2))
        for who, changes in self._view_changes.items():
            statements = [change.signed for change in changes.values()]
            yield from (double_view_change(one, other) for one, other in combinations(statements, 2))
            for signed in self._votes[who]:
                if signed.vote.kind is VoteKind.COMMIT:
                    yield from (Amnesia(commit=signed, view_change=change) for change in statements)
        for starts in self._new_views.values():
            yield from (double_new_view(one.signed, other.signed) for one, other in combinations(starts, 2))

    def take_commits(self, certificate: CommitCertificate) -> None:
        """Take in a commit certificate."""
        vote = Vote(
            kind=VoteKind.COMMIT,
            era=certificate.era,
            view=certificate.view,
            height=certificate.height,
            digest=certificate.digest,
        )
        self._votes_of(vote, certificate.commits)

    def _take_prepared(self, held: PreparedCertificate) -> None:
        header = held.header
        vote = Vote(kind=VoteKind.PREPARE, era=header.era, view=held.view, height=header.height, digest=header.digest)
        self._votes_of(replace(vote, kind=VoteKind.PRE_PREPARE), [held.pre_prepare])
        self._votes_of(vote, held.prepares)

    def _votes_of(self, vote: Vote, proofs: Iterable[VoteProof]) -> None:
        for proof in proofs:
            self._votes[proof.validator].add(SignedVote(vote=vote, proof=proof))

    def _take_change(self, change: ViewChange) -> None:
        payload = change.payload
        self._view_changes[payload.validator][payload.digest] = change
        if payload.certificate is not None:
            self.take_commits(payload.certificate)
        for held in payload.prepared:
            self._take_prepared(held)


def prove(transcript: Transcript, context: EraContext) -> list[ProvenOffence]:
    """Return what a transcript proves, all of it verified."""
    members = EraMembers(
        era=context.era, first_height=context.first_height, last_height=None, validators=context.validators
    )
    proven = []
    for evidence in transcript.evidence():
        try:
            proven.append(verify_evidence(evidence, members, chain_id=context.chain_id))
        except InvalidEvidence:
            continue
    return proven


class _Onlooker(Checker):
    """Sees agreement break and says nothing: it is not promised here."""

    def on_append(self, who: ValidatorId, head: Height, blocks: list[CertifiedBlock]) -> None:
        """Let it be."""


class LawlessWorld(World):
    """A world with f + 1 twins; a replica that sees the chain contradict itself stops."""

    other_side: list[Node]
    """Processes that the rest hears nothing of."""

    def __post_init__(self) -> None:
        World.__post_init__(self)
        self.other_side = []
        self.checker = _Onlooker(rules=self.rules, chain_id=self.checker.chain_id, genesis=self.checker.genesis)

    @property
    def has_split(self) -> bool:
        """Whether two honest replicas have appended different blocks at one height."""
        chains = [[certified.block.digest for certified in node.disk.blocks] for node in self.honest]
        return any(one != other for a, b in combinations(chains, 2) for one, other in zip(a, b, strict=False))

    def _turn(self, node: Node) -> None:
        try:
            World._turn(self, node)
        except StateDivergence as error:
            node.kill(self.chance)
            self.note(f"{node.id} stops: {error}")

    def _transmit(self, node: Node, peer: Node, message: Message) -> None:
        sides = [any(one is process for process in self.other_side) for one in (node, peer)]
        if sides[0] == sides[1]:
            World._transmit(self, node, peer, message)

    def accuse(self) -> list[ProvenOffence]:
        """Return what the honest replicas can prove together."""
        transcript = Transcript()
        for node in self.honest:
            transcript.read(node)
        return prove(transcript, self.context)


def lawless(seed: int, *, size: int, window: int = 1) -> LawlessWorld:
    """Run as many twins as two quorums may share, each with one face for each half of the honest ones.

    The halves hear nothing of each other.
    """
    world = LawlessWorld(size=size, seed=seed, window=window, faults=Faults(delay=0.02, loss=0.02))
    chance, validators = world.chance, world.context.validators
    count = max(validators.weak_quorum, 2 * validators.quorum - size)  # two quorums share so many at least
    twins = chance.sample(range(size), count)
    honest = [ValidatorId(who) for who in range(size) if who not in twins]
    other = frozenset(chance.sample(honest, len(honest) // 2))
    for who in twins:
        world.add_twin(ValidatorId(who), frozenset(validators.ids) - {who})
        world.nodes[who].audience = None
    world.other_side = [node for node in world.nodes[:size] if node.id in other] + world.nodes[size:]
    if chance.random() < 0.7:  # some phases reach one half only, for a while: then the halves decide in different views
        kind = chance.choice(["PRE_PREPARE", "PREPARE", "COMMIT", "Proposal"])
        world.censored |= {(kind, who) for who in other}
        world.at(chance.uniform(1.0, 4.0), world.censored.clear)
    world.start_all()
    for number, item in enumerate(ITEMS):
        for node in world.nodes:
            world.at(chance.uniform(0.0, 1.0) + number, world.submit, node, item)
    world.run(SECONDS)
    return world

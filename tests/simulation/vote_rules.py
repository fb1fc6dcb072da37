"""What an honest validator may write to its vote log and say, checked by code that shares nothing with the engine.

Fed with what is written, with what of it became durable, and with every vote on its way out. A violation shows at the
first wrong vote, not only once enough of them have split the chain:

durable       what leaves is in a vote log that was synced; so are the body, the pre-prepare, the certificate under it
primary       the primary alone pre-prepares, and never prepares
prepared      a commit rests on a pre-prepare and a quorum less one of backups' prepares, of that very view
prefix        a commit for h follows the appended h-1, or a commit of the same view for the parent that it names
base          no vote at or below the block that its view began from, nor before that block is appended
choice        at the heights that NEW-VIEW carried over, nothing else is voted for
purity        a NEW-VIEW that is entered is what its view changes lead to, of a quorum, all for that view
era           no vote for a child of the block that ends an era, before it is appended
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from consensus.records import (
    BodyRecord,
    EnteredRecord,
    PreparedRecord,
    PrePrepareRecord,
    Record,
    VotesRecord,
)
from ledger.blocks import BlockHeader
from ledger.quantities import Era, ValidatorId
from ledger.votes import Vote, VoteKind
from tests.simulation import verifier
from tests.simulation.verifier import Electorate, Refused
from tests.simulation.violation import Violation

INVARIANTS = {BodyRecord: "body", PrePrepareRecord: "primary", PreparedRecord: "prepared", EnteredRecord: "purity"}
"""What a record that does not verify breaks."""

Place = tuple[int, int, int]
"""Era, view, height."""


@dataclass(slots=True)
class Start:
    """Where a view began for one validator."""

    base: int
    choices: dict[int, bytes]


@dataclass(slots=True)
class Facts:
    """What the disk of one validator holds, or has held, durably."""

    bodies: set[bytes] = field(default_factory=set)
    pre_prepared: set[tuple[Place, bytes]] = field(default_factory=set)
    prepared: set[tuple[Place, bytes]] = field(default_factory=set)
    votes: set[Vote] = field(default_factory=set)
    starts: dict[tuple[int, int], Start] = field(default_factory=dict)
    """By era and view."""
    committed: set[tuple[Place, bytes]] = field(default_factory=set)
    """Commits that were said."""
    head: int = 0
    head_digest: bytes = b""


class VoteRules:
    """The rules, for all honest validators of a run."""

    def __init__(self, *, genesis: BlockHeader, chain_id: bytes) -> None:
        self._chain_id = chain_id
        self._genesis = verifier.digest_of(genesis)
        self._headers: dict[bytes, BlockHeader] = {self._genesis: genesis}
        self._facts: dict[ValidatorId, Facts] = {}
        self.electorates: dict[Era, Electorate] = {}
        """Who votes in an era: given by the run as the chain gets there."""

    def facts(self, who: ValidatorId) -> Facts:
        """Return what is known of a validator."""
        return self._facts.setdefault(who, Facts(head_digest=self._genesis))

    def on_append(self, who: ValidatorId, headers: Iterable[BlockHeader]) -> None:
        """Note what a validator has appended."""
        facts = self.facts(who)
        for header in headers:
            facts.head, facts.head_digest = header.height, verifier.digest_of(header)
            self._headers[facts.head_digest] = header

    def on_synced(self, who: ValidatorId, records: Iterable[Record]) -> None:
        """Check what has become durable, in order; again after each start, with all that the log holds."""
        for record in records:
            try:
                self._take(self.facts(who), record)
            except Refused as error:
                raise Violation(f"{INVARIANTS[type(record)]}: a record of {who}: {error}") from error

    def on_vote(self, who: ValidatorId, vote: Vote) -> None:
        """Check a vote that leaves an honest validator, be it for the first time or again."""
        facts = self.facts(who)
        place = (vote.era, vote.view, vote.height)
        if vote not in facts.votes:
            raise Violation(f"durable: {who} says {_name(vote)}, which no synced log holds")
        if vote.height > facts.head:
            self._check_start(who, facts, vote)
            self._check_header(who, facts, vote)
        is_primary = who == self.electorates[vote.era].primary(vote.view)
        if vote.kind is VoteKind.COMMIT:
            self._check_commit(who, facts, vote)
            facts.committed.add((place, vote.digest))
        elif is_primary is not (vote.kind is VoteKind.PRE_PREPARE):
            raise Violation(f"primary: {who} says {_name(vote)}")
        elif vote.kind is VoteKind.PREPARE and (place, vote.digest) not in facts.pre_prepared:
            raise Violation(f"durable: {who} says {_name(vote)}, and no synced log holds the pre-prepare")

    def _electorate(self, era: Era) -> Electorate:
        electorate = self.electorates.get(era)
        if electorate is None:
            raise Refused(f"era {era} has not begun")
        return electorate

    def _check_start(self, who: ValidatorId, facts: Facts, vote: Vote) -> None:
        if vote.view == 0:
            return
        start = facts.starts.get((vote.era, vote.view))
        if start is None:
            raise Violation(f"durable: {who} says {_name(vote)} and has entered no such view")
        if vote.height <= start.base or facts.head < start.base:
            raise Violation(f"base: {who} says {_name(vote)} at head {facts.head}, base {start.base}")
        if vote.kind is not VoteKind.COMMIT and start.choices.get(vote.height, vote.digest) != vote.digest:
            raise Violation(f"choice: {who} says {_name(vote)} against what NEW-VIEW carried over")

    def _check_header(self, who: ValidatorId, facts: Facts, vote: Vote) -> None:
        if vote.digest not in facts.bodies:
            raise Violation(f"durable: {who} says {_name(vote)}, and no synced log holds the body")
        header = self._headers[vote.digest]
        parent = self._headers.get(header.parent)
        expected = (vote.era, vote.height)
        if (header.era, header.height) != expected:
            raise Violation(f"era: {who} says {_name(vote)} for a block of era {header.era} at {header.height}")
        if parent is not None and parent.validators != parent.next_validators and parent.height > facts.head:
            raise Violation(f"era: {who} says {_name(vote)} before it has appended the last block of the era before")

    def _check_commit(self, who: ValidatorId, facts: Facts, vote: Vote) -> None:
        place = (vote.era, vote.view, vote.height)
        if (place, vote.digest) in facts.committed:
            return  # said before, and resent
        if (place, vote.digest) not in facts.prepared:
            raise Violation(f"prepared: {who} says {_name(vote)}, and no synced log holds its certificate")
        parent = self._headers[vote.digest].parent
        below = (vote.era, vote.view, vote.height - 1)
        if facts.head_digest != parent and (below, parent) not in facts.committed and vote.height > facts.head:
            raise Violation(f"prefix: {who} says {_name(vote)}, its parent neither appended nor committed in the view")

    def _take(self, facts: Facts, record: Record) -> None:
        match record:
            case BodyRecord():
                verifier.check_block(record.block)
                digest = verifier.digest_of(record.block.header)
                self._headers[digest] = record.block.header
                facts.bodies.add(digest)
            case PrePrepareRecord():
                vote = record.vote
                electorate = self._electorate(vote.era)
                primary = electorate.primary(vote.view)
                if vote.kind is not VoteKind.PRE_PREPARE or record.proof.validator != primary:
                    raise Refused(f"primary: {vote.kind.name} of {record.proof.validator}, not of {primary}")
                verifier.check_vote(record.proof, vote, electorate, self._chain_id)
                facts.pre_prepared.add(((vote.era, vote.view, vote.height), vote.digest))
            case PreparedRecord():
                held = record.certificate
                verifier.check_prepared(held, self._electorate(held.header.era), self._chain_id)
                place = (held.header.era, held.view, held.header.height)
                facts.prepared.add((place, verifier.digest_of(held.header)))
            case EnteredRecord():
                payload = record.new_view.payload
                base, choices = verifier.check_new_view(
                    record.new_view, record.view_changes, self._electorate(payload.era), self._chain_id
                )
                facts.starts[payload.era, payload.view] = Start(base=base, choices=choices)
            case VotesRecord():
                facts.votes.update(record.votes)
            case _:
                pass


def _name(vote: Vote) -> str:
    return f"{vote.kind.name} of {vote.digest.hex()[:8]} at {vote.height} in view {vote.view} of era {vote.era}"

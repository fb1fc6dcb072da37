"""Signs anything as anybody: chains of blocks, votes, certificates, view changes and new views for one era."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from consensus.messages import Choice, NewView, NewViewPayload, ViewChange, ViewChangePayload, Votes
from consensus.new_view import EraContext, choose
from ledger.blocks import Block, BlockHeader
from ledger.certificates import CertifiedBlock, CommitCertificate, PreparedCertificate
from ledger.encoding import Purpose, encode
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Height, TimeMs, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind, VoteProof
from tests.simulation.chain import era_context, genesis_header, vote_key
from tests.simulation.toy import build_header


def validator_ids(numbers: Iterable[int]) -> tuple[ValidatorId, ...]:
    """Return numbers as ids."""
    return tuple(ValidatorId(number) for number in numbers)


@dataclass(slots=True)
class Forge:
    """All keys of an era, and blocks to sign."""

    size: int = 4
    window: int = 1
    context: EraContext = field(init=False)
    genesis: BlockHeader = field(init=False)

    def __post_init__(self) -> None:
        self.context = era_context(self.size, window=self.window)
        self.genesis = genesis_header(self.context.validators)

    @property
    def ids(self) -> tuple[ValidatorId, ...]:
        """All validators."""
        return self.context.validators.ids

    @property
    def quorum(self) -> int:
        """Size of a quorum."""
        return self.context.validators.quorum

    def key(self, who: int) -> SigningKey:
        """Return a validator's vote key."""
        return vote_key(who)

    def primary(self, view: int) -> ValidatorId:
        """Return the primary of a view."""
        return self.context.primary(View(view))

    def backups(self, view: int) -> tuple[ValidatorId, ...]:
        """Return everybody but the primary of a view."""
        return tuple(who for who in self.ids if who != self.primary(view))

    def block(self, parent: BlockHeader, *items: bytes, proposer: int | None = None, delay_ms: int = 1) -> Block:
        """Return a block on a parent; by the primary of view 0 unless another proposer is named."""
        header = build_header(
            parent,
            list(items),
            time=TimeMs(parent.time + delay_ms),
            proposer=self.primary(0) if proposer is None else ValidatorId(proposer),
        )
        return Block(header=header, transactions=items)

    def chain(self, length: int, *, parent: BlockHeader | None = None, name: str = "chain") -> list[Block]:
        """Return so many blocks on a parent, or on genesis."""
        blocks: list[Block] = []
        header = parent or self.genesis
        for _ in range(length):
            blocks.append(self.block(header, f"{name} {header.height + 1}".encode()))
            header = blocks[-1].header
        return blocks

    def vote(self, kind: VoteKind, header: BlockHeader, view: int = 0) -> Vote:
        """Return a vote for a block."""
        return Vote(kind=kind, era=header.era, view=View(view), height=header.height, digest=header.digest)

    def votes(self, who: int, *votes: Vote) -> Votes:
        """Return a message with signed votes."""
        bundle = VoteBundle.sign(votes, validator=ValidatorId(who), key=self.key(who), chain_id=self.context.chain_id)
        return Votes(bundle=bundle)

    def proof(self, who: int, vote: Vote) -> VoteProof:
        """Return a validator's signature under a single vote."""
        ((_, proof),) = self.votes(who, vote).bundle.proofs()
        return proof

    def pre_prepare(self, header: BlockHeader, view: int = 0) -> Votes:
        """Return the primary's pre-prepare."""
        return self.votes(self.primary(view), self.vote(VoteKind.PRE_PREPARE, header, view))

    def prepare(self, who: int, header: BlockHeader, view: int = 0) -> Votes:
        """Return a prepare."""
        return self.votes(who, self.vote(VoteKind.PREPARE, header, view))

    def commit(self, who: int, header: BlockHeader, view: int = 0) -> Votes:
        """Return a commit."""
        return self.votes(who, self.vote(VoteKind.COMMIT, header, view))

    def certificate(
        self, header: BlockHeader, view: int = 0, *, signers: Sequence[int] | None = None
    ) -> CommitCertificate:
        """Return a commit certificate, of the first quorum unless signers are named."""
        vote = self.vote(VoteKind.COMMIT, header, view)
        who = self.ids[: self.quorum] if signers is None else validator_ids(signers)
        return CommitCertificate(
            era=header.era,
            view=View(view),
            height=header.height,
            digest=header.digest,
            commits=tuple(self.proof(one, vote) for one in who),
        )

    def certified(self, block: Block, view: int = 0) -> CertifiedBlock:
        """Return a block with its certificate."""
        return CertifiedBlock(block=block, certificate=self.certificate(block.header, view))

    def prepared(
        self, header: BlockHeader, view: int = 0, *, signers: Sequence[int] | None = None
    ) -> PreparedCertificate:
        """Return a prepared certificate, of the first backups unless signers are named."""
        who = self.backups(view)[: self.quorum - 1] if signers is None else validator_ids(signers)
        vote = self.vote(VoteKind.PREPARE, header, view)
        return PreparedCertificate(
            header=header,
            view=View(view),
            pre_prepare=self.proof(self.primary(view), self.vote(VoteKind.PRE_PREPARE, header, view)),
            prepares=tuple(self.proof(one, vote) for one in who),
        )

    def view_change(
        self,
        who: int,
        view: int,
        *,
        certificate: CommitCertificate | None = None,
        prepared: Sequence[PreparedCertificate] = (),
    ) -> ViewChange:
        """Return a signed VIEW-CHANGE."""
        payload = ViewChangePayload(
            validator=ValidatorId(who),
            era=self.context.era,
            view=View(view),
            certificate=certificate,
            prepared=tuple(prepared),
        )
        return self.sign_view_change(payload)

    def sign_view_change(self, payload: ViewChangePayload) -> ViewChange:
        """Sign whatever a VIEW-CHANGE says, as whom it names."""
        signature = self.key(payload.validator).sign(
            Purpose.VIEW_CHANGE, encode(payload.statement), chain_id=self.context.chain_id
        )
        return ViewChange(payload=payload, signature=signature)

    def view_changes(self, view: int, **content: object) -> tuple[ViewChange, ...]:
        """Return a quorum of equal view changes, of the last validators."""
        return tuple(self.view_change(who, view, **content) for who in self.ids[-self.quorum :])  # type: ignore[arg-type]

    def new_view(self, view_changes: Sequence[ViewChange], *, view: int | None = None) -> NewView:
        """Return the NEW-VIEW that follows from view changes."""
        start = choose(self.context, view_changes)
        number = view_changes[0].payload.view if view is None else View(view)
        return self.sign_new_view(
            NewViewPayload(
                validator=self.primary(number),
                era=self.context.era,
                view=number,
                view_changes=tuple(change.payload.digest for change in view_changes),
                base=start.base,
                choices=start.choices,
            )
        )

    def sign_new_view(self, payload: NewViewPayload) -> NewView:
        """Sign whatever a NEW-VIEW says, as whom it names."""
        signature = self.key(payload.validator).sign(
            Purpose.NEW_VIEW, encode(payload.statement), chain_id=self.context.chain_id
        )
        return NewView(payload=payload, signature=signature)


def choice(header: BlockHeader) -> Choice:
    """Name a block by height and digest."""
    return Choice(height=Height(header.height), digest=Digest(header.digest))

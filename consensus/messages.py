"""What replicas send each other. Votes and certificates are nouns of the ledger; here is what carries them.

| message           | from         | to              | purpose                                                     |
|-------------------|--------------|-----------------|-------------------------------------------------------------|
| Votes             | any          | all             | pre-prepares, prepares and commits of one loop turn         |
| Proposal          | any          | all, or asker   | body of a block that a vote or NEW-VIEW names by digest     |
| ViewChange        | any          | all             | I give up on the primary; here is what I have prepared      |
| NewView           | new primary  | all             | the q view changes that start the view, and what follows    |
| Finality          | any          | who seems late  | a commit certificate                                        |
| Status            | any          | all             | heartbeat: head and view; heights are hints only            |
| FetchBlocks       | who is late  | one             | blocks from a height on                                     |
| Blocks            | any          | asker           | blocks, each with its own or a descendant's certificate     |
| FetchBody         | any          | all             | body of a block by digest                                   |
| FetchViewChanges  | any          | all             | view changes that a NEW-VIEW names                          |
| FetchNewView      | any          | one             | NEW-VIEW of a view that a peer says is active               |
| Accusation        | any          | all             | evidence of equivocation                                    |
| Heard             | any          | one, or all     | votes heard at a place where others have heard other ones   |
| Complaint         | any          | all             | I would leave this view, for its primary, if f others would |
| Pong              | any          | who sent Status | how long a round trip takes: patience follows from it       |
"""

from functools import cached_property
from typing import Annotated, TypeAlias

from msgspec import Meta

from ledger.blocks import Block
from ledger.certificates import CertifiedBlock, CommitCertificate, PreparedCertificate
from ledger.encoding import Noun, encode
from ledger.evidence import Evidence, SignedVote
from ledger.hashing import Digest, DigestField, sha256
from ledger.keys import PublicKey, SignatureField
from ledger.quantities import (
    U16,
    U63,
    VALIDATORS_MAX,
    EraField,
    Height,
    HeightField,
    ValidatorField,
    ViewField,
)
from ledger.statements import (
    WINDOW_MAX,
    NewViewStatement,
    PreparedClaim,
    SignedNewView,
    SignedViewChange,
    ViewChangeStatement,
)
from ledger.votes import VoteBundle

BLOCKS_ASKED = 64
"""Blocks asked for at a time."""
BLOCKS_MAX = 2 * WINDOW_MAX
"""Most blocks in an answer: as many as one certificate can finalise at once, for those have none of their own."""


class Votes(Noun, frozen=True, kw_only=True, tag=1):
    """Votes under one signature."""

    bundle: VoteBundle


class Proposal(Noun, frozen=True, kw_only=True, tag=2):
    """Body of a block; the vote that assigns it to a view comes beside it."""

    block: Block


class ViewChangePayload(Noun, frozen=True, kw_only=True, dict=True):
    """What a VIEW-CHANGE says (OSDI 1999, 4.4), with headers so that chains can be followed."""

    validator: ValidatorField
    era: EraField
    view: ViewField
    """View to be entered."""
    certificate: CommitCertificate | None
    """Of the last appended block; None when that is the one before the era's first."""
    prepared: Annotated[tuple[PreparedCertificate, ...], Meta(max_length=WINDOW_MAX)]
    """For each height above that, in ascending order, the certificate prepared in the highest view."""

    @cached_property
    def digest(self) -> Digest:
        """What a NEW-VIEW names it by; leaves the signature out."""
        return sha256(encode(self))

    @cached_property
    def statement(self) -> ViewChangeStatement:
        """What is signed."""
        claims = (
            PreparedClaim(height=held.header.height, view=held.view, digest=held.header.digest)
            for held in self.prepared
        )
        return ViewChangeStatement(
            validator=self.validator,
            era=self.era,
            view=self.view,
            head=None if self.certificate is None else self.certificate.height,
            prepared=tuple(claims),
            payload=self.digest,
        )


class ViewChange(Noun, frozen=True, kw_only=True, tag=3):
    """A signed VIEW-CHANGE; built once and resent byte for byte."""

    payload: ViewChangePayload
    signature: SignatureField

    @property
    def signed(self) -> SignedViewChange:
        """What may be shown to anybody."""
        return SignedViewChange(statement=self.payload.statement, signature=self.signature)

    def verify_signature(self, key: PublicKey, *, chain_id: Digest) -> None:
        """Raise InvalidSignature unless `key` signed the payload's statement."""
        self.signed.verify(key, chain_id=chain_id)


class Choice(Noun, frozen=True, kw_only=True):
    """A block that a NEW-VIEW carries over."""

    height: HeightField
    digest: DigestField


class NewViewPayload(Noun, frozen=True, kw_only=True, dict=True):
    """What a NEW-VIEW says: which view changes it rests on, and what follows from them."""

    validator: ValidatorField
    era: EraField
    view: ViewField
    view_changes: Annotated[tuple[DigestField, ...], Meta(max_length=VALIDATORS_MAX)]
    """Digests of exactly a quorum of payloads, sorted by validator."""
    base: Choice
    """Highest certified block among them: nobody votes at or below it in this view."""
    choices: Annotated[tuple[Choice, ...], Meta(max_length=WINDOW_MAX)]
    """Blocks to be proposed again, at the heights just above the base."""

    @cached_property
    def statement(self) -> NewViewStatement:
        """What is signed."""
        return NewViewStatement(validator=self.validator, era=self.era, view=self.view, payload=sha256(encode(self)))


class NewView(Noun, frozen=True, kw_only=True, tag=4):
    """A signed NEW-VIEW."""

    payload: NewViewPayload
    signature: SignatureField

    @property
    def signed(self) -> SignedNewView:
        """What may be shown to anybody."""
        return SignedNewView(statement=self.payload.statement, signature=self.signature)

    def verify_signature(self, key: PublicKey, *, chain_id: Digest) -> None:
        """Raise InvalidSignature unless `key` signed the payload's statement."""
        self.signed.verify(key, chain_id=chain_id)


class Finality(Noun, frozen=True, kw_only=True, tag=5):
    """A commit certificate, for whoever still votes at its height."""

    certificate: CommitCertificate


class Status(Noun, frozen=True, kw_only=True, tag=6):
    """Heartbeat."""

    era: EraField
    view: ViewField
    """View that is active here; the last active one while changing."""
    head: HeightField
    base: HeightField = Height(0)
    """Height up to which this replica has no blocks, having joined from a snapshot: a hint too."""
    sent: U63 | None = None
    """Microseconds on the sender's own clock, for the answer; None where an answer would measure nothing."""


class FetchBlocks(Noun, frozen=True, kw_only=True, tag=7):
    """Ask for blocks from a height upwards."""

    start: HeightField
    count: U16


class Blocks(Noun, frozen=True, kw_only=True, tag=8):
    """Consecutive blocks; the last one has a certificate."""

    blocks: Annotated[tuple[CertifiedBlock, ...], Meta(max_length=BLOCKS_MAX)]


class FetchBody(Noun, frozen=True, kw_only=True, tag=9):
    """Ask for the body of a block in flight."""

    digest: DigestField


class FetchViewChanges(Noun, frozen=True, kw_only=True, tag=10):
    """Ask for view changes by the digests of their payloads."""

    digests: Annotated[tuple[DigestField, ...], Meta(max_length=VALIDATORS_MAX)]


class FetchNewView(Noun, frozen=True, kw_only=True, tag=11):
    """Ask for the NEW-VIEW of a view."""

    era: EraField
    view: ViewField


class Accusation(Noun, frozen=True, kw_only=True, tag=12):
    """Evidence of equivocation: each piece is sent once by whoever comes to hold it."""

    evidence: Evidence


class Heard(Noun, frozen=True, kw_only=True, tag=25):
    """Votes of one view at one height that the sender has heard, for whoever seems to have heard others."""

    votes: Annotated[tuple[SignedVote, ...], Meta(max_length=2 * VALIDATORS_MAX)]


class Complaint(Noun, frozen=True, kw_only=True, tag=22):
    """The sender finds the primary of a view late, slow or silent, and stays in the view until f+1 find so."""

    era: EraField
    view: ViewField


class Pong(Noun, frozen=True, kw_only=True, tag=21):
    """Answer to a heartbeat."""

    sent: U63
    """As it was in the Status."""


Message: TypeAlias = (
    Votes
    | Proposal
    | ViewChange
    | NewView
    | Finality
    | Status
    | FetchBlocks
    | Blocks
    | FetchBody
    | FetchViewChanges
    | FetchNewView
    | Accusation
    | Heard
    | Complaint
    | Pong
)

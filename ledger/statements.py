"""What the signature of a VIEW-CHANGE or NEW-VIEW covers: a statement small enough to be shown to anybody.

The message itself carries certificates, at most 64 of them with a quorum of signatures each: far more than fits into a
transaction. So the signature covers its digest and the few numbers that can contradict something else its sender has
signed, and evidence needs nothing but the statement. It follows from the message, so the two cannot differ.
"""

from typing import Annotated

from msgspec import Meta

from ledger.encoding import Noun, Purpose, encode
from ledger.hashing import Digest, DigestField
from ledger.keys import PublicKey, SignatureField, verify
from ledger.quantities import EraField, HeightField, ValidatorField, ViewField

WINDOW_MAX = 64
"""Most blocks in flight above the appended head, thus most prepared certificates in a VIEW-CHANGE."""


class PreparedClaim(Noun, frozen=True, kw_only=True):
    """A prepared certificate that a VIEW-CHANGE carries."""

    height: HeightField
    view: ViewField
    digest: DigestField
    """Of the block's header."""


class ViewChangeStatement(Noun, frozen=True, kw_only=True):
    """What a VIEW-CHANGE says, in brief."""

    validator: ValidatorField
    era: EraField
    view: ViewField
    """View to be entered."""
    head: HeightField | None
    """Height of its commit certificate; None for the block before the era's first."""
    prepared: Annotated[tuple[PreparedClaim, ...], Meta(max_length=WINDOW_MAX)]
    payload: DigestField
    """Digest of all that the message says."""


class SignedViewChange(Noun, frozen=True, kw_only=True):
    """The statement of a VIEW-CHANGE, as it was signed."""

    statement: ViewChangeStatement
    signature: SignatureField

    def verify(self, key: PublicKey, *, chain_id: Digest) -> None:
        """Raise InvalidSignature unless `key` signed this."""
        verify(key, self.signature, Purpose.VIEW_CHANGE, encode(self.statement), chain_id=chain_id)


class NewViewStatement(Noun, frozen=True, kw_only=True):
    """What a NEW-VIEW says, in brief."""

    validator: ValidatorField
    era: EraField
    view: ViewField
    """View that it starts."""
    payload: DigestField
    """Digest of all that the message says."""


class SignedNewView(Noun, frozen=True, kw_only=True):
    """The statement of a NEW-VIEW, as it was signed."""

    statement: NewViewStatement
    signature: SignatureField

    def verify(self, key: PublicKey, *, chain_id: Digest) -> None:
        """Raise InvalidSignature unless `key` signed this."""
        verify(key, self.signature, Purpose.NEW_VIEW, encode(self.statement), chain_id=chain_id)

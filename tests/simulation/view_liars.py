"""Byzantine validators that lie about views: real engines, but their VIEW-CHANGEs and NEW-VIEWs leave as others.

Each holds its own key only. What it claims of others' votes is forged, or was theirs in another place.

forger      VIEW-CHANGEs with prepared certificates that never were, of another view or block, or left out; old
            certificates for its head; as primary, NEW-VIEWs that begin elsewhere than their view changes lead to
two-faced   tells the next primaries one VIEW-CHANGE and everybody else another one, both valid, before anybody has
            given a view up; starts no view itself
crier       calls for the next views, and finds fault with this one, all the time
"""

import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from consensus.messages import (
    Choice,
    Complaint,
    Message,
    NewView,
    NewViewPayload,
    Status,
    ViewChange,
    ViewChangePayload,
)
from consensus.new_view import EraContext
from ledger.blocks import BlockHeader
from ledger.certificates import PreparedCertificate
from ledger.hashing import sha256
from ledger.keys import Signature, SigningKey
from ledger.quantities import Era, Height, TimeMs, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind, VoteProof
from tests.simulation.byzantine import Liar

UNSIGNED = Signature(bytes(64))
VIEWS_AHEAD = 3
"""How many views ahead of its own engine a validator cries, or shows its two faces."""


class ViewLiar(Liar):
    """What they have in common."""

    def __init__(
        self,
        *,
        chance: random.Random,
        validator: ValidatorId,
        key: SigningKey,
        context: EraContext,
        rate: float,
        head: Callable[[], BlockHeader],
    ) -> None:
        super().__init__(chance=chance, validator=validator, key=key, chain_id=context.chain_id, rate=rate)
        self._context = context
        self._head = head

    def _changed(self, change: ViewChange, **fields: Any) -> ViewChange:
        """Return a VIEW-CHANGE with something else in it, signed."""
        changed = self.sign(replace(change, payload=replace(change.payload, **fields)))
        assert isinstance(changed, ViewChange)
        return changed


class Forger(ViewLiar):
    """Lies about what was prepared, and about what follows from it."""

    def say(self, message: Message, to: ValidatorId) -> list[Message]:
        """Return what one peer hears instead of a message."""
        del to
        if self._chance.random() >= self._rate:
            return [message]
        match message:
            case ViewChange() if message.payload.validator == self._validator:
                return [self._changed(message, **self._untrue(message.payload))]
            case NewView() if message.payload.validator == self._validator:
                return [self.sign(replace(message, payload=self._elsewhere(message.payload)))]
            case _:
                return [message]

    def _untrue(self, payload: ViewChangePayload) -> dict[str, Any]:
        """Return what to put into a VIEW-CHANGE instead."""
        chance, held = self._chance, payload.prepared
        lie = chance.choice(["invented", "moved", "omitted", "old head", "later view"])
        if lie == "invented" or (lie == "moved" and not held):
            return {"prepared": (self._invented(payload),)}
        if lie == "moved":
            first = held[0]
            view = View(chance.randrange(payload.view))
            header = replace(first.header, time=TimeMs(first.header.time + chance.randint(0, 1)))
            return {"prepared": (replace(first, view=view, header=header), *held[1:])}
        if lie == "omitted":
            return {"prepared": held[: chance.randrange(len(held) + 1)]}
        if lie == "old head":
            return {"certificate": None, "prepared": ()}
        return {"view": View(payload.view + chance.choice([1, 2, 1000]))}

    def _invented(self, payload: ViewChangePayload) -> PreparedCertificate:
        """Return a certificate for a block that nobody has proposed, all of it signed by this validator."""
        head, chance = self._head(), self._chance
        view = View(chance.randrange(payload.view))
        primary = self._context.primary(view)
        header = replace(
            head,
            height=Height(head.height + 1),
            parent=head.digest,
            time=TimeMs(head.time + chance.randint(1, 1000)),
            proposer=primary,
        )
        backups = [who for who in self._context.validators.ids if who != primary]
        signers = sorted(chance.sample(backups, self._context.validators.quorum - 1))
        return PreparedCertificate(
            header=header,
            view=view,
            pre_prepare=self._signed_as(primary, VoteKind.PRE_PREPARE, view, header),
            prepares=tuple(self._signed_as(who, VoteKind.PREPARE, view, header) for who in signers),
        )

    def _signed_as(self, who: ValidatorId, kind: VoteKind, view: View, header: BlockHeader) -> VoteProof:
        """Return a vote of that validator under this one's signature: a true one of its own, a forged one of others."""
        vote = Vote(kind=kind, era=header.era, view=view, height=header.height, digest=header.digest)
        bundle = VoteBundle.sign((vote,), validator=who, key=self._key, chain_id=self._chain_id)
        _, proof = next(bundle.proofs())
        return proof

    def _elsewhere(self, payload: NewViewPayload) -> NewViewPayload:
        """Return another start of the view than the one that follows."""
        chance, choices = self._chance, payload.choices
        top = choices[-1] if choices else payload.base
        unknown = Choice(height=Height(top.height + 1), digest=sha256(b"nobody has proposed this"))
        other_base = Choice(height=payload.base.height, digest=sha256(b"nor this"))
        ways: list[dict[str, Any]] = [
            {"choices": (*choices, unknown)},
            {"choices": choices[: chance.randrange(len(choices) + 1)]},
            {"choices": tuple(replace(choice, digest=unknown.digest) for choice in choices)},
            {"base": self._context.root},
            {"base": other_base},
            {"base": top, "choices": ()},
        ]
        return replace(payload, **chance.choice(ways))


class TwoFaced(ViewLiar):
    """Says one VIEW-CHANGE to the primary that will need it, and another one to those who will have to find it."""

    def say(self, message: Message, to: ValidatorId) -> list[Message]:
        """Return what one peer hears instead of a message."""
        match message:
            case NewView() if message.payload.validator == self._validator:
                return []
            case ViewChange() if message.payload.validator == self._validator:
                views = range(message.payload.view, message.payload.view + VIEWS_AHEAD)
                return [self._face(message, View(view), to) for view in views]
            case _:
                return [message]

    def _face(self, change: ViewChange, view: View, to: ValidatorId) -> ViewChange:
        if to == self._context.primary(view):
            return self._changed(change, view=view)
        return self._changed(change, view=view, certificate=None, prepared=())


class Crier(ViewLiar):
    """Wants the next views, whatever happens in this one."""

    def say(self, message: Message, to: ValidatorId) -> list[Message]:
        """Return what one peer hears instead of a message."""
        del to
        if not isinstance(message, Status) or self._chance.random() >= self._rate:
            return [message]
        view = View(message.view + self._chance.randint(1, VIEWS_AHEAD))
        return [message, Complaint(era=message.era, view=message.view), self._cry(message.era, view)]

    def _cry(self, era: Era, view: View) -> Message:
        payload = ViewChangePayload(validator=self._validator, era=era, view=view, certificate=None, prepared=())
        return self.sign(ViewChange(payload=payload, signature=UNSIGNED))


VIEW_LIARS: dict[str, type[ViewLiar]] = {"forger": Forger, "two-faced": TwoFaced, "crier": Crier}
"""By the kind of villain."""

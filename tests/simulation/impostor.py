"""An impostor: a Byzantine validator that lies about what is final, above all to whoever has to catch up from it.

It runs a correct engine, so that it has true blocks and certificates to lie with. It holds its own key alone, and uses
again whatever honest validators have signed. `HABITS` are what it may do; what it answers to FetchBlocks is one of
`ANSWERS`.
"""

import random
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from consensus.messages import Blocks, Finality, Message, Proposal, Status, ViewChange, Votes
from ledger.blocks import Block
from ledger.certificates import CertifiedBlock, CommitCertificate
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import Era, Height, TimeMs, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind, VoteProof
from tests.simulation.byzantine import Liar, forged_body

ANSWERS = ("forge", "silent", "useless", "pieces")
"""Blocks or certificates that are not what they seem; nothing; no blocks, at once; bodies, and a certificate beside
them. Without any of these, the truth."""
HABITS = ("boast", "early", "ahead", "withhold", "voteless")
"""Claims a head far above all; calls blocks final that it has only heard of; sends its VIEW-CHANGEs for later views
too; gives the bodies of its blocks to some only; casts no votes but as primary."""
FAR = Height(2**40)
AHEAD = 3
"""Views ahead: with its own one as many as are kept of a validator."""
PIECES_MAX = 8


class Impostor(Liar):
    """Says of what is final whatever its habits are."""

    def __init__(
        self,
        *,
        chance: random.Random,
        validator: ValidatorId,
        key: SigningKey,
        chain_id: Digest,
        rate: float,
        habits: frozenset[str],
        favoured: frozenset[ValidatorId],
        quorum: int,
        chain: Callable[[], Sequence[CertifiedBlock]],
    ) -> None:
        """Take what it may use: `favoured` get its blocks' bodies, `chain` gives what its own engine has appended."""
        Liar.__init__(self, chance=chance, validator=validator, key=key, chain_id=chain_id, rate=rate)
        self._habits = habits
        self._favoured = favoured
        self._quorum = quorum
        self._chain = chain

    def say(self, message: Message, to: ValidatorId) -> list[Message]:
        """Return what one peer hears instead of a message."""
        if not self._gives(message, to):
            return []
        return [message] if self._chance.random() >= self._rate else self._lie(message)

    def _lie(self, message: Message) -> list[Message]:
        match message:
            case Blocks():
                return self._answer(message)
            case Status():
                return self._boast(message)
            case Votes() if "early" in self._habits:
                return [message, Finality(certificate=self._early(self._chance.choice(message.bundle.votes)))]
            case ViewChange() if "ahead" in self._habits:
                later = (View(message.payload.view + more) for more in range(1, AHEAD + 1))
                return [message, *(self._for_view(message, view) for view in later)]
            case _:
                return [message]

    def _gives(self, message: Message, to: ValidatorId) -> bool:
        if isinstance(message, Proposal) and "withhold" in self._habits:
            return to in self._favoured
        return not isinstance(message, Votes) or "voteless" not in self._habits or _proposes(message)

    def _for_view(self, message: ViewChange, view: View) -> Message:
        return self.sign(replace(message, payload=replace(message.payload, view=view)))

    def _answer(self, message: Blocks) -> list[Message]:
        match next((habit for habit in ANSWERS if habit in self._habits), None):
            case "silent":
                return []
            case "useless":
                return [Blocks(blocks=())]
            case "pieces":
                return self._pieces(message.blocks)
            case "forge":
                return [Blocks(blocks=self._chance.choice(self._forgeries())(message.blocks))]
            case _:
                return [message]

    def _boast(self, status: Status) -> list[Message]:
        """Claim to be far ahead, and bring a certificate that was not asked for, of whatever height and era."""
        claim = replace(status, head=FAR) if "boast" in self._habits else status
        held = [certified.certificate for certified in self._chain() if certified.certificate is not None]
        return [claim, *(Finality(certificate=self._chance.choice([held[-1], *held])) for _ in held[:1])]

    def _pieces(self, blocks: Sequence[CertifiedBlock]) -> list[Message]:
        """Send the first few blocks as bodies, and the certificate of the last of them alone."""
        certified = [place for place, block in enumerate(blocks[:PIECES_MAX]) if block.certificate is not None]
        of_next_era = [place for place in certified if blocks[place].block.header.era > blocks[0].block.header.era]
        places = of_next_era[:1] or certified
        if not places:
            return []
        sent = blocks[: self._chance.choice(places) + 1]
        finality = sent[-1].certificate
        assert finality is not None
        return [*(Proposal(block=piece.block) for piece in sent), Finality(certificate=finality)]

    def _forgeries(self) -> list[Callable[[tuple[CertifiedBlock, ...]], tuple[CertifiedBlock, ...]]]:
        return [
            lambda blocks: blocks[1:],
            lambda blocks: blocks[::-1],
            lambda blocks: (*blocks[:-1], CertifiedBlock(block=blocks[-1].block, certificate=None)),
            lambda blocks: (*blocks[:-1], self._under(_with_other_body(blocks[-1].block), blocks[-1].certificate)),
            lambda blocks: (*blocks[:-1], self._under(blocks[-1].block, blocks[-1].certificate)),
            lambda blocks: (*blocks[:-1], self._under(_later(blocks[-1].block), blocks[-1].certificate)),
            lambda blocks: (self._under(_later(blocks[0].block), blocks[-1].certificate),),
            lambda blocks: tuple(self._chain()[: len(blocks)]),
        ]

    def _under(self, block: Block, certificate: CommitCertificate | None) -> CertifiedBlock:
        """Put a block under a certificate that is not its own, or not one at all."""
        header = block.header
        named = Vote(kind=VoteKind.COMMIT, era=header.era, view=View(0), height=header.height, digest=header.digest)
        true_ones = [held.certificate for held in self._chain() if held.certificate is not None]
        forged = [
            certificate,
            self._early(named),
            self._chance.choice(true_ones or [None]),
            None if certificate is None else replace(certificate, digest=header.digest, height=header.height),
            None if certificate is None else replace(certificate, era=Era(certificate.era + 1)),
        ]
        return CertifiedBlock(block=block, certificate=self._chance.choice(forged))

    def _early(self, vote: Vote) -> CommitCertificate:
        """Return a certificate that nobody has signed but the impostor: once, for everybody, or not at all."""
        commit = replace(vote, kind=VoteKind.COMMIT)
        bundle = VoteBundle.sign((commit,), validator=self._validator, key=self._key, chain_id=self._chain_id)
        own = next(proof for _, proof in bundle.proofs())
        forms: list[tuple[VoteProof, ...]] = [
            (),
            (own,),
            (own,) * self._quorum,
            tuple(replace(own, validator=ValidatorId(who)) for who in range(self._quorum)),
        ]
        return CommitCertificate(
            era=commit.era,
            view=commit.view,
            height=commit.height,
            digest=commit.digest,
            commits=self._chance.choice(forms),
        )


def _proposes(message: Votes) -> bool:
    return any(vote.kind is VoteKind.PRE_PREPARE for vote in message.bundle.votes)


def _with_other_body(block: Block) -> Block:
    return forged_body(Proposal(block=block)).block


def _later(block: Block) -> Block:
    """Return a block that differs in its time alone: it would execute just as well."""
    return replace(block, header=replace(block.header, time=TimeMs(block.header.time + 1)))

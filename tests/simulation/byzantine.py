"""A Byzantine validator that lies: a correct engine whose every message may become another one on its way out.

Small mutations of real messages find more than random bytes (ByzzFuzz, OOPSLA 2023): a number one off, an element left
out or doubled, an old value in the place of a new one; whatever its own key covers is signed again. A few lies that
mutations seldom hit are written down as such.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from consensus.messages import (
    Blocks,
    FetchBody,
    Finality,
    Message,
    NewView,
    Proposal,
    Status,
    ViewChange,
    Votes,
)
from ledger.certificates import CertifiedBlock
from ledger.encoding import Purpose, encode
from ledger.hashing import Digest, sha256
from ledger.keys import SigningKey
from ledger.quantities import Height, ValidatorId, View
from ledger.votes import VoteBundle

PAST_MAX = 200
ATTEMPTS_MAX = 8


class Liar:
    """Says something else with some probability, another thing to each peer."""

    def __init__(
        self,
        *,
        chance: random.Random,
        validator: ValidatorId,
        key: SigningKey,
        chain_id: Digest,
        rate: float,
        catch_up_only: bool = False,
    ) -> None:
        self._chance = chance
        self._validator = validator
        self._key = key
        self._chain_id = chain_id
        self._rate = rate
        self._catch_up_only = catch_up_only
        self._past: list[Message] = []

    def say(self, message: Message, to: ValidatorId) -> list[Message]:
        """Return what one peer hears instead of a message."""
        del to  # each hears something of its own, whoever it is
        self._past = [*self._past[-PAST_MAX:], message]
        truthful = self._catch_up_only and not isinstance(message, Blocks | Finality | Proposal | Status)
        if truthful or self._chance.random() >= self._rate:
            return [message]
        lies: list[Callable[[Message], list[Message]]] = [self._nothing, self._again, self._mutated, self._specific]
        return self._chance.choice(lies)(message)

    def sign(self, message: Message) -> Message:
        """Sign again what the own key covers."""
        match message:
            case Votes():
                bundle = VoteBundle.sign(
                    message.bundle.votes, validator=self._validator, key=self._key, chain_id=self._chain_id
                )
                return Votes(bundle=bundle)
            case ViewChange():
                return replace(message, signature=self._signature(Purpose.VIEW_CHANGE, message.payload.statement))
            case NewView():
                return replace(message, signature=self._signature(Purpose.NEW_VIEW, message.payload.statement))
            case _:
                return message

    def _signature(self, purpose: Purpose, payload: object) -> bytes:
        return self._key.sign(purpose, encode(payload), chain_id=self._chain_id)

    def _nothing(self, message: Message) -> list[Message]:
        del message
        return []

    def _again(self, message: Message) -> list[Message]:
        return [message, self._chance.choice(self._past)]

    def _mutated(self, message: Message) -> list[Message]:
        mutated = mutate(message, self._chance) or message
        return [mutated if self._chance.random() < 0.2 else self.sign(mutated)]

    def _specific(self, message: Message) -> list[Message]:
        chance = self._chance
        match message:
            case Proposal():
                return [forged_body(message)]
            case Status():
                heights = [message.head + 1, message.head + 100, 2**62, 0]
                views = [message.view, message.view + 1, message.view + 1000]
                lie = replace(message, head=Height(chance.choice(heights)), view=View(chance.choice(views)))
                return [lie, FetchBody(digest=sha256(b"anything"))]
            case ViewChange():
                payload = message.payload
                kept = tuple(prepared for prepared in payload.prepared if chance.random() < 0.5)
                view = View(payload.view + chance.choice([0, 0, 0, 1, 1000]))
                return [self.sign(replace(message, payload=replace(payload, prepared=kept, view=view)))]
            case Votes():
                other = [replace(vote, digest=sha256(vote.digest)) for vote in message.bundle.votes]
                bundle = replace(
                    message.bundle, votes=tuple(chance.choice([other, [*message.bundle.votes, *other]]))[:64]
                )
                return [self.sign(replace(message, bundle=bundle))]
            case Blocks():
                return [replace(message, blocks=tuple(map(_forged, message.blocks)))]
            case _:
                return [message, message]


def forged_body(proposal: Proposal) -> Proposal:
    """Return a proposal under the same header, thus the same digest, with other transactions."""
    block = proposal.block
    return Proposal(block=replace(block, transactions=(*block.transactions, b"not in the root")))


def _forged(certified: CertifiedBlock) -> CertifiedBlock:
    return replace(certified, block=forged_body(Proposal(block=certified.block)).block)


class _Wrapped(msgspec.Struct, array_like=True):
    message: Message


def mutate(message: Message, chance: random.Random) -> Message | None:
    """Return a message that differs in one small thing and still decodes, if one is found."""
    for _ in range(ATTEMPTS_MAX):
        tree = msgspec.to_builtins(_Wrapped(message), builtin_types=(bytes,))
        _mutate_tree(tree, chance)
        try:
            mutated = msgspec.convert(tree, _Wrapped, builtin_types=(bytes,), strict=True).message
        except msgspec.ValidationError:
            continue
        if mutated != message:
            return mutated
    return None


def _mutate_tree(tree: Any, chance: random.Random) -> None:
    """Change one place below a list, chosen by going down at random."""
    place = chance.randrange(len(tree))
    item = tree[place]
    if isinstance(item, list) and item and chance.random() < 0.9:
        _mutate_tree(item, chance)
    elif isinstance(item, list):
        tree[place] = chance.choice([[], item[:-1], item[1:], item + item[:1], item + item[-1:], item[::-1]])
    elif isinstance(item, int):
        tree[place] = chance.choice([item + 1, item - 1, item + 2, item + 100, 0])
    elif isinstance(item, bytes):
        tree[place] = chance.choice([bytes(len(item)), sha256(item) if len(item) == 32 else item[::-1], item[:-1]])

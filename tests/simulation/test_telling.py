"""A transcript tells whatever liars say, sense or nonsense: it is what a failing seed is read by."""

from consensus.messages import Accusation, Heard
from ledger.evidence import DoubleVote, SignedVote
from ledger.hashing import sha256
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import Vote, VoteBundle, VoteKind
from tests.simulation import telling
from tests.simulation.chain import vote_key

CHAIN = sha256(b"chain")


def signed(view: int, block: bytes) -> SignedVote:
    vote = Vote(kind=VoteKind.COMMIT, era=Era(0), view=View(view), height=Height(1), digest=sha256(block))
    bundle = VoteBundle.sign((vote,), validator=ValidatorId(2), key=vote_key(2), chain_id=CHAIN)
    (proven,) = (SignedVote(vote=vote, proof=proof) for vote, proof in bundle.proofs())
    return proven


def test_an_accusation_says_whom_it_names() -> None:
    first, second = sorted([signed(0, b"one"), signed(0, b"other")], key=lambda held: held.vote.digest)
    told = telling.of_message(Accusation(evidence=DoubleVote(first=first, second=second)))
    assert told == "accusation of 2: commit view=0 height=1"


def test_an_accusation_that_proves_nothing_is_told_as_one() -> None:
    told = telling.of_message(Accusation(evidence=DoubleVote(first=signed(0, b"one"), second=signed(1, b"other"))))
    assert told.startswith("accusation of nothing: era, view and height of two votes: ")


def test_votes_heard_are_told_with_their_places_if_there_are_any() -> None:
    assert telling.of_message(Heard(votes=())) == "heard"
    digests = [telling.short(sha256(block)) for block in (b"one", b"other")]
    told = telling.of_message(Heard(votes=(signed(0, b"one"), signed(1, b"other"))))
    assert told == f"heard view=0 height=1 view=1 height=1 2:{digests[0]} 2:{digests[1]}"

"""Vote bundles: one signature for many votes, and evidence for each that fits no other vote."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.encoding import decode, encode
from ledger.errors import InvalidProof, InvalidSignature, MalformedEncoding
from ledger.quantities import Era, Height, ValidatorId, View
from ledger.votes import BUNDLE_VOTES_MAX, Vote, VoteBundle, VoteKind, VoteProof
from tests.ledger.helpers import CHAIN, OTHER_CHAIN, digest, key, proof_of, vote_key

SIGNER = vote_key(1)


def vote(number: int) -> Vote:
    return Vote(
        kind=VoteKind.PREPARE, era=Era(0), view=View(0), height=Height(number), digest=digest(f"block {number}")
    )


def bundle_of(count: int) -> VoteBundle:
    votes = tuple(vote(number) for number in range(count))
    return VoteBundle.sign(votes, validator=ValidatorId(1), key=SIGNER, chain_id=CHAIN)


def refuses(proof: VoteProof, shown: Vote) -> bool:
    try:
        proof.verify(shown, SIGNER.public, chain_id=CHAIN)
    except (InvalidProof, InvalidSignature):
        return True
    return False


@pytest.mark.parametrize("count", range(1, BUNDLE_VOTES_MAX + 1))
def test_each_vote_of_a_bundle_is_proved_by_its_own_evidence(count: int) -> None:
    bundle = bundle_of(count)
    bundle.verify(SIGNER.public, chain_id=CHAIN)
    pairs = list(bundle.proofs())
    assert [proved for proved, _ in pairs] == list(bundle.votes)
    for proved, proof in pairs:
        proof.verify(proved, SIGNER.public, chain_id=CHAIN)
        assert decode(encode(proof), VoteProof) == proof


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
def test_evidence_for_one_vote_is_none_for_another(count: int) -> None:
    bundle = bundle_of(count)
    for proved, proof in bundle.proofs():
        assert all(refuses(proof, other) for other in (*bundle.votes, vote(99)) if other != proved)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": VoteKind.COMMIT},
        {"era": Era(1)},
        {"view": View(1)},
        {"height": Height(2)},
        {"digest": digest("another block")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_evidence_covers_every_field_of_the_vote(changes: dict[str, object]) -> None:
    assert refuses(proof_of(vote(1), 1), replace(vote(1), **changes))


@settings(deadline=None, max_examples=60)
@given(count=st.integers(1, BUNDLE_VOTES_MAX), data=st.data())
def test_evidence_that_was_changed_is_refused(count: int, data: st.DataObject) -> None:
    pairs = list(bundle_of(count).proofs())
    proved, proof = data.draw(st.sampled_from(pairs))
    place = data.draw(st.integers(0, max(len(proof.path) - 1, 0)))
    changed = [
        replace(proof, index=proof.index + 1),
        replace(proof, size=proof.size + 1),
        replace(proof, size=proof.size - 1),
        replace(proof, path=(*proof.path, digest("forged"))),
        replace(proof, signature=bytes(64)),
        *([replace(proof, path=(*proof.path[:place], digest("x"), *proof.path[place + 1 :]))] if proof.path else []),
        *([replace(proof, path=proof.path[1:])] if proof.path else []),
    ]
    assert all(refuses(other, proved) for other in changed)


def test_the_size_of_a_bundle_is_signed() -> None:
    # The first leaf of three hangs as the first of four does; only the signed size tells them apart.
    proved, proof = next(bundle_of(3).proofs())
    with pytest.raises(InvalidSignature):
        replace(proof, size=4).verify(proved, SIGNER.public, chain_id=CHAIN)


def test_a_bundle_on_another_chain_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        bundle_of(2).verify(SIGNER.public, chain_id=OTHER_CHAIN)


def test_a_bundle_under_another_key_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        bundle_of(2).verify(key("stranger").public, chain_id=CHAIN)


@pytest.mark.parametrize("votes", [(vote(1), vote(0)), (vote(0),), (vote(0), vote(1), vote(1)), (vote(0), vote(2))])
def test_a_bundle_with_other_votes_is_refused(votes: tuple[Vote, ...]) -> None:
    with pytest.raises(InvalidSignature):
        replace(bundle_of(2), votes=votes).verify(SIGNER.public, chain_id=CHAIN)


@pytest.mark.parametrize("count", [0, BUNDLE_VOTES_MAX + 1])
def test_a_bundle_of_none_or_too_many_votes_is_never_signed(count: int) -> None:
    with pytest.raises(AssertionError):
        bundle_of(count)


@pytest.mark.parametrize("count", [0, BUNDLE_VOTES_MAX + 1])
def test_a_bundle_of_none_or_too_many_votes_is_malformed(count: int) -> None:
    votes = tuple(vote(number) for number in range(count))
    with pytest.raises(MalformedEncoding):
        decode(encode((1, votes, bytes(64))), VoteBundle)


@pytest.mark.parametrize(
    ("index", "size", "steps"), [(0, 0, 0), (64, 65, 1), (0, 65, 6), (64, 64, 6), (0, 64, 7), (-1, 1, 0)]
)
def test_evidence_from_outside_any_bundle_is_malformed(index: int, size: int, steps: int) -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode((1, index, size, (digest("step"),) * steps, bytes(64))), VoteProof)

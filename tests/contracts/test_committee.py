"""The draw: a prefix of a permutation that depends on digest, task and round, and on nothing else."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.committee import draw, smallest
from ledger.encoding import encode
from ledger.hashing import Digest, sha256
from ledger.quantities import RoundNumber, ValidatorId
from tests.consortium import consortium

DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)
IDS = st.lists(st.integers(min_value=0, max_value=2**63 - 1).map(ValidatorId), min_size=4, max_size=25, unique=True)
ROUND = RoundNumber(3)


@given(ids=IDS, digest=DIGESTS, data=st.data())
@settings(deadline=None)
def test_a_draw_is_a_prefix_of_one_permutation(ids: list[ValidatorId], digest: Digest, data: st.DataObject) -> None:
    every = draw(ids, size=len(ids), digest=digest, task="heart", round_number=ROUND)
    assert sorted(every) == sorted(ids)
    size = data.draw(st.integers(min_value=0, max_value=len(ids)))
    assert draw(ids, size=size, digest=digest, task="heart", round_number=ROUND) == every[:size]


@given(ids=IDS, digest=DIGESTS, seed=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_draw_does_not_depend_on_the_order_of_the_set(ids: list[ValidatorId], digest: Digest, seed: object) -> None:
    shuffled = list(ids)
    assert hasattr(seed, "shuffle")
    seed.shuffle(shuffled)
    drawn = [draw(order, size=3, digest=digest, task="heart", round_number=ROUND) for order in (ids, shuffled)]
    assert drawn[0] == drawn[1]


def test_members_are_ranked_by_the_hash_of_digest_task_round_and_number() -> None:
    digest, ids = sha256(b"block"), [ValidatorId(number) for number in range(7)]
    by_hand = sorted((sha256(encode((digest, "heart", 3, number))), number) for number in ids)
    drawn = draw(ids, size=7, digest=digest, task="heart", round_number=ROUND)
    assert list(drawn) == [number for _, number in by_hand]


def test_digest_task_and_round_each_change_the_draw() -> None:
    ids = [ValidatorId(number) for number in range(25)]
    draws = {
        draw(ids, size=25, digest=sha256(seed), task=task, round_number=RoundNumber(number))
        for seed in (b"one", b"two")
        for task in ("heart", "lung")
        for number in (1, 2)
    }
    assert len(draws) == 8


def test_every_validator_is_drawn_about_equally_often() -> None:
    ids = [ValidatorId(number) for number in range(4)]
    counts: Counter[ValidatorId] = Counter()
    for number in range(400):
        counts.update(draw(ids, size=3, digest=sha256(b"x"), task="heart", round_number=RoundNumber(number)))
    assert all(270 <= counts[validator] <= 330 for validator in ids)


def test_the_smallest_committee_outvotes_its_faulty_members() -> None:
    for validators in range(4, 26):
        members = consortium(validators=validators).genesis.validators
        assert smallest(members) - members.faulty_max == members.weak_quorum

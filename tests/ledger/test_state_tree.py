"""The state tree against its definition in three lines, batches against single changes, and forged proofs.

Paths are hashes, so keys drawn at random never share more than a few bits. Where depth matters the tests let keys be
their own paths, which reaches every depth down to the last bit.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidProof
from ledger.hashing import ZERO_DIGEST, Digest, sha256
from ledger.state_tree import PATH_BITS, Leaf, StateProof, prove, root, update, verify_absence, verify_presence
from tests.ledger.helpers import digest
from tests.ledger.state_trees import Changes, Records, State, keys_as_paths, reference_root, tree_of


def expect_no_presence(reached: Digest, key: bytes, value: bytes, proof: StateProof) -> None:
    with pytest.raises(InvalidProof):
        verify_presence(reached, key, value, proof)


def expect_no_absence(reached: Digest, key: bytes, proof: StateProof) -> None:
    with pytest.raises(InvalidProof):
        verify_absence(reached, key, proof)


keys = st.builds(
    lambda value, place: bytes(place) + bytes([value]) + bytes(31 - place),
    st.integers(0, 255) | st.sampled_from([0, 1, 2, 3, 128]),
    st.sampled_from([0, 1, 30, 31]),
)
"""Few keys of 32 bytes, so that histories meet them again; as paths they share up to 255 bits."""
states = st.dictionaries(keys, st.binary(max_size=2), max_size=20)
histories = st.lists(st.dictionaries(keys, st.none() | st.binary(max_size=2), max_size=8), max_size=6)
SOME_STATE = {f"key {number}".encode(): f"value {number}".encode() for number in range(40)}


@settings(deadline=None)
@given(states)
def test_the_root_is_that_of_the_definition(state: State) -> None:
    records = tree_of(state)
    assert root(records.read) == reference_root(state)


@settings(deadline=None)
@given(states)
def test_the_root_is_that_of_the_definition_at_any_depth(state: State) -> None:
    with keys_as_paths():
        assert tree_of(state).apply({}) == reference_root(state)


@settings(deadline=None, max_examples=200)
@given(histories)
def test_after_any_history_the_records_are_those_of_a_fresh_tree(history: list[Changes]) -> None:
    with keys_as_paths():
        records, state = Records(), State()
        for changes in history:
            reached = records.apply(changes)
            for key, value in changes.items():
                state.pop(key, None)
                if value is not None:
                    state[key] = value
            assert reached == reference_root(state)
        assert records.kept == tree_of(state).kept


@settings(deadline=None)
@given(before=states, changes=st.dictionaries(keys, st.none() | st.binary(max_size=2), max_size=8))
def test_a_batch_is_the_same_as_its_changes_one_by_one(before: State, changes: Changes) -> None:
    together, singly = tree_of(before), tree_of(before)
    together.apply(changes)
    for key, value in changes.items():
        singly.apply({key: value})
    assert together.kept == singly.kept


@settings(deadline=None)
@given(states)
def test_a_tree_that_is_emptied_leaves_no_record(state: State) -> None:
    records = tree_of(state)
    assert records.apply(dict.fromkeys(state)) == ZERO_DIGEST
    assert records.kept == {}


def test_a_change_rewrites_only_the_path_it_touches() -> None:
    records = tree_of(SOME_STATE)
    _, writes = update(records.read, {b"key 7": b"another value"})
    depth = len(prove(records.read, b"key 7").siblings)
    assert len(writes) == depth + 1


def test_an_update_only_says_what_to_write() -> None:
    records = tree_of(SOME_STATE)
    before = dict(records.kept)
    update(records.read, {b"key 7": None, b"new": b"value"})
    assert records.kept == before


def test_the_empty_tree_has_the_zero_root() -> None:
    assert root(Records().read) == ZERO_DIGEST


def test_a_tree_with_one_key_is_its_leaf() -> None:
    leaf = Leaf(path=sha256(b"key"), value=sha256(b"value"))
    assert root(tree_of({b"key": b"value"}).read) == sha256(b"\0" + leaf.path + leaf.value)


@settings(deadline=None)
@given(state=states, key=keys)
def test_every_key_is_proved_present_or_absent_and_never_both(state: State, key: bytes) -> None:
    with keys_as_paths():
        records = tree_of(state)
        reached, proof = root(records.read), prove(records.read, key)
        if key in state:
            verify_presence(reached, key, state[key], proof)
            expect_no_absence(reached, key, proof)
        else:
            verify_absence(reached, key, proof)
            expect_no_presence(reached, key, b"", proof)


@settings(deadline=None, max_examples=50)
@given(state=states.filter(bool), data=st.data())
def test_another_value_is_not_present(state: State, data: st.DataObject) -> None:
    records = tree_of(state)
    key = data.draw(st.sampled_from(sorted(state)))
    expect_no_presence(root(records.read), key, state[key] + b"x", prove(records.read, key))


@pytest.mark.parametrize("key", [b"key 3", b"no key"])
def test_a_proof_with_one_sibling_changed_is_refused(key: bytes) -> None:
    records = tree_of(SOME_STATE)
    reached, proof = root(records.read), prove(records.read, key)
    for place in range(len(proof.siblings)):
        siblings = (*proof.siblings[:place], digest("forged"), *proof.siblings[place + 1 :])
        forged = StateProof(siblings=siblings, leaf=proof.leaf)
        expect_no_presence(reached, key, SOME_STATE.get(key, b""), forged)
        expect_no_absence(reached, key, forged)


@pytest.mark.parametrize("key", [b"key 3", b"no key"])
def test_a_proof_at_another_depth_is_refused(key: bytes) -> None:
    records = tree_of(SOME_STATE)
    reached, proof = root(records.read), prove(records.read, key)
    others = [proof.siblings[:place] + proof.siblings[place + 1 :] for place in range(len(proof.siblings))]
    others += [(*proof.siblings, ZERO_DIGEST), (ZERO_DIGEST, *proof.siblings), (*proof.siblings, digest("x"))]
    for siblings in others:
        forged = StateProof(siblings=siblings, leaf=proof.leaf)
        expect_no_presence(reached, key, SOME_STATE.get(key, b""), forged)
        expect_no_absence(reached, key, forged)


def test_a_present_key_is_not_absent_by_leaving_out_its_leaf() -> None:
    records = tree_of(SOME_STATE)
    reached, proof = root(records.read), prove(records.read, b"key 3")
    expect_no_absence(reached, b"key 3", StateProof(siblings=proof.siblings, leaf=None))


def test_a_present_key_is_not_absent_by_the_proof_of_another() -> None:
    records = tree_of(SOME_STATE)
    reached = root(records.read)
    for other in [*SOME_STATE, *(f"no key {number}".encode() for number in range(40))]:
        if other != b"key 3":
            expect_no_absence(reached, b"key 3", prove(records.read, other))


def test_absence_by_a_leaf_off_the_path_is_refused() -> None:
    with keys_as_paths():
        records = tree_of({bytes(32): b"here", b"\x80" + bytes(31): b"there"})
        proof = prove(records.read, b"\x80" + bytes(31))
        with pytest.raises(InvalidProof, match="state proof: expected a leaf below 1 bits of 00"):
            verify_absence(root(records.read), bytes(31) + b"\1", proof)


def test_the_reader_of_an_inner_record_cannot_be_shown_it_as_a_leaf() -> None:
    records = tree_of({b"a": b"1", b"b": b"2"})
    left, right = (Digest(half) for half in (records.kept[b"\0\0"][1:33], records.kept[b"\0\0"][33:]))
    forged = StateProof(siblings=(), leaf=(left, right))
    expect_no_absence(root(records.read), b"c", forged)


def test_a_proof_under_another_root_is_refused() -> None:
    records = tree_of(SOME_STATE)
    proof = prove(records.read, b"key 3")
    with pytest.raises(InvalidProof, match="root of the state proof: expected"):
        verify_presence(digest("another root"), b"key 3", b"value 3", proof)


def test_the_value_of_an_empty_string_is_not_absence() -> None:
    records = tree_of({b"key": b""})
    proof = prove(records.read, b"key")
    verify_presence(root(records.read), b"key", b"", proof)
    expect_no_absence(root(records.read), b"key", proof)


@pytest.mark.parametrize("count", [PATH_BITS + 1, 1_000])
def test_more_siblings_than_bits_are_refused(count: int) -> None:
    with pytest.raises(InvalidProof, match=f"at most {PATH_BITS} siblings, got {count}"):
        verify_absence(ZERO_DIGEST, b"key", StateProof(siblings=(ZERO_DIGEST,) * count, leaf=None))


def test_the_two_deepest_keys_are_proved_with_256_siblings() -> None:
    twins = {bytes(32): b"left", bytes(31) + b"\1": b"right"}
    with keys_as_paths():
        records = tree_of(twins)
        for key, value in twins.items():
            proof = prove(records.read, key)
            assert len(proof.siblings) == PATH_BITS
            verify_presence(root(records.read), key, value, proof)

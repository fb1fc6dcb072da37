"""Certificates: valid for exactly a quorum of one view, and for nothing that was changed."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.blocks import BlockHeader
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.errors import InvalidCertificate
from ledger.quantities import VALIDATORS_MAX, VALIDATORS_MIN, Era, Height, ValidatorId, View
from ledger.validators import ValidatorSet
from ledger.votes import VoteKind
from tests.ledger.helpers import (
    CHAIN,
    OTHER_CHAIN,
    commit_certificate,
    digest,
    header,
    prepared_certificate,
    proof_of,
    validator,
    validator_set,
    vote_for,
)

every_size = pytest.mark.parametrize("n", range(VALIDATORS_MIN, VALIDATORS_MAX + 1))
SUBJECT = header(height=Height(5))
VALID = commit_certificate(SUBJECT, (0, 1, 3))
PREPARED = prepared_certificate(SUBJECT, primary=0, backups=(1, 3))


def expect_refusal(certificate: CommitCertificate, words: str) -> None:
    with pytest.raises(InvalidCertificate, match=words):
        certificate.verify_for(SUBJECT, validator_set(), chain_id=CHAIN)


def expect_not_prepared(certificate: PreparedCertificate, words: str, *, primary: int = 0) -> None:
    with pytest.raises(InvalidCertificate, match=words):
        certificate.verify(validator_set(), primary=ValidatorId(primary), chain_id=CHAIN)


@every_size
def test_any_quorum_of_commits_finalises(n: int) -> None:
    chosen = validator_set(n)
    subject = header(chosen)
    for signers in (range(chosen.quorum), range(n - chosen.quorum, n)):
        commit_certificate(subject, signers).verify_for(subject, chosen, chain_id=CHAIN)


@every_size
def test_one_commit_less_or_more_than_a_quorum_is_refused(n: int) -> None:
    chosen = validator_set(n)
    subject = header(chosen)
    for count in {chosen.quorum - 1, min(chosen.quorum + 1, n)} - {chosen.quorum}:
        certificate = commit_certificate(subject, range(count))
        with pytest.raises(InvalidCertificate, match=f"expected {chosen.quorum} distinct validators"):
            certificate.verify(chosen, chain_id=CHAIN)


@every_size
def test_a_pre_prepare_and_a_quorum_less_one_of_prepares_are_prepared(n: int) -> None:
    chosen = validator_set(n)
    subject = header(chosen)
    certificate = prepared_certificate(subject, primary=0, backups=range(1, chosen.quorum))
    certificate.verify(chosen, primary=ValidatorId(0), chain_id=CHAIN)


@every_size
def test_one_prepare_less_or_more_is_refused(n: int) -> None:
    chosen = validator_set(n)
    subject = header(chosen)
    for last in {chosen.quorum - 1, min(chosen.quorum + 1, n)} - {chosen.quorum}:
        certificate = prepared_certificate(subject, primary=0, backups=range(1, last))
        with pytest.raises(InvalidCertificate, match=f"expected {chosen.quorum - 1} distinct validators"):
            certificate.verify(chosen, primary=ValidatorId(0), chain_id=CHAIN)


@pytest.mark.parametrize("signers", [(0, 1, 1), (0, 0, 1), (1, 0, 3), (3, 1, 0), ()])
def test_commits_that_are_repeated_or_out_of_order_are_refused(signers: tuple[int, ...]) -> None:
    expect_refusal(commit_certificate(SUBJECT, signers), "distinct validators in ascending order")


def test_a_commit_of_another_view_is_refused() -> None:
    stray = proof_of(vote_for(SUBJECT, VoteKind.COMMIT, view=1), 3)
    expect_refusal(replace(VALID, commits=(*VALID.commits[:2], stray)), "COMMIT of validator 3")


@pytest.mark.parametrize("kind", [VoteKind.PRE_PREPARE, VoteKind.PREPARE])
def test_a_vote_of_another_phase_is_no_commit(kind: VoteKind) -> None:
    stray = proof_of(vote_for(SUBJECT, kind), 3)
    expect_refusal(replace(VALID, commits=(*VALID.commits[:2], stray)), "COMMIT of validator 3")


@pytest.mark.parametrize(
    "changes",
    [{"era": Era(1)}, {"view": View(1)}, {"height": Height(6)}, {"digest": digest("another block")}],
    ids=lambda changes: next(iter(changes)),
)
def test_commits_do_not_carry_over_to_another_subject(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidCertificate, match="COMMIT of validator 0"):
        replace(VALID, **changes).verify(validator_set(), chain_id=CHAIN)


@pytest.mark.parametrize(
    "other",
    [header(height=Height(6)), header(height=Height(5), era=Era(1)), header(height=Height(5), state_root=digest("x"))],
    ids=["height", "era", "digest"],
)
def test_a_certificate_of_another_block_is_refused(other: BlockHeader) -> None:
    with pytest.raises(InvalidCertificate, match="subject of the commit certificate"):
        VALID.verify_for(other, validator_set(), chain_id=CHAIN)


@pytest.mark.parametrize("changes", [{"era": Era(1)}, {"height": Height(6)}], ids=lambda changes: next(iter(changes)))
def test_honest_votes_that_name_the_digest_at_another_place_do_not_finalise(changes: dict[str, Any]) -> None:
    vote = replace(vote_for(SUBJECT, VoteKind.COMMIT), **changes)
    commits = tuple(proof_of(vote, signer, key_era=0) for signer in (0, 1, 3))
    misplaced = replace(VALID, commits=commits, **changes)
    misplaced.verify(validator_set(), chain_id=CHAIN)
    expect_refusal(misplaced, "subject of the commit certificate")


def test_a_stranger_is_refused() -> None:
    expect_refusal(commit_certificate(SUBJECT, (0, 1, 4)), "validator 4: validator: expected one of")


def test_the_signature_of_another_validator_is_refused() -> None:
    borrowed = replace(VALID.commits[1], validator=ValidatorId(3))
    expect_refusal(replace(VALID, commits=(*VALID.commits[:2], borrowed)), "COMMIT of validator 3")


def test_the_path_of_a_commit_is_followed() -> None:
    bent = replace(VALID.commits[2], path=(digest("forged"),))
    expect_refusal(replace(VALID, commits=(*VALID.commits[:2], bent)), "COMMIT of validator 3: inclusion path")


def test_a_certificate_on_another_chain_is_refused() -> None:
    with pytest.raises(InvalidCertificate):
        VALID.verify(validator_set(), chain_id=OTHER_CHAIN)


def test_a_certificate_under_the_set_of_another_era_is_refused() -> None:
    with pytest.raises(InvalidCertificate):
        VALID.verify(validator_set(era=1), chain_id=CHAIN)


def test_a_certificate_under_a_larger_set_is_refused() -> None:
    with pytest.raises(InvalidCertificate):
        VALID.verify(ValidatorSet((*validator_set().members, validator(4))), chain_id=CHAIN)


@pytest.mark.parametrize("place", range(3))
def test_every_commit_is_checked(place: int) -> None:
    commits = list(VALID.commits)
    commits[place] = replace(commits[place], signature=bytes(64))
    expect_refusal(replace(VALID, commits=tuple(commits)), f"COMMIT of validator {(0, 1, 3)[place]}")


def test_the_pre_prepare_of_another_than_the_primary_is_refused() -> None:
    expect_not_prepared(PREPARED, "pre-prepare of view 0: expected validator 1's, got 0", primary=1)


def test_the_primarys_own_prepare_does_not_count() -> None:
    certificate = prepared_certificate(SUBJECT, primary=0, backups=(0, 1))
    expect_not_prepared(certificate, "expected backups of validator 0, got its own prepare")


def test_a_prepare_in_the_place_of_the_pre_prepare_is_refused() -> None:
    prepare = proof_of(vote_for(SUBJECT, VoteKind.PREPARE), 0)
    expect_not_prepared(replace(PREPARED, pre_prepare=prepare), "PRE_PREPARE of validator 0")


@pytest.mark.parametrize(
    "stray",
    [
        proof_of(vote_for(SUBJECT, VoteKind.COMMIT), 3),
        proof_of(vote_for(SUBJECT, VoteKind.PREPARE, view=1), 3),
        proof_of(vote_for(header(), VoteKind.PREPARE), 3),
        replace(PREPARED.prepares[0], validator=ValidatorId(3)),
    ],
    ids=["commit", "view", "block", "signer"],
)
def test_a_prepare_for_something_else_is_refused(stray: object) -> None:
    changed = replace(PREPARED, prepares=(PREPARED.prepares[0], stray))
    expect_not_prepared(changed, "PREPARE of validator 3")


@pytest.mark.parametrize("backups", [(3, 1), (1, 1)])
def test_prepares_that_are_repeated_or_out_of_order_are_refused(backups: tuple[int, ...]) -> None:
    expect_not_prepared(prepared_certificate(SUBJECT, backups=backups), "distinct validators in ascending order")


def test_a_prepare_of_a_stranger_is_refused() -> None:
    expect_not_prepared(prepared_certificate(SUBJECT, backups=(1, 4)), "PREPARE of validator 4")


@pytest.mark.parametrize(
    "change",
    [
        lambda held: replace(held, view=View(1)),
        lambda held: replace(held, header=header(height=Height(6))),
        lambda held: replace(held, header=header(height=Height(5), era=Era(1))),
        lambda held: replace(held, header=header(height=Height(5), state_root=digest("another"))),
    ],
    ids=["view", "height", "era", "digest"],
)
def test_a_prepared_certificate_is_for_one_block_in_one_view(
    change: Callable[[PreparedCertificate], PreparedCertificate],
) -> None:
    expect_not_prepared(change(PREPARED), "PRE_PREPARE of validator 0")


def test_a_prepared_certificate_on_another_chain_is_refused() -> None:
    with pytest.raises(InvalidCertificate):
        PREPARED.verify(validator_set(), primary=ValidatorId(0), chain_id=OTHER_CHAIN)

"""VIEW-CHANGEs and NEW-VIEWs that no honest replica sends, each refused with the error that says so."""

import pytest
from msgspec.structs import replace

from consensus.messages import Choice, NewView, ViewChange
from consensus.new_view import verify_new_view, verify_view_change
from ledger.certificates import CommitCertificate, PreparedCertificate
from ledger.errors import InputError, InvalidCertificate, InvalidSignature
from ledger.hashing import sha256
from ledger.keys import Signature
from ledger.quantities import Era, Height, ValidatorId, View
from tests.consensus.forge import Forge

FORGE = Forge(window=2)
A, B, C, D = FORGE.chain(4)
OTHER = FORGE.block(FORGE.genesis, b"other")
CERTIFICATE = FORGE.certificate(A.header)
PREPARED = FORGE.prepared(B.header, 1)
GOOD = FORGE.view_change(0, 3, certificate=CERTIFICATE, prepared=[PREPARED])


def with_prepared(*prepared: PreparedCertificate) -> ViewChange:
    return FORGE.view_change(0, 3, certificate=CERTIFICATE, prepared=prepared)


def with_certificate(certificate: CommitCertificate) -> ViewChange:
    return FORGE.view_change(0, 3, certificate=certificate)


def refuses(change: ViewChange) -> None:
    with pytest.raises(InvalidCertificate):
        verify_view_change(FORGE.context, change)


def test_what_an_honest_replica_sends_is_accepted() -> None:
    verify_view_change(FORGE.context, GOOD)


def test_another_validators_signature_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        verify_view_change(FORGE.context, replace(GOOD, payload=replace(GOOD.payload, validator=ValidatorId(1))))


def test_a_changed_payload_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        verify_view_change(FORGE.context, replace(GOOD, payload=replace(GOOD.payload, prepared=())))


def test_a_new_views_signature_does_not_pass_for_that_of_a_view_change() -> None:
    with pytest.raises(InvalidSignature):
        verify_view_change(FORGE.context, replace(GOOD, signature=FORGE.new_view(CHANGES).signature))


def test_a_stranger_is_refused() -> None:
    with pytest.raises(InputError):
        verify_view_change(FORGE.context, replace(GOOD, payload=replace(GOOD.payload, validator=ValidatorId(9))))


COMMITS = CERTIFICATE.commits
OTHERS_COMMIT = FORGE.certificate(OTHER.header).commits[0]
LATER_COMMIT = FORGE.certificate(A.header, 1).commits[0]
BAD_CERTIFICATES = {
    "of another era": FORGE.certificate(replace(A.header, era=Era(1))),
    "said to be of another era": replace(CERTIFICATE, era=Era(1)),
    "one signer fewer": replace(CERTIFICATE, commits=COMMITS[:-1]),
    "one signer more": FORGE.certificate(A.header, signers=range(4)),
    "a repeated signer": replace(CERTIFICATE, commits=(COMMITS[0], COMMITS[0], COMMITS[1])),
    "unsorted": replace(CERTIFICATE, commits=COMMITS[::-1]),
    "a commit for another block": replace(CERTIFICATE, commits=(OTHERS_COMMIT, *COMMITS[1:])),
    "mixed over views": replace(CERTIFICATE, commits=(LATER_COMMIT, *COMMITS[1:])),
    "another height": replace(CERTIFICATE, height=Height(2)),
    "another digest": replace(CERTIFICATE, digest=OTHER.digest),
    "a stranger's commit": replace(CERTIFICATE, commits=(*COMMITS[:2], replace(COMMITS[2], validator=ValidatorId(9)))),
    "at the root": FORGE.certificate(FORGE.genesis),
    "none": replace(CERTIFICATE, commits=()),
}


@pytest.mark.parametrize("name", BAD_CERTIFICATES)
def test_b5_a_bad_commit_certificate_is_refused(name: str) -> None:
    refuses(with_certificate(BAD_CERTIFICATES[name]))


PREPARES = PREPARED.prepares
BAD_PREPARED = {
    "the same element twice": [PREPARED, PREPARED],
    "two of one height": [PREPARED, FORGE.prepared(B.header, 2)],
    "unsorted": [FORGE.prepared(C.header, 1), PREPARED],
    "at the certificate's height": [FORGE.prepared(A.header, 1)],
    "above the window": [FORGE.prepared(D.header, 1)],
    "of the view to be entered": [FORGE.prepared(B.header, 3)],
    "of a later view": [FORGE.prepared(B.header, 4)],
    "of another era": [FORGE.prepared(replace(B.header, era=Era(1)), 1)],
    "one prepare fewer": [replace(PREPARED, prepares=PREPARES[:-1])],
    "one prepare more": [FORGE.prepared(B.header, 1, signers=FORGE.backups(1))],
    "a repeated prepare": [replace(PREPARED, prepares=(PREPARES[0], PREPARES[0]))],
    "prepares unsorted": [replace(PREPARED, prepares=PREPARES[::-1])],
    "the primary's own prepare": [FORGE.prepared(B.header, 1, signers=sorted([0, FORGE.primary(1)]))],
    "a backup's pre-prepare": [replace(PREPARED, pre_prepare=PREPARES[0])],
    "another primary's pre-prepare": [replace(PREPARED, pre_prepare=FORGE.prepared(B.header, 2).pre_prepare)],
    "prepares of another view": [replace(PREPARED, prepares=FORGE.prepared(B.header, 2, signers=[0, 1]).prepares)],
    "another view": [replace(PREPARED, view=View(2))],
    "another block": [replace(PREPARED, header=replace(B.header, state_root=sha256(b"another")))],
}


@pytest.mark.parametrize("name", BAD_PREPARED)
def test_b5_bad_prepared_certificates_are_refused(name: str) -> None:
    refuses(with_prepared(*BAD_PREPARED[name]))


CHANGES = tuple(FORGE.view_change(who, 3, certificate=CERTIFICATE, prepared=[PREPARED]) for who in range(3))
NEW_VIEW = FORGE.new_view(CHANGES)


def signed(**changes: object) -> NewView:
    return FORGE.sign_new_view(replace(NEW_VIEW.payload, **changes))


def refuses_new_view(new_view: NewView, changes: tuple[ViewChange, ...] = CHANGES) -> None:
    with pytest.raises(InvalidCertificate):
        verify_new_view(FORGE.context, new_view, changes)


def test_the_one_right_new_view_is_accepted() -> None:
    start = verify_new_view(FORGE.context, NEW_VIEW, CHANGES)
    assert [chosen.digest for chosen in start.choices] == [B.digest]


BAD_NEW_VIEWS = {
    "by a backup": signed(validator=ValidatorId(1)),
    "for another view": signed(view=View(7)),  # same primary
    "of another era": signed(era=Era(1)),
    "another base": signed(base=FORGE.context.root),
    "a base of another digest": signed(base=Choice(height=Height(1), digest=OTHER.digest)),
    "a choice left out": signed(choices=()),
    "a choice too many": signed(choices=(*NEW_VIEW.payload.choices, Choice(height=Height(3), digest=C.digest))),
    "a choice twice": signed(choices=NEW_VIEW.payload.choices * 2),
    "another choice": signed(choices=(Choice(height=Height(2), digest=OTHER.digest),)),
    "other view changes": signed(view_changes=NEW_VIEW.payload.view_changes[::-1]),
    "a view change fewer": signed(view_changes=NEW_VIEW.payload.view_changes[:-1]),
}


@pytest.mark.parametrize("name", BAD_NEW_VIEWS)
def test_b5_a_bad_new_view_is_refused(name: str) -> None:
    refuses_new_view(BAD_NEW_VIEWS[name])


BAD_SETS = {
    "a quorum less one": CHANGES[:-1],
    "one more than a quorum": (*CHANGES, FORGE.view_change(3, 3)),
    "a repeated signer": (CHANGES[0], CHANGES[0], CHANGES[1]),
    "unsorted": CHANGES[::-1],
    "one for a lower view": (FORGE.view_change(0, 2), *CHANGES[1:]),
    "one for a higher view": (FORGE.view_change(0, 4), *CHANGES[1:]),
    "one of another era": (FORGE.sign_view_change(replace(CHANGES[0].payload, era=Era(1))), *CHANGES[1:]),
    "one that is invalid": (FORGE.view_change(0, 3, prepared=[PREPARED, PREPARED]), *CHANGES[1:]),
    "none": (),
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_b5_a_new_view_that_rests_on_a_bad_set_is_refused(name: str) -> None:
    changes = BAD_SETS[name]
    digests = tuple(change.payload.digest for change in changes)
    refuses_new_view(signed(view_changes=digests), changes)


def test_a_new_view_that_is_of_another_era_all_over_is_refused() -> None:
    changes = tuple(
        FORGE.sign_view_change(replace(FORGE.view_change(who, 3).payload, era=Era(1))) for who in range(FORGE.quorum)
    )
    refuses_new_view(FORGE.sign_new_view(replace(FORGE.new_view(changes).payload, era=Era(1))), changes)


def test_a_forged_signature_in_the_set_is_refused() -> None:
    changes = (replace(CHANGES[0], signature=CHANGES[1].signature), *CHANGES[1:])
    with pytest.raises(InvalidSignature):
        verify_new_view(FORGE.context, NEW_VIEW, changes)


def test_a_forged_signature_of_the_primary_is_refused() -> None:
    with pytest.raises(InvalidSignature):
        verify_new_view(FORGE.context, replace(NEW_VIEW, signature=Signature(bytes(64))), CHANGES)

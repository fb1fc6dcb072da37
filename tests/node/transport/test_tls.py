"""Who gets through TLS, and as whom. Handshakes run in memory, with OpenSSL at both ends."""

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.quantities import TimeMs, ValidatorId
from ledger.validators import ValidatorSet
from node.transport.certificates import VALIDITY
from node.transport.errors import LinkRefused, UnusableCredential
from node.transport.tls import LinkTls, peer_of
from tests.node.transport.credentials import NOW, Members, credential, members, parties, validator

ZERO, ONE, TWO, THREE = map(ValidatorId, range(4))
HOSTILE_NAME = "org-00"


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Return both ends after a handshake; raises what either raises."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True)
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ends[1], ends[0]


def test_validators_recognise_each_other(consortium: Members) -> None:
    server, client = handshake(consortium.tls(0).server, consortium.tls(1).client)
    assert peer_of(server, parties(consortium.validators)) == ONE
    assert peer_of(client, parties(consortium.validators)) == ZERO
    assert server.version() == client.version() == "TLSv1.3"


def test_no_session_can_be_resumed(consortium: Members) -> None:
    server, client = handshake(consortium.tls(0).server, consortium.tls(1).client)
    server.write(b"x")
    assert client.read(1) == b"x"
    assert client.session is None or not client.session.has_ticket


def test_a_caller_with_a_certificate_of_its_own_making_fails(consortium: Members, tmp_path: Path) -> None:
    stranger = members(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(consortium.tls(0).server, stranger.tls(1).client)


def test_a_certificate_of_no_validator_is_refused_even_where_it_verifies(consortium: Members) -> None:
    server, _ = handshake(consortium.tls(0).server, consortium.tls(1).client)
    others = tuple(member for member in consortium.validators.members if member.id != ONE)
    with pytest.raises(LinkRefused, match="expected one recorded for one validator, got another"):
        peer_of(server, parties(ValidatorSet((*others, validator(4, credential(4).certificate)))))


def test_a_certificate_recorded_for_two_validators_is_nobodys(tmp_path: Path) -> None:
    shared = members(tmp_path)
    copied = shared.validators.members[1].link_certificate
    thief = validator(3, copied)
    both = ValidatorSet((*shared.validators.members[:3], thief))
    server, _ = handshake(shared.tls(0).server, shared.tls(1).client)
    with pytest.raises(LinkRefused, match=r"got one recorded for \[1, 3\]"):
        peer_of(server, parties(both))


def test_an_expired_certificate_does_not_verify(tmp_path: Path) -> None:
    old = members(tmp_path)
    long_ago = TimeMs(NOW - VALIDITY // timedelta(milliseconds=1) - 1_000)
    expired = credential(1, now=long_ago)
    old.files[ONE].write_bytes(expired.pem)
    recorded = tuple(
        validator(1, expired.certificate) if member.id == ONE else member for member in old.validators.members
    )
    dated = Members(validators=ValidatorSet(recorded), files=old.files)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(dated.tls(0).server, dated.tls(1).client)


def hostile(*, ca: bool, begins: timedelta, ends: timedelta) -> bytes:
    """Make a certificate in another validator's name."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTILE_NAME)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key, algorithm=None)
        .public_bytes(Encoding.DER)
    )


YEAR, DAY = timedelta(days=365), timedelta(days=1)


@pytest.mark.parametrize("ca", [False, True])
@pytest.mark.parametrize(("begins", "ends"), [(-2 * YEAR, 20 * YEAR), (-DAY / 2, DAY), (-2 * DAY, -DAY)])
@pytest.mark.parametrize("number", [0, 3])
def test_a_certificate_in_anothers_name_harms_nobody(
    tmp_path: Path, number: int, begins: timedelta, ends: timedelta, *, ca: bool
) -> None:
    folder = members(tmp_path, certificates={number: hostile(ca=ca, begins=begins, ends=ends)})
    named = credential(0)  # carries the name that the hostile certificate took
    folder.files[ONE].write_bytes(named.pem)
    recorded = tuple(
        validator(1, named.certificate) if member.id == ONE else member for member in folder.validators.members
    )
    consortium = Members(validators=ValidatorSet(recorded), files=folder.files)
    server, client = handshake(consortium.tls(2).server, consortium.tls(1).client)
    assert peer_of(server, parties(consortium.validators)) == ONE
    assert peer_of(client, parties(consortium.validators)) == TWO


GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda _: bytes(64),
    "sequences": lambda _: b"\x30" * 64,
    "a length and nothing": lambda _: b"\x30\x82\x07\xf0" + bytes(100),
    "cut": lambda certificate: certificate[:-1],
    "more than one": lambda certificate: certificate + bytes(10),
    "another version": lambda certificate: certificate.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04"),
    "more that OpenSSL overlooks": lambda certificate: certificate + b"\x30\x82\x10\x00",
}


@pytest.mark.parametrize("kind", sorted(GARBAGE))
def test_bytes_that_are_no_certificate_keep_only_their_validator_out(tmp_path: Path, kind: str) -> None:
    consortium = members(tmp_path, certificates={0: GARBAGE[kind](credential(0).certificate)})
    one, two = consortium.tls(1), consortium.tls(2)
    assert one.unusable == two.unusable == (ZERO,)
    for server, client, caller in ((one, two, TWO), (two, consortium.tls(3), THREE)):
        end, _ = handshake(server.server, client.client)
        assert peer_of(end, parties(consortium.validators)) == caller


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from([0, 3]))
def test_a_damaged_copy_of_a_certificate_keeps_its_owner_from_nothing(
    consortium: Members, data: st.DataObject, number: int
) -> None:
    recorded = list(consortium.validators.members)
    damaged = bytearray(recorded[1].link_certificate)
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    recorded[number] = validator(number, bytes(damaged))
    spoilt = Members(validators=ValidatorSet(tuple(recorded)), files=consortium.files)
    server, client = handshake(spoilt.tls(2).server, spoilt.tls(1).client)
    assert peer_of(server, parties(spoilt.validators)) == ONE
    assert peer_of(client, parties(spoilt.validators)) == TWO


def test_all_certificates_of_a_sound_set_are_usable(consortium: Members) -> None:
    assert consortium.tls(0).unusable == ()


@pytest.mark.parametrize("identity", [1, 9])
def test_a_certificate_that_is_not_recorded_for_us_is_not_ours(consortium: Members, identity: int) -> None:
    with pytest.raises(UnusableCredential, match=f"records for validator {identity}, got another"):
        LinkTls(consortium.files[ZERO], identity=ValidatorId(identity), parties=parties(consortium.validators))


def unusable_files() -> Mapping[str, bytes]:
    own, other = credential(0), credential(1)
    key = load_pem_private_key(own.key, password=None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    certificate = own.pem.removeprefix(own.key)
    return {
        "no key": certificate,
        "encrypted key": encrypted + certificate,
        "another key": other.key + certificate,
    }


@pytest.mark.parametrize("kind", ["no key", "encrypted key", "another key"])
def test_a_credential_without_its_plain_key_is_refused(tmp_path: Path, kind: str) -> None:
    data = unusable_files()[kind]
    certificate = x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
    consortium = members(tmp_path, certificates={0: certificate})
    consortium.files[ZERO].write_bytes(data)
    with pytest.raises(UnusableCredential, match="expected a certificate and its unencrypted key"):
        consortium.tls(0)


def test_a_credential_that_is_not_there_is_refused(tmp_path: Path, consortium: Members) -> None:
    with pytest.raises(UnusableCredential, match="expected a readable file"):
        LinkTls(tmp_path / "missing.pem", identity=ZERO, parties=parties(consortium.validators))

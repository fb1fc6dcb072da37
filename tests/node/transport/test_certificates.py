"""Link credentials."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.encoding import decode, encode
from ledger.errors import InputError
from ledger.quantities import TimeMs
from ledger.validators import Validator
from node.transport.certificates import CLOCK_SKEW, VALIDITY, certificate_in, make_link_credential, valid_until
from node.transport.errors import UnusableCredential
from tests.node.transport.credentials import NOW, credential, validator


def test_the_certificate_fits_a_validators_record() -> None:
    longest = make_link_credential("a" * 63, now=NOW)
    member = validator(0, longest.certificate)
    assert decode(encode(member), Validator) == member


def test_the_certificate_is_ed25519_self_signed_and_may_sign_no_other() -> None:
    certificate = x509.load_der_x509_certificate(credential(0).certificate)
    key = certificate.public_key()
    assert isinstance(key, Ed25519PublicKey)
    certificate.verify_directly_issued_by(certificate)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_the_certificate_names_its_organisation() -> None:
    certificate = x509.load_der_x509_certificate(credential(7).certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["quorate://org-07/link"]
    assert certificate.subject.rfc4514_string() == "CN=org-07"


def test_the_file_holds_the_certificate_and_its_key() -> None:
    own = credential(0)
    assert certificate_in(own.pem) == own.certificate
    key = load_pem_private_key(own.pem, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    assert key.public_key() == x509.load_der_x509_certificate(own.certificate).public_key()


def test_every_credential_has_a_key_of_its_own() -> None:
    assert credential(0).key != credential(0).key


def test_the_key_is_not_shown() -> None:
    own = credential(0)
    assert "PRIVATE" not in repr(own)
    assert str(own.key) not in repr(own)


@settings(deadline=None, max_examples=25)
@given(st.integers(min_value=10**12, max_value=5 * 10**12))
def test_validity_is_ten_years_to_the_second(now: int) -> None:
    own = make_link_credential("org", now=TimeMs(now))
    assert valid_until(own.certificate) == (now + VALIDITY // timedelta(milliseconds=1)) // 1_000 * 1_000


def test_a_certificate_is_valid_where_clocks_are_behind() -> None:
    certificate = x509.load_der_x509_certificate(credential(0).certificate)
    length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert length == VALIDITY + CLOCK_SKEW


@pytest.mark.parametrize("name", ["", "Org", "a b", "a" * 64, "ü", "-org"])
def test_what_is_no_name_gets_no_certificate(name: str) -> None:
    with pytest.raises(InputError, match="organisation: expected lower-case letters"):
        make_link_credential(name, now=NOW)


def test_a_file_without_a_certificate_is_refused() -> None:
    with pytest.raises(UnusableCredential, match="expected a certificate in PEM"):
        certificate_in(credential(0).key)


def test_bytes_that_are_no_certificate_have_no_expiry() -> None:
    with pytest.raises(InputError, match=r"expected X\.509 in DER"):
        valid_until(bytes(64))

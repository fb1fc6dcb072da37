"""Ed25519: the vectors of RFC 8032, another verifier, and the degenerate inputs that must be refused.

What counts as a valid signature must be the same on every validator. The cases at the end of the file are those on
which libraries differ (Chalkias et al. 2020, "Taming the many EdDSAs"): they fail if libsodium ever judges otherwise.
"""

import hashlib
from itertools import permutations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings

from ledger.encoding import Purpose, signing_bytes
from ledger.errors import InputError, InvalidSignature
from ledger.keys import PublicKey, Signature, SigningKey, verify
from tests.ledger.helpers import CHAIN, OTHER_CHAIN, key

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER_KEYS = (
    "0100000000000000000000000000000000000000000000000000000000000000",  # the neutral point
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # order 2
    "0000000000000000000000000000000000000000000000000000000000000000",  # order 4
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # order 8
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",  # the same points, not reduced
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
)
RFC_8032 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
)

signer = key("signer")


def check(signature: bytes, *, public: bytes = signer.public, payload: bytes = b"payload") -> None:
    verify(PublicKey(public), Signature(signature), Purpose.HOLD, payload, chain_id=CHAIN)


def expect_refusal(signature: bytes, *, public: bytes = signer.public, payload: bytes = b"payload") -> None:
    with pytest.raises(InvalidSignature):
        check(signature, public=public, payload=payload)


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_the_algorithm_is_that_of_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    pair = SigningKey(bytes.fromhex(seed))
    assert pair.public.hex() == public
    assert bindings.crypto_sign(bytes.fromhex(message), pair._secret)[:64].hex() == signature


@settings(deadline=None, max_examples=50)
@given(seed=st.binary(min_size=32, max_size=32), purpose=st.sampled_from(Purpose), payload=st.binary(max_size=200))
def test_a_signature_verifies_here_and_elsewhere(seed: bytes, purpose: Purpose, payload: bytes) -> None:
    pair = SigningKey(seed)
    signature = pair.sign(purpose, payload, chain_id=CHAIN)
    verify(pair.public, signature, purpose, payload, chain_id=CHAIN)
    covered = signing_bytes(purpose, chain_id=CHAIN, payload=payload)
    Ed25519PublicKey.from_public_bytes(pair.public).verify(signature, covered)


def test_signing_twice_gives_the_same_bytes() -> None:
    first, second = (signer.sign(Purpose.HOLD, b"payload", chain_id=CHAIN) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("made_for", "shown_for"), list(permutations(Purpose, 2)))
def test_a_signature_for_one_purpose_is_none_for_another(made_for: Purpose, shown_for: Purpose) -> None:
    signature = signer.sign(made_for, b"payload", chain_id=CHAIN)
    with pytest.raises(InvalidSignature, match=f"{shown_for} signature: expected one by key"):
        verify(signer.public, signature, shown_for, b"payload", chain_id=CHAIN)


def test_a_signature_on_another_chain_is_refused() -> None:
    expect_refusal(signer.sign(Purpose.HOLD, b"payload", chain_id=OTHER_CHAIN))


def test_a_signature_of_another_key_is_refused() -> None:
    expect_refusal(key("stranger").sign(Purpose.HOLD, b"payload", chain_id=CHAIN))


def test_a_signature_over_another_payload_is_refused() -> None:
    expect_refusal(signer.sign(Purpose.HOLD, b"payloae", chain_id=CHAIN))


def test_a_signature_with_one_bit_changed_is_refused() -> None:
    signature = signer.sign(Purpose.HOLD, b"payload", chain_id=CHAIN)
    for bit in range(512):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        expect_refusal(bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    expect_refusal(signer.sign(Purpose.HOLD, b"payload", chain_id=CHAIN).ljust(128, b"\0")[:length])


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    signature = signer.sign(Purpose.HOLD, b"payload", chain_id=CHAIN)
    expect_refusal(signature, public=signer.public.ljust(64, b"\0")[:length])


def test_bytes_cannot_move_between_key_signature_and_message() -> None:
    signature = signer.sign(Purpose.HOLD, b"payload", chain_id=CHAIN)
    with pytest.raises(InvalidSignature, match="expected a key of 32 and a signature of 64 bytes, got 31 and 65"):
        check(signer.public[31:] + signature, public=signer.public[:31])


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused_and_not_repeated(length: int) -> None:
    seed = b"\xab" * length
    with pytest.raises(InputError, match=f"expected 32 bytes, got {length} bytes") as caught:
        SigningKey(seed)
    assert "abab" not in str(caught.value)


def test_the_seed_does_not_show() -> None:
    pair = SigningKey(b"\xab" * 32)
    assert repr(pair) == str(pair) == f"{pair}" == f"SigningKey(public={pair.public.hex()})"


def test_the_seed_can_be_stored() -> None:
    assert SigningKey(signer.seed()).public == signer.public


# What libraries disagree about.


@pytest.mark.parametrize("public", SMALL_ORDER_KEYS)
def test_a_key_of_small_order_verifies_nothing(public: str) -> None:
    # With such a key this signature would be valid for every eighth message or for all of them.
    scalar = (5).to_bytes(32, "little")
    forged = bindings.crypto_scalarmult_ed25519_base_noclamp(scalar) + scalar
    for number in range(16):
        expect_refusal(forged, public=bytes.fromhex(public), payload=bytes([number]))


def test_a_scalar_that_is_not_reduced_is_refused() -> None:
    signature = signer.sign(Purpose.HOLD, b"payload", chain_id=CHAIN)
    scalar = int.from_bytes(signature[32:], "little")
    expect_refusal(signature[:32] + (scalar + GROUP_ORDER).to_bytes(32, "little"))


def test_a_signature_of_zeros_is_refused() -> None:
    expect_refusal(bytes(64))


def test_verification_is_without_cofactor() -> None:
    # The key has a component of order 8: with cofactor every such signature is valid, without it about one in eight.
    secret = int.from_bytes(hashlib.sha512(signer.seed()).digest()[:32], "little") % 2**254 // 8 * 8 + 2**254
    public = bindings.crypto_core_ed25519_add(signer.public, bytes.fromhex(SMALL_ORDER_KEYS[4]))
    nonce_point = bindings.crypto_scalarmult_ed25519_base_noclamp((7).to_bytes(32, "little"))
    judged = set()
    for number in range(64):
        payload = bytes([number])
        covered = signing_bytes(Purpose.HOLD, chain_id=CHAIN, payload=payload)
        challenge = int.from_bytes(hashlib.sha512(nonce_point + public + covered).digest(), "little") % GROUP_ORDER
        signature = nonce_point + ((7 + challenge * secret) % GROUP_ORDER).to_bytes(32, "little")
        if challenge % 8 == 0:
            check(signature, public=public, payload=payload)
        else:
            expect_refusal(signature, public=public, payload=payload)
        judged.add(challenge % 8 == 0)
    assert judged == {True, False}

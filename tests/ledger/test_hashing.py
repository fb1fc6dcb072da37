"""SHA-256 and the type of its results."""

import pytest

from ledger.encoding import decode, encode
from ledger.errors import MalformedEncoding
from ledger.hashing import ZERO_DIGEST, DigestField, sha256


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_the_hash_is_that_of_fips_180(data: bytes, expected: str) -> None:
    assert sha256(data).hex() == expected


def test_none_is_32_zero_bytes() -> None:
    assert bytes(32) == ZERO_DIGEST


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_digest_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(MalformedEncoding):
        decode(encode(bytes(length)), DigestField)

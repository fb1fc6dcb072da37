"""Key files as text: one form, one purpose, and nothing of a damaged one is repeated."""

import msgspec
import pytest

from ledger.errors import ConfigurationError
from ledger.keyfile import KEY_FILE_BYTES_MAX, KeyPurpose, check_private, decode_key, decode_key_for, encode_key
from tests.ledger.helpers import key

FILE = "site.key"


def changed(**changes: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(encode_key(key("a"), KeyPurpose.VOTE)), **changes})


@pytest.mark.parametrize("purpose", KeyPurpose)
def test_a_key_is_read_back_with_its_purpose(purpose: KeyPurpose) -> None:
    data = encode_key(key("a"), purpose)
    found, read = decode_key(data, file=FILE)
    assert (found, read.seed()) == (purpose, key("a").seed())
    assert decode_key_for(purpose, data, file=FILE).seed() == key("a").seed()
    assert len(data) <= KEY_FILE_BYTES_MAX


def test_a_key_for_another_purpose_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"site\.key: expected one for operator, got one for vote"):
        decode_key_for(KeyPurpose.OPERATOR, changed(), file=FILE)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{}",
        b"[" * 5_000,
        b"-----BEGIN PRIVATE KEY-----",
        changed(format="quorate-key-2"),
        changed(purpose="any"),
        changed(public="00" * 32),
        changed(seed="zz"),
        changed(seed="00"),
        changed(seed="00" * 32),
        changed(seed=7),
        changed(more=""),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_not_repeated(damaged: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"^key file site\.key: expected .*quorate-key-1, got ") as caught:
        decode_key(damaged, file=FILE)
    assert key("a").seed().hex() not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_file_that_others_may_touch_is_not_private(mode: int) -> None:
    with pytest.raises(ConfigurationError, match=f"0600 .*, got {mode:04o}"):
        check_private(FILE, mode=mode, size=1)


@pytest.mark.parametrize("mode", [0o600, 0o400, None])
def test_a_file_of_its_owner_alone_is_private_up_to_a_size(mode: int | None) -> None:
    check_private(FILE, mode=mode, size=KEY_FILE_BYTES_MAX)
    with pytest.raises(ConfigurationError, match=f"at most {KEY_FILE_BYTES_MAX} bytes, got {KEY_FILE_BYTES_MAX + 1}"):
        check_private(FILE, mode=mode, size=KEY_FILE_BYTES_MAX + 1)

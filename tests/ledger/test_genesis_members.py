"""Members of a genesis file who were changed, doubled or left out, or who do not prove that they hold their keys."""

import pytest
from msgspec.structs import replace

from ledger.errors import (
    InputError,
    InvalidSignature,
    MalformedEncoding,
)
from ledger.genesis import assemble
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs
from tests.ledger.genesis_files import Json, changed, expect_refusal, written
from tests.ledger.helpers import (
    certificate_der,
    descriptor,
    descriptor_keys,
    genesis,
    genesis_file,
    key,
    unsigned_descriptor,
)


def test_organisations_out_of_order_are_refused() -> None:
    expect_refusal(
        changed(lambda document: document["organisations"].reverse()), InputError, "distinct names in ascending order"
    )


def test_an_organisation_that_occurs_twice_is_refused() -> None:
    data = changed(lambda document: document["organisations"].insert(0, document["organisations"][0]))
    expect_refusal(data, InputError, "distinct names in ascending order")


@pytest.mark.parametrize("count", [0, 1, 3, 26])
def test_fewer_than_4_or_more_than_25_validators_make_no_chain(count: int) -> None:
    with pytest.raises(InputError, match=f"validator set: expected 4 to 25 members, got {count}"):
        genesis_file(count)


@pytest.mark.parametrize("count", [4, 25])
def test_4_to_25_validators_make_a_chain(count: int) -> None:
    assert genesis(count).validators.size == count


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vote_key", key("other").public.hex()),
        ("service_key", key("other").public.hex()),
        ("log_head_key", key("other").public.hex()),
        ("link_certificate", "ab" * 64),
        ("link_address", "elsewhere.example:7000"),
        ("rest_url", "https://elsewhere.example:7001"),
    ],
)
def test_every_field_of_a_validator_is_signed(field: str, value: str) -> None:
    data = changed(lambda document: document["organisations"][1]["validators"][0].update({field: value}))
    expect_refusal(data, InvalidSignature, "descriptor signature")


def test_the_operator_key_is_signed() -> None:
    data = changed(lambda document: document["organisations"][1].update(operator_key=key("other").public.hex()))
    expect_refusal(data, InvalidSignature, "descriptor signature")


def test_the_name_of_an_organisation_is_signed() -> None:
    data = changed(lambda document: document["organisations"][1].update(organisation="org-01-renamed"))
    expect_refusal(data, InvalidSignature, "descriptor signature")


@pytest.mark.parametrize("place", range(4))
def test_every_key_proves_its_possession(place: int) -> None:
    def forge(document: Json) -> None:
        document["organisations"][2]["possession"][place] = "00" * 64

    expect_refusal(changed(forge), InvalidSignature, "descriptor signature: expected one by key")


def test_a_key_cannot_be_proved_by_another() -> None:
    data = changed(lambda document: document["organisations"][2]["possession"].reverse())
    expect_refusal(data, InvalidSignature)


@pytest.mark.parametrize("count", [0, 3, 5])
def test_a_proof_too_few_or_too_many_is_refused(count: int) -> None:
    def cut(document: Json) -> None:
        member = document["organisations"][2]
        member["possession"] = (member["possession"] * 2)[:count]

    expect_refusal(changed(cut), InputError, f"descriptor of org-02: expected 4 proofs of possession, got {count}")


def test_a_key_that_two_members_name_is_refused() -> None:
    # Each has signed, so both hold it; a vote or transaction would then have two authors.
    shared = replace(unsigned_descriptor(3), operator_key=key("vote 0 era 0").public.hex())
    third = shared.sign((key("vote 0 era 0"), *descriptor_keys(3)[1:]))
    data = written((descriptor(0), descriptor(1), descriptor(2), third))
    expect_refusal(data, InputError, "keys of genesis: expected every key once, got a key used twice")


def test_a_link_certificate_that_two_validators_name_is_refused() -> None:
    # Nobody proves possession of a link key, so a member could name another's certificate as its own.
    copied = replace(unsigned_descriptor(3).validators[0], link_certificate=certificate_der(0).hex())
    third = replace(unsigned_descriptor(3), validators=(copied,)).sign(descriptor_keys(3))
    data = written((descriptor(0), descriptor(1), descriptor(2), third))
    expect_refusal(data, InputError, "link certificates of genesis: expected every certificate once")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vote_key", "AB" * 32),
        ("vote_key", "ab" * 31),
        ("vote_key", "ab" * 32 + "\n"),
        ("link_certificate", "ab" * 63),
        ("link_certificate", "ab" * 2_049),
        ("link_address", "no-port"),
        ("link_address", ":"),
        ("link_address", "host:"),
        ("link_address", "host:123456"),
        ("link_address", "ho st:1"),
        ("rest_url", "ftp://host"),
        ("rest_url", "https://"),
        ("rest_url", "https://ho st"),
        ("rest_url", "https://" + "x" * 260),
    ],
)
def test_a_validators_field_in_another_form_is_malformed(field: str, value: str) -> None:
    data = changed(lambda document: document["organisations"][0]["validators"][0].update({field: value}))
    expect_refusal(data, MalformedEncoding, f"validators\\[[.0-9]+\\].{field}")


def test_a_chain_name_in_another_form_is_never_written() -> None:
    with pytest.raises(MalformedEncoding):
        assemble(
            tuple(descriptor(number) for number in range(4)), chain="A b", time=TimeMs(0), parameters=ChainParameters()
        )

"""Genesis: the file from which a chain begins, and the descriptors that it is assembled from.

Each host makes its own keys and prints a descriptor, signed by every key it names; the genesis file is assembled from
them. It is JSON, so that members can read it; the chain id is the SHA-256 of its very bytes, and that is what members
read aloud to each other before they start.
"""

from functools import cached_property
from typing import Annotated

import msgspec
from msgspec import Meta

from ledger import merkle, state_keys, state_tree
from ledger.blocks import Block, BlockHeader
from ledger.encoding import PROTOCOL_VERSION, Purpose, decode, encode
from ledger.errors import InputError, MalformedEncoding, NonCanonicalEncoding, TooLarge
from ledger.hashing import ZERO_DIGEST, sha256
from ledger.keys import PublicKey, Signature, SigningKey, verify
from ledger.parameters import ChainParameters
from ledger.quantities import U63, Era, Height, Name, TimeMs, ValidatorId
from ledger.records import KeyRecord, KeyRole, OrganisationRecord, SeatRecord, SeatStatus
from ledger.validators import Address, Url, Validator, ValidatorSet

GENESIS_FORMAT = "quorate-genesis-1"
GENESIS_BYTES_MAX = 4 * 2**20
FIRST_HEIGHT = Height(1)
"""First height that is voted on; era 0 begins there."""
PARAMETER_BOUNDS = {"protocol": (PROTOCOL_VERSION, PROTOCOL_VERSION), "window": (1, 64), "invited_max": (1, 1_024)}
"""Least and greatest values of the parameters that this software cannot follow beyond (see `ChainParameters`)."""

HexKey = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
HexSignature = Annotated[str, Meta(pattern=r"\A[0-9a-f]{128}\Z")]
HexBytes = Annotated[str, Meta(pattern=r"\A([0-9a-f]{2}){64,2048}\Z")]


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is written as JSON."""


class ValidatorDescriptor(_Document, frozen=True, kw_only=True):
    """One validator's public keys and addresses."""

    vote_key: HexKey
    service_key: HexKey
    log_head_key: HexKey
    link_certificate: HexBytes
    """Self-signed X.509 certificate, DER."""
    link_address: Address
    """host:port where peers reach it."""
    rest_url: Url
    """Where callers reach it."""


class OrganisationDescriptor(_Document, frozen=True, kw_only=True):
    """What one member contributes to genesis."""

    organisation: Name
    operator_key: HexKey
    validators: tuple[ValidatorDescriptor, ...] = ()
    """Empty for a member that only trains."""
    possession: tuple[HexSignature, ...] = ()
    """Signatures over this descriptor without them: operator key, then vote, service and log-head key of each."""

    def signing_keys(self) -> tuple[PublicKey, ...]:
        """Return every signing key named here, in the order of `possession`."""
        keys = [self.operator_key]
        for validator in self.validators:
            keys += [validator.vote_key, validator.service_key, validator.log_head_key]
        return tuple(PublicKey(bytes.fromhex(key)) for key in keys)

    def sign(self, keys: tuple[SigningKey, ...]) -> "OrganisationDescriptor":
        """Return this descriptor with proof that its maker holds every key."""
        signatures = (key.sign(Purpose.DESCRIPTOR, self._payload(), chain_id=ZERO_DIGEST) for key in keys)
        return msgspec.structs.replace(self, possession=tuple(signature.hex() for signature in signatures))

    def verify(self) -> None:
        """Raise InputError or InvalidSignature unless every key has signed this descriptor."""
        keys = self.signing_keys()
        if len(self.possession) != len(keys):
            raise InputError(
                f"descriptor of {self.organisation}",
                expected=f"{len(keys)} proofs of possession",
                got=len(self.possession),
            )
        for key, signature in zip(keys, self.possession, strict=True):
            proof = Signature(bytes.fromhex(signature))
            verify(key, proof, Purpose.DESCRIPTOR, self._payload(), chain_id=ZERO_DIGEST)

    def _payload(self) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(self, possession=()))


class GenesisDocument(_Document, frozen=True, kw_only=True):
    """The genesis file as written."""

    format: str
    chain: Name
    """Name of the chain, for people."""
    time_ms: U63
    """Time of the genesis block."""
    parameters: dict[str, U63]
    """Fields of `ledger.parameters.ChainParameters`; every one is named."""
    organisations: tuple[OrganisationDescriptor, ...]
    """Sorted by name; validators are numbered in this order."""


def assemble(
    descriptors: tuple[OrganisationDescriptor, ...],
    *,
    chain: str,
    time: TimeMs,
    parameters: ChainParameters,
) -> bytes:
    """Return the bytes of a genesis file; raises InputError where the members do not make a chain."""
    document = GenesisDocument(
        format=GENESIS_FORMAT,
        chain=chain,
        time_ms=time,
        parameters=msgspec.structs.asdict(parameters),
        organisations=tuple(sorted(descriptors, key=lambda member: member.organisation)),
    )
    data = _write(document)
    Genesis(data)
    return data


def _write(document: GenesisDocument) -> bytes:
    """Return the one form of a genesis file; in any other, two readers could see two values (a key that is doubled)."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


class Genesis:
    """A verified genesis file: the root of trust of everything else."""

    def __init__(self, data: bytes) -> None:
        """Raise unless `data` is a genesis file.

        TooLarge, MalformedEncoding, NonCanonicalEncoding or InvalidSignature; InputError where members make no chain.
        """
        if len(data) > GENESIS_BYTES_MAX:
            raise TooLarge("genesis file", expected=f"at most {GENESIS_BYTES_MAX} bytes", got=len(data))
        try:
            document = msgspec.json.decode(data, type=GenesisDocument)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedEncoding("not a genesis file", expected=f"a {GENESIS_FORMAT}", got=str(error)) from None
        if document.format != GENESIS_FORMAT:
            raise InputError("format of the genesis file", expected=GENESIS_FORMAT, got=document.format)
        written = _write(document)
        if data != written:
            raise NonCanonicalEncoding(
                "genesis file",
                expected=f"its members in order, each once, indented by two spaces: {len(written)} bytes",
                got=f"{len(data)} others",
            )
        names = [member.organisation for member in document.organisations]
        if names != sorted(set(names)):
            raise InputError("organisations", expected="distinct names in ascending order", got=names)
        for member in document.organisations:
            member.verify()
        self.data = data
        self.document = document
        self.chain_id = sha256(data)
        self.parameters = _parameters(document.parameters)
        self.validators = ValidatorSet(_validators(document.organisations))
        _check_keys(document.organisations)

    @cached_property
    def descriptors(self) -> dict[ValidatorId, ValidatorDescriptor]:
        """Descriptor of each validator, by the number genesis gives it."""
        every = (validator for member in self.document.organisations for validator in member.validators)
        return {ValidatorId(number): descriptor for number, descriptor in enumerate(every)}

    @cached_property
    def state(self) -> dict[bytes, bytes]:
        """The state map after genesis."""
        state = {
            state_keys.PARAMETERS: encode(self.parameters),
            state_keys.VALIDATORS: encode(self.validators.members),
            state_keys.ERA: encode((Era(0), FIRST_HEIGHT)),
            state_keys.SEATS_COUNT: encode(self.validators.size),
        }
        for member in self.document.organisations:
            name, operator = member.organisation, PublicKey(bytes.fromhex(member.operator_key))
            state[state_keys.organisation(name)] = encode(OrganisationRecord(name=name, operator_key=operator))
            state[state_keys.key(operator)] = encode(KeyRecord(role=KeyRole.OPERATOR, organisation=name, subject=0))
        for validator in self.validators.members:
            record = KeyRecord(role=KeyRole.SERVICE, organisation=validator.organisation, subject=validator.id)
            state[state_keys.key(validator.service_key)] = encode(record)
            descriptor = self.descriptors[validator.id]
            seat = SeatRecord(
                member=validator,
                link_address=descriptor.link_address,
                rest_url=descriptor.rest_url,
                status=SeatStatus.VALIDATOR,
                since=Height(0),
            )
            state[state_keys.seat(validator.id)] = encode(seat)
            for digest in validator.key_names:
                state[state_keys.seat_key(digest)] = encode(validator.id)
        return state

    @cached_property
    def block(self) -> Block:
        """Block 0: no transactions, no certificate; its digest follows from the file."""
        state_root, _ = state_tree.update(lambda _: None, self.state)
        header = BlockHeader(
            protocol=self.parameters.protocol,
            chain_id=self.chain_id,
            era=Era(0),
            height=Height(0),
            parent=ZERO_DIGEST,
            time=TimeMs(self.document.time_ms),
            proposer=ValidatorId(0),
            transactions_root=merkle.EMPTY_ROOT,
            receipts_root=merkle.EMPTY_ROOT,
            state_root=state_root,
            log_size=0,
            log_root=merkle.EMPTY_ROOT,
            validators=self.validators.digest,
            next_validators=self.validators.digest,
        )
        return Block(header=header, transactions=())


def _parameters(fields: dict[str, int]) -> ChainParameters:
    names = set(ChainParameters.__struct_fields__)
    if set(fields) != names:
        raise InputError("chain parameters", expected=sorted(names), got=sorted(fields))
    parameters = decode(encode(ChainParameters(**fields)), ChainParameters)
    for name, (least, greatest) in PARAMETER_BOUNDS.items():
        if not least <= fields[name] <= greatest:
            raise InputError(f"chain parameter {name}", expected=f"{least} to {greatest}", got=fields[name])
    return parameters


def _validators(organisations: tuple[OrganisationDescriptor, ...]) -> tuple[Validator, ...]:
    pairs = [(member.organisation, validator) for member in organisations for validator in member.validators]
    return tuple(
        Validator(
            id=ValidatorId(number),
            organisation=organisation,
            vote_key=PublicKey(bytes.fromhex(descriptor.vote_key)),
            service_key=PublicKey(bytes.fromhex(descriptor.service_key)),
            log_head_key=PublicKey(bytes.fromhex(descriptor.log_head_key)),
            link_certificate=bytes.fromhex(descriptor.link_certificate),
        )
        for number, (organisation, descriptor) in enumerate(pairs)
    )


def _check_keys(organisations: tuple[OrganisationDescriptor, ...]) -> None:
    keys = [key for member in organisations for key in member.signing_keys()]
    if len(set(keys)) != len(keys):
        raise InputError("keys of genesis", expected="every key once", got="a key used twice")
    certificates = [validator.link_certificate for member in organisations for validator in member.validators]
    if len(set(certificates)) != len(certificates):
        raise InputError("link certificates of genesis", expected="every certificate once", got="one used twice")

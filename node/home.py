"""The folder of one node: keys, link certificate, configuration, genesis, data. Each host makes its own."""

import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ledger.errors import ConfigurationError, InputError
from ledger.genesis import GENESIS_BYTES_MAX, Genesis, OrganisationDescriptor, ValidatorDescriptor
from ledger.keys import SigningKey
from ledger.quantities import TimeMs, ValidatorId
from node.keystore import KeyPurpose, create_key, load_key, read_private, write_private
from node.runtime.membership import Membership
from node.storage.files import sync_directory
from node.transport.certificates import make_link_credential

_TEMPLATE = """\
# Settings of this node; `quorate config check` prints each value with its origin.

[link]
listen = "{link}"

[rest]
listen = "{rest}"

[metrics]
listen = "{metrics}"
"""
DESCRIPTOR_BYTES_MAX = 2**20
"""More than the descriptors of one member with many validators take."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one node."""

    path: Path

    @property
    def configuration(self) -> Path:
        """Settings."""
        return self.path / "node.toml"

    @property
    def genesis(self) -> Path:
        """The chain's genesis file, the same bytes at every member."""
        return self.path / "genesis.json"

    @property
    def descriptor(self) -> Path:
        """What this host contributes to genesis."""
        return self.path / "descriptor.json"

    @property
    def organisation(self) -> str:
        """Name in this home's descriptor; raises ConfigurationError, InputError, InvalidSignature."""
        return read_descriptor(self.descriptor).organisation

    @property
    def link_credential(self) -> Path:
        """Private key and certificate of the TLS links, PEM."""
        return self.path / "keys" / "link.pem"

    def private_link_credential(self) -> Path:
        """Return the file of the link credential; raises ConfigurationError unless its owner alone may read it."""
        read_private(self.link_credential)
        return self.link_credential

    @property
    def data(self) -> Path:
        """Everything that the node writes while it runs."""
        return self.path / "data"

    @property
    def vote_log(self) -> Path:
        """What this validator may have sent; losing it is losing the vote key."""
        return self.data / "vote.log"

    @property
    def vote_key_used(self) -> Path:
        """Present once the vote key has a vote log; without that log the key must never vote again."""
        return self.path / "keys" / "vote.used"

    @property
    def staged(self) -> Path:
        """Keys made for a rotation: in force once the chain records them."""
        return self.path / "keys" / "next"

    @property
    def staged_credential(self) -> Path:
        """Link credential made for a rotation."""
        return self.staged / "link.pem"

    def staged_key(self, purpose: KeyPurpose) -> Path:
        """File of a signing key made for a rotation."""
        return self.staged / f"{purpose}.key"

    def key(self, purpose: KeyPurpose) -> Path:
        """File of a signing key."""
        return self.path / "keys" / f"{purpose}.key"

    def load_key(self, purpose: KeyPurpose) -> SigningKey:
        """Read a signing key; raises ConfigurationError."""
        return load_key(self.key(purpose), purpose)

    def load_genesis(self) -> Genesis:
        """Read and verify the genesis file; raises ConfigurationError."""
        return _read_genesis(self.genesis, f"{self.genesis} (quorate node start --genesis FILE)")

    def adopt_genesis(self, file: Path, *, learner: bool = False) -> None:
        """Copy a genesis file into the home.

        Raises ConfigurationError if the file is damaged, if another one is there already, or if it is without this
        home: unless that is to be a learner, which a chain that runs has to register. Nothing happens if it is there:
        this home's keys may have been rotated since.
        """
        genesis = _read_genesis(file, str(file))
        if self.genesis.exists():
            if self.genesis.read_bytes() != genesis.data:
                raise ConfigurationError("genesis of this home", expected="the one given", got="another one is in use")
            return
        if not learner:
            self.membership(genesis)
        fresh = self.genesis.with_suffix(".new")
        fresh.write_bytes(genesis.data)
        fresh.replace(self.genesis)
        sync_directory(self.path)

    def membership(self, genesis: Genesis) -> Membership:
        """Return which validator of the chain these keys are; raises ConfigurationError if none."""
        service, vote = self.load_key(KeyPurpose.SERVICE), self.load_key(KeyPurpose.VOTE)
        for member in genesis.validators.members:
            if (member.service_key, member.vote_key) == (service.public, vote.public):
                return Membership(
                    genesis=genesis,
                    validator=ValidatorId(member.id),
                    organisation=member.organisation,
                    service_key=service,
                )
        raise ConfigurationError(
            f"validators of {genesis.document.chain}",
            expected=f"one with this home's vote key {vote.public.hex()}",
            got="none",
        )


def create_validator(home: Home, *, organisation: str, link: str, rest: str, metrics: str) -> OrganisationDescriptor:
    """Make keys, certificate and settings of a new validator; return its signed descriptor.

    Raises ConfigurationError if anything is there already: nothing is ever overwritten.
    """
    _claim(home)
    keys = tuple(
        create_key(home.key(purpose), purpose)
        for purpose in (KeyPurpose.OPERATOR, KeyPurpose.VOTE, KeyPurpose.SERVICE, KeyPurpose.LOG_HEAD)
    )
    credential = make_link_credential(organisation, now=TimeMs(time.time_ns() // 1_000_000))
    write_private(home.link_credential, credential.pem)
    home.configuration.write_text(_TEMPLATE.format(link=link, rest=rest, metrics=metrics), encoding="utf-8")
    operator, vote, service, log_head = keys
    validator = ValidatorDescriptor(
        vote_key=vote.public.hex(),
        service_key=service.public.hex(),
        log_head_key=log_head.public.hex(),
        link_certificate=credential.certificate.hex(),
        link_address=link,
        rest_url=f"http://{rest}",
    )
    unsigned = OrganisationDescriptor(
        organisation=organisation, operator_key=operator.public.hex(), validators=(validator,)
    )
    return _save(home, unsigned.sign(keys))


def create_member(home: Home, *, organisation: str) -> OrganisationDescriptor:
    """Make the operator key of a member that only trains; return its signed descriptor."""
    _claim(home)
    operator = create_key(home.key(KeyPurpose.OPERATOR), KeyPurpose.OPERATOR)
    unsigned = OrganisationDescriptor(organisation=organisation, operator_key=operator.public.hex())
    return _save(home, unsigned.sign((operator,)))


def read_descriptor(file: Path) -> OrganisationDescriptor:
    """Read and verify a descriptor; raises ConfigurationError, InputError, InvalidSignature."""
    data = _read(file, str(file), bytes_max=DESCRIPTOR_BYTES_MAX)
    try:
        descriptor = msgspec.json.decode(data, type=OrganisationDescriptor)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{file} is not a descriptor: {error}") from None
    descriptor.verify()
    return descriptor


def _read_genesis(file: Path, expected: str) -> Genesis:
    """Read and verify a genesis file; raises ConfigurationError for whatever is wrong with it."""
    data = _read(file, expected, bytes_max=GENESIS_BYTES_MAX)
    try:
        return Genesis(data)
    except InputError as error:
        raise ConfigurationError(f"genesis file {file}: {error}") from error


def _read(file: Path, expected: str, *, bytes_max: int) -> bytes:
    """Return the content of a file that another member has sent; raises ConfigurationError."""
    try:
        with file.open("rb") as opened:
            data = opened.read(bytes_max + 1)
    except OSError as error:
        raise ConfigurationError(f"file {file.name}", expected=expected, got=error.strerror) from error
    if len(data) > bytes_max:
        raise ConfigurationError(f"file {file}", expected=f"at most {bytes_max} bytes", got="more")
    return data


def _claim(home: Home) -> None:
    if home.path.exists() and any(home.path.iterdir()):
        raise ConfigurationError("home of a new node", expected="an empty or new folder", got=home.path)
    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)


def _save(home: Home, descriptor: OrganisationDescriptor) -> OrganisationDescriptor:
    home.descriptor.write_bytes(msgspec.json.format(msgspec.json.encode(descriptor), indent=2) + b"\n")
    return descriptor

"""The folder of one node: keys, link certificate, configuration, genesis, data. Each host makes its own."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ledger.errors import ConfigurationError
from ledger.genesis import Genesis, OrganisationDescriptor, ValidatorDescriptor
from ledger.keys import SigningKey
from ledger.quantities import TimeMs, ValidatorId
from node.keystore import KeyPurpose, create_key, load_key, write_private
from node.runtime.membership import Membership
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
    def link_credential(self) -> Path:
        """Private key and certificate of the TLS links, PEM."""
        return self.path / "keys" / "link.pem"

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

    def key(self, purpose: KeyPurpose) -> Path:
        """File of a signing key."""
        return self.path / "keys" / f"{purpose}.key"

    def load_key(self, purpose: KeyPurpose) -> SigningKey:
        """Read a signing key; raises ConfigurationError."""
        return load_key(self.key(purpose), purpose)

    def load_genesis(self) -> Genesis:
        """Read and verify the genesis file; raises ConfigurationError, InputError."""
        try:
            return Genesis(self.genesis.read_bytes())
        except OSError as error:
            raise ConfigurationError(
                "genesis file", expected=f"{self.genesis} (quorate node start --genesis FILE)", got=error.strerror
            ) from error

    def adopt_genesis(self, file: Path) -> None:
        """Copy a genesis file into the home; raises ConfigurationError if another one is there already."""
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ConfigurationError("genesis file", expected=str(file), got=error.strerror) from error
        if self.genesis.exists() and self.genesis.read_bytes() != data:
            raise ConfigurationError("genesis of this home", expected="the one given", got="another one is in use")
        genesis = Genesis(data)
        self.membership(genesis)
        if not self.genesis.exists():
            fresh = self.genesis.with_suffix(".new")
            shutil.copyfile(file, fresh)
            fresh.replace(self.genesis)

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
    try:
        descriptor = msgspec.json.decode(file.read_bytes(), type=OrganisationDescriptor)
    except OSError as error:
        raise ConfigurationError("descriptor", expected=str(file), got=error.strerror) from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{file} is not a descriptor: {error}") from None
    descriptor.verify()
    return descriptor


def _claim(home: Home) -> None:
    if home.path.exists() and any(home.path.iterdir()):
        raise ConfigurationError("home of a new node", expected="an empty or new folder", got=home.path)
    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)


def _save(home: Home, descriptor: OrganisationDescriptor) -> OrganisationDescriptor:
    home.descriptor.write_bytes(msgspec.json.format(msgspec.json.encode(descriptor), indent=2) + b"\n")
    return descriptor

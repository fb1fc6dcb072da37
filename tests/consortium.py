"""A deterministic consortium for tests: every key is the hash of its name, so any test can sign as anybody."""

from dataclasses import dataclass

from ledger.genesis import Genesis, OrganisationDescriptor, ValidatorDescriptor, assemble
from ledger.hashing import sha256
from ledger.keys import SigningKey
from ledger.parameters import ChainParameters
from ledger.quantities import TimeMs, ValidatorId

GENESIS_TIME = TimeMs(1_700_000_000_000)


def signing_key(name: str) -> SigningKey:
    """Return the one key of this name."""
    return SigningKey(sha256(name.encode()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Consortium:
    """A genesis and all private keys behind it."""

    genesis: Genesis
    operators: dict[str, SigningKey]
    """By organisation."""
    votes: dict[ValidatorId, SigningKey]
    services: dict[ValidatorId, SigningKey]
    log_heads: dict[ValidatorId, SigningKey]

    @property
    def organisations(self) -> tuple[str, ...]:
        """Names in ascending order: those that run a validator, then those that only train."""
        return tuple(self.operators)


def consortium(
    *,
    validators: int = 4,
    trainers: int = 0,
    time: TimeMs = GENESIS_TIME,
    parameters: ChainParameters | None = None,
) -> Consortium:
    """Return a consortium of `org-00`... with a validator each and `site-00`... without."""
    runners = [f"org-{number:02}" for number in range(validators)]
    operators = {name: signing_key(f"{name}/operator") for name in runners}
    operators |= {f"site-{number:02}": signing_key(f"site-{number:02}/operator") for number in range(trainers)}
    keys = {kind: {name: signing_key(f"{name}/{kind}") for name in runners} for kind in ("vote", "service", "log-head")}
    descriptors = []
    for name, operator in operators.items():
        held: tuple[ValidatorDescriptor, ...] = ()
        signers = [operator]
        if name in runners:
            held = (_descriptor(name, [keys[kind][name] for kind in keys]),)
            signers += [keys[kind][name] for kind in keys]
        descriptor = OrganisationDescriptor(organisation=name, operator_key=operator.public.hex(), validators=held)
        descriptors.append(descriptor.sign(tuple(signers)))
    data = assemble(tuple(descriptors), chain="testing", time=time, parameters=parameters or ChainParameters())
    numbered = [(ValidatorId(number), name) for number, name in enumerate(runners)]
    return Consortium(
        genesis=Genesis(data),
        operators=operators,
        votes={number: keys["vote"][name] for number, name in numbered},
        services={number: keys["service"][name] for number, name in numbered},
        log_heads={number: keys["log-head"][name] for number, name in numbered},
    )


def _descriptor(name: str, keys: list[SigningKey]) -> ValidatorDescriptor:
    vote, service, log_head = keys
    return ValidatorDescriptor(
        vote_key=vote.public.hex(),
        service_key=service.public.hex(),
        log_head_key=log_head.public.hex(),
        link_certificate=(sha256(name.encode()) * 2).hex(),
        link_address=f"{name}.example:7400",
        rest_url=f"https://{name}.example:7480",
    )

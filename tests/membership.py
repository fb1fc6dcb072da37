"""Changes of membership for tests: keys by name, proofs of possession and approvals by whoever is asked."""

from collections.abc import Iterable

from msgspec.structs import replace

from ledger.approvals import approved
from ledger.hashing import Digest, sha256
from ledger.keys import SigningKey
from ledger.membership import Change, RegisterLearner, SeatKeys, new_keys, prove_possession
from ledger.quantities import Era
from ledger.transactions import ChangeValidators
from tests.consortium import signing_key

KINDS = ("vote", "service", "log-head", "operator")


def seat_keys(name: str, **changes: object) -> SeatKeys:
    """Return the keys that a node of this name has in `tests.consortium`, with some fields replaced."""
    vote, service, log_head = (signing_key(f"{name}/{kind}").public for kind in KINDS[:3])
    keys = SeatKeys(
        vote_key=vote,
        service_key=service,
        log_head_key=log_head,
        link_certificate=sha256(name.encode()) * 2,
        link_address=f"{name}.example:7400",
        rest_url=f"https://{name}.example:7480",
    )
    return replace(keys, **changes)


def proposal(change: Change, *names: str, chain_id: Digest, era: int = 0) -> ChangeValidators:
    """Return a change without approvals; its new keys are those of these names, in every purpose."""
    held = {key.public: key for name in names for key in (signing_key(f"{name}/{kind}") for kind in KINDS)}
    proofs = tuple(prove_possession(change, held[key], chain_id=chain_id) for key in new_keys(change))
    return ChangeValidators(era=Era(era), change=change, possession=proofs, approvals=())


def carried(body: ChangeValidators, operators: Iterable[SigningKey], *, chain_id: Digest) -> ChangeValidators:
    """Return the change with the approvals of these operators."""
    return replace(body, approvals=approved(body, tuple(operators), chain_id=chain_id))


def learner(organisation: str, name: str, *, joins: bool = False) -> RegisterLearner:
    """Return the change that registers the node of this name as a learner."""
    operator = signing_key(f"{name}/operator").public if joins else None
    return RegisterLearner(organisation=organisation, operator_key=operator, keys=seat_keys(name))

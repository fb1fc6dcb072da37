"""The network that these tests share: four processes, a way to each, an enrolled site for each organisation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ledger.blobs import Fate
from ledger.encoding import decode
from ledger.entries import Accepted, Receipt
from ledger.genesis import Genesis
from ledger.hashing import Digest
from ledger.keys import SigningKey
from ledger.quantities import ParticipantId, RoundNumber
from ledger.records import GlobalModelRecord, RoundStatus
from ledger.tasks import TaskSpec
from ledger.transactions import EnrolParticipant, RegisterTask, SubmitUpdate
from tests.acceptance.caller import Caller
from tests.acceptance.footprint import Footprint, footprint
from tests.acceptance.processes import ValidatorProcess, make_validators, until
from tests.acceptance.training import LAYOUT, blobs_of_a_task, new_task, new_update
from tests.consortium import signing_key


@dataclass(slots=True, kw_only=True)
class Site:
    """An enrolled training site."""

    key: SigningKey
    number: ParticipantId


@dataclass(slots=True, kw_only=True)
class Network:
    """The validators by number, a caller for each, and a site for each."""

    folder: Path
    genesis: Genesis
    validators: list[ValidatorProcess]
    callers: list[Caller]
    footprints: list[Footprint | None] = field(default_factory=list)
    """Of each process once it was ready, before anybody had asked it for anything."""
    sites: list[Site] = field(default_factory=list)

    @property
    def genesis_file(self) -> Path:
        return self.folder / "genesis.json"

    def operator(self, member: int = 0) -> SigningKey:
        return self.validators[member].operator_key()

    def start(self, *places: int) -> None:
        """Start validators and wait until callers may be sent to all of them."""
        for place in places:
            self.validators[place].start()
        for place in places:
            self.callers[place].wait_ready()

    def enrol(self, name: str, *, member: int = 0) -> Site:
        """Enrol a site of a member, by its own validator."""
        key = signing_key(f"acceptance/{member}/{name}")
        body = EnrolParticipant(organisation=f"org-{member}", name=name, key=key.public)
        verdict = self.callers[member].judge(self.operator(member), body).verdict
        assert isinstance(verdict, Accepted), verdict
        return Site(key=key, number=ParticipantId(verdict.values[0]))

    def register(self, spec: TaskSpec) -> TaskSpec:
        """Register a task."""
        assert isinstance(self.callers[0].judge(self.operator(), RegisterTask(task=spec)).verdict, Accepted)
        return spec

    def open_task(self, invited: Sequence[int], *, rounds: int = 1) -> TaskSpec:
        """Register a new task for some of the sites."""
        return self.register(new_task([self.sites[site].number for site in invited], rounds=rounds))

    def submission(self, spec: TaskSpec, blob: Digest, *, number: int = 1, base: Digest | None = None) -> SubmitUpdate:
        """Return an update's transaction, by default on the round's base."""
        told = self.callers[0].json(f"/v1/tasks/{spec.name}/rounds/{number}")["round"]["base"]
        right = Digest(bytes.fromhex(told))
        return SubmitUpdate(task=spec.name, round=RoundNumber(number), base=base or right, blob=blob, examples=10)

    def take_part(self, spec: TaskSpec, site: int, *, number: int = 1, node: int | None = None) -> Receipt:
        """Upload a new update and submit it, by default to the validator of the site's own organisation."""
        caller, key = self.callers[site if node is None else node], self.sites[site].key
        blob = caller.upload(key, new_update(), layout=LAYOUT.digest)
        return caller.judge(key, self.submission(spec, blob, number=number))

    def wait_decided(self, spec: TaskSpec, number: int, *, node: int = 0) -> GlobalModelRecord:
        """Wait until a round has a global model, and return what the chain proves of it."""
        caller, path = self.callers[node], f"/v1/tasks/{spec.name}/rounds/{number}"
        decided = RoundStatus.DECIDED.name.lower()
        until(lambda: caller.json(path)["round"]["status"] == decided, f"round {number} decided")
        _, value = caller.proven(f"/v1/tasks/{spec.name}/models/{number}")
        assert value is not None
        return decode(value, GlobalModelRecord)

    def fates(self, spec: TaskSpec, number: int, *, node: int = 0) -> dict[int, Fate]:
        """Return what became of each invited participant."""
        told = self.callers[node].json(f"/v1/tasks/{spec.name}/rounds/{number}")["participations"]
        return {int(who): Fate[did["fate"].upper()] for who, did in told.items()}


@contextmanager
def running_network(folder: Path) -> Iterator[Network]:
    """Run four validators until the block ends, with sites enrolled and the blobs of tasks recorded."""
    validators = make_validators(folder)
    genesis = Genesis((folder / "genesis.json").read_bytes())
    network = Network(
        folder=folder,
        genesis=genesis,
        validators=validators,
        callers=[Caller(validator.url, genesis, log_tail=validator.log_tail) for validator in validators],
    )
    try:
        network.start(*range(4))
        network.footprints += [footprint(validator.pid) for validator in validators]
        network.sites += [network.enrol("site", member=member) for member in range(4)]
        layout, model = blobs_of_a_task()
        network.callers[0].upload(network.operator(), layout)
        network.callers[1].upload(network.operator(1), model, layout=LAYOUT.digest)
        yield network
    finally:
        for validator, caller in zip(validators, network.callers, strict=True):
            caller.http.close()
            if validator.is_running:
                validator.kill()

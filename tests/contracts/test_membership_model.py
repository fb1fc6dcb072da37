"""V1 to V13 against a second telling of them: random changes of random consortia, from 4 to 25 validators.

The model below shares no code with `contracts`: it knows names instead of keys, and gives every reason for which a
change must be refused, in no order. A change is accepted exactly where it gives none; where it gives some, the rule
that refused is one of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts import queries
from ledger.entries import Accepted, Verdict
from ledger.membership import (
    AddValidator,
    Change,
    DropLearner,
    RegisterLearner,
    RemoveValidator,
    ReplaceValidator,
    RotateKeys,
    SeatKeys,
)
from ledger.quantities import ValidatorId
from ledger.transactions import ChangeValidators
from tests.consortium import signing_key
from tests.contracts.driver import Chain, verdicts
from tests.membership import carried, proposal, seat_keys

FEWEST, MOST, LEARNERS = 4, 25, 8
PURPOSES = ("vote", "service", "log-head", "certificate")
NODES = tuple(f"node-{number}" for number in range(12))
"""Names that new keys are made of; few, so that many are used twice."""
NEWCOMERS = tuple(f"org-9{number}" for number in range(10))


def quorum_of(size: int) -> int:
    """Return the fewest validators of which any two groups share more than can be faulty."""
    faulty = max(count for count in range(size) if 3 * count < size)
    return min(count for count in range(size + 1) if 2 * count - size > faulty)


@dataclass(slots=True)
class Seat:
    organisation: str
    made_of: tuple[str, ...]
    """Names that the keys are made of, by purpose."""
    status: str
    address: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """A change in names, and who approves it."""

    kind: str
    number: int
    """Of the validator, where it is about one."""
    learner: int
    organisation: str
    name: str
    """What new keys are made of."""
    joins: bool
    vote_only: bool
    address: int
    approvers: frozenset[str]
    stale: bool
    flaw: str


@dataclass(slots=True)
class Model:
    seats: list[Seat]
    operators: dict[str, str]
    """What the operator key of each organisation is made of."""
    used: set[tuple[str, str]] = field(default_factory=set)
    era: int = 0

    @property
    def sitting(self) -> list[int]:
        return [number for number, seat in enumerate(self.seats) if seat.status == "validator"]

    @property
    def learning(self) -> list[int]:
        return [number for number, seat in enumerate(self.seats) if seat.status == "learner"]

    def is_carried(self, wish: Wish) -> bool:
        run = sum(self.seats[number].organisation in wish.approvers for number in self.sitting)
        return run >= quorum_of(len(self.sitting))

    def keys_after(self, wish: Wish) -> tuple[str, ...]:
        before = self.seats[wish.number].made_of
        return (wish.name, *before[1:]) if wish.vote_only else (wish.name,) * 4

    def reasons(self, wish: Wish) -> set[str]:
        """Return all rules that forbid a change."""
        found = {"V1"} if wish.stale else set()
        match wish.kind:
            case "register":
                found |= self._against_registering(wish)
            case "drop":
                if wish.learner not in self.learning:
                    found.add("V5")
                elif self.seats[wish.learner].organisation not in wish.approvers and not self.is_carried(wish):
                    found.add("G3")
            case "rotate":
                found |= self._against_rotating(wish)
            case _:
                found |= self._against_changing_the_set(wish)
        makes_keys = wish.kind in {"register", "rotate"}
        found |= {"V11"} if wish.flaw == "missing proof" and makes_keys else set()
        found |= {"V12"} if wish.flaw == "wrong proof" and makes_keys else set()
        found |= {"G2"} if wish.flaw == "stranger" else set()
        found |= {"G4"} if wish.flaw == "forged" and wish.approvers else set()
        return found

    def _against_registering(self, wish: Wish) -> set[str]:
        found = set()
        known = wish.organisation in self.operators
        if wish.joins:
            found |= {"V8"} if known else set()
            found |= set() if self.is_carried(wish) else {"G3"}
        else:
            found |= set() if known else {"V2"}
            found |= set() if wish.organisation in wish.approvers else {"V3"}
        if len(self.learning) >= LEARNERS or wish.organisation in [self.seats[it].organisation for it in self.learning]:
            found.add("V9")
        wanted = {(purpose, wish.name) for purpose in (*PURPOSES, *(["operator"] if wish.joins else []))}
        return found | ({"V10"} if wanted & self.used else set())

    def _against_rotating(self, wish: Wish) -> set[str]:
        if wish.number not in self.sitting:
            return {"V4"}
        seat, after = self.seats[wish.number], self.keys_after(wish)
        found = set() if seat.organisation in wish.approvers else {"V3"}
        fresh = {
            pair for pair, old in zip(zip(PURPOSES, after, strict=True), seat.made_of, strict=True) if pair[1] != old
        }
        found |= {"V10"} if fresh & self.used else set()
        return found | ({"V13"} if after == seat.made_of and wish.address == seat.address else set())

    def _against_changing_the_set(self, wish: Wish) -> set[str]:
        found = set() if self.is_carried(wish) else {"G3"}
        if wish.kind != "add" and wish.number not in self.sitting:
            found.add("V4")
        if wish.kind != "remove" and wish.learner not in self.learning:
            found.add("V5")
        found |= {"V6"} if wish.kind == "remove" and len(self.sitting) == FEWEST else set()
        return found | ({"V7"} if wish.kind == "add" and len(self.sitting) == MOST else set())

    def carry_out(self, wish: Wish) -> int:
        """Do what is not forbidden; return the number that it is about."""
        number = wish.number if wish.kind in {"remove", "rotate"} else wish.learner
        match wish.kind:
            case "register":
                number = len(self.seats)
                self.seats.append(Seat(wish.organisation, (wish.name,) * 4, "learner"))
                self.used |= {(purpose, wish.name) for purpose in PURPOSES}
                if wish.joins:
                    self.operators[wish.organisation] = wish.name
                    self.used.add(("operator", wish.name))
            case "drop":
                self.seats[wish.learner].status = "left"
            case "rotate":
                seat, after = self.seats[wish.number], self.keys_after(wish)
                self.used |= set(zip(PURPOSES, after, strict=True))
                self.era += after != seat.made_of
                seat.made_of, seat.address = after, wish.address
            case _:
                if wish.kind != "add":
                    self.seats[wish.number].status = "left"
                if wish.kind != "remove":
                    self.seats[wish.learner].status = "validator"
                self.era += 1
        return number


def keys_of(made_of: tuple[str, ...], address: int) -> SeatKeys:
    """Return the keys that these names give, by purpose."""
    vote, service, log_head, certificate = made_of
    return SeatKeys(
        vote_key=signing_key(f"{vote}/vote").public,
        service_key=signing_key(f"{service}/service").public,
        log_head_key=signing_key(f"{log_head}/log-head").public,
        link_certificate=seat_keys(certificate).link_certificate,
        link_address=f"host-{address}.example:7400",
        rest_url="https://host.example:7480",
    )


def change_of(model: Model, wish: Wish) -> Change:
    number, learner = ValidatorId(wish.number), ValidatorId(wish.learner)
    match wish.kind:
        case "register":
            operator = signing_key(f"{wish.name}/operator").public if wish.joins else None
            return RegisterLearner(
                organisation=wish.organisation, operator_key=operator, keys=keys_of((wish.name,) * 4, 0)
            )
        case "drop":
            return DropLearner(learner=learner)
        case "add":
            return AddValidator(learner=learner)
        case "remove":
            return RemoveValidator(validator=number)
        case "replace":
            return ReplaceValidator(validator=number, learner=learner)
    known = wish.number < len(model.seats)
    made_of = model.keys_after(wish) if known else (wish.name,) * 4
    return RotateKeys(validator=number, keys=keys_of(made_of, wish.address))


def body_of(chain: Chain, model: Model, wish: Wish) -> ChangeValidators:
    """Return the transaction of a wish, with its flaw."""
    change = change_of(model, wish)
    names = {wish.name, *(name for seat in model.seats for name in seat.made_of)}
    made = proposal(change, *sorted(names), chain_id=chain.chain_id, era=model.era + wish.stale)
    if wish.flaw == "missing proof":
        made = replace(made, possession=made.possession[:-1])
    if wish.flaw == "wrong proof" and made.possession:
        made = replace(made, possession=(made.possession[0][::-1], *made.possession[1:]))
    operators = [signing_key(f"{model.operators[name]}/operator") for name in sorted(wish.approvers)]
    if wish.flaw == "stranger":
        operators.append(signing_key("nobody/operator"))
    body = carried(made, operators, chain_id=chain.chain_id)
    if wish.flaw == "forged" and body.approvals:
        first = body.approvals[0]
        body = replace(body, approvals=(replace(first, signature=first.signature[::-1]), *body.approvals[1:]))
    return body


def approvers_of(draw: st.DrawFn, model: Model, owner: str) -> frozenset[str]:
    """Draw who approves: around a quorum mostly, or the owner alone."""
    run = sorted({model.seats[number].organisation for number in model.sitting})
    how = draw(st.sampled_from(["quorum"] * 5 + ["one short", "owner", "any"]))
    if how == "owner":
        return frozenset({owner} & set(model.operators))
    if how == "any":
        return frozenset(draw(st.sets(st.sampled_from(sorted(model.operators)))))
    chosen = draw(st.permutations(run))
    found: set[str] = {owner} & set(model.operators) if draw(st.booleans()) else set()
    needed = quorum_of(len(model.sitting)) - (how == "one short")
    for name in chosen:
        if sum(model.seats[number].organisation in found for number in model.sitting) >= needed:
            break
        found.add(name)
    return frozenset(found)


@st.composite
def wishes(draw: st.DrawFn, model: Model) -> Wish:
    """Draw a change that is about what there is, mostly."""
    kinds = ["register", "add", "replace", "drop", "remove", "rotate"]
    kinds += ["add", "add", "replace"] if model.learning else ["register", "register", "register", "rotate"]
    kind = draw(st.sampled_from(kinds))
    anywhere = st.integers(0, len(model.seats))
    number = draw(st.one_of(st.sampled_from(model.sitting), st.sampled_from(model.sitting), anywhere))
    learner = draw(st.one_of(st.sampled_from(model.learning), anywhere) if model.learning else anywhere)
    joins = draw(st.booleans())
    is_new = joins if draw(st.integers(0, 5)) else not joins
    organisation = draw(st.sampled_from(NEWCOMERS if is_new else sorted(model.operators)))
    owner = organisation
    if kind in {"rotate", "drop"}:
        about = number if kind == "rotate" else learner
        owner = model.seats[about].organisation if about < len(model.seats) else organisation
    flaws = [*[""] * 20, "missing proof", "wrong proof", "stranger", "forged"]
    return Wish(
        kind=kind,
        number=number,
        learner=learner,
        organisation=organisation,
        name=draw(st.sampled_from([*NODES, *NODES, "org-00", "org-01"])),
        joins=joins,
        vote_only=draw(st.booleans()),
        address=draw(st.integers(0, 2)),
        approvers=approvers_of(draw, model, owner),
        stale=draw(st.integers(0, 19)) == 19,
        flaw=draw(st.sampled_from(flaws)),
    )


def begun(size: int) -> tuple[Chain, Model]:
    names = [f"org-{number:02}" for number in range(size)]
    chain = Chain(validators=size, trainers=1)
    model = Model(
        seats=[Seat(name, (name,) * 4, "validator", address=-1) for name in names],
        operators={name: name for name in (*names, "site-00")},
    )
    model.used = {(purpose, name) for purpose in (*PURPOSES, "operator") for name in names}
    model.used.add(("operator", "site-00"))
    return chain, model


def check(chain: Chain, model: Model, found: Iterable[Verdict]) -> None:
    """Compare the whole of membership in state with the model."""
    members = queries.validators(chain.state)
    assert list(members.ids) == model.sitting
    assert FEWEST <= members.size <= MOST
    assert members.quorum == quorum_of(members.size)
    assert queries.era(chain.state)[0] == model.era
    seats = list(queries.seats(chain.state))
    assert [seat.status.name.lower() for seat in seats] == [seat.status for seat in model.seats]
    for seat, expected in zip(seats, model.seats, strict=True):
        keys = keys_of(expected.made_of, expected.address)
        assert (seat.member, seat.member.organisation) == (
            keys.validator(seat.member.id, expected.organisation),
            expected.organisation,
        )
        assert queries.seat_of_key(chain.state, seat.member.vote_key) == seat.member.id
        acts = queries.key_record(chain.state, seat.member.service_key) is not None
        assert acts is (expected.status == "validator")
    header = chain.tip.header
    assert (header.next_validators != header.validators) is (queries.era(chain.state)[1] == header.height + 1)
    assert header.next_validators == members.digest
    assert all(isinstance(one, Accepted) or one.rule[0] in "VG" for one in found)


@settings(deadline=None, max_examples=80)
@given(st.data(), st.sampled_from([*range(4, 26), 4, 4, 24, 24, 25, 25, 25]))
def test_every_change_is_judged_as_the_second_telling_of_the_rules_says(data: st.DataObject, size: int) -> None:
    chain, model = begun(size)
    for _ in range(data.draw(st.integers(1, 14), label="changes")):
        wish = data.draw(wishes(model))
        reasons = model.reasons(wish)
        found = chain.verdict(chain.members.operators["site-00"], body_of(chain, model, wish))
        if isinstance(found, Accepted):
            assert not reasons, wish
            assert found.values == (model.carry_out(wish),)
        else:
            assert found.rule in reasons, (wish, found)
        check(chain, model, [found])


@settings(deadline=None, max_examples=25)
@given(st.data(), st.sampled_from([4, 5, 7, 25]))
def test_of_two_changes_in_a_block_the_second_was_approved_for_an_era_that_is_over(
    data: st.DataObject, size: int
) -> None:
    chain, model = begun(size)
    for _ in range(3):
        first, second = data.draw(wishes(model)), data.draw(wishes(model))
        before = model.era
        bodies = [body_of(chain, model, wish) for wish in (first, second)]
        one, other = verdicts(chain.block(*(chain.sign(chain.members.operators["site-00"], body) for body in bodies)))
        assert isinstance(one, Accepted) is not bool(model.reasons(first))
        if isinstance(one, Accepted):
            model.carry_out(first)
        if model.era > before:
            assert not isinstance(other, Accepted), "one change of the set a block"
            assert other.rule == "V1"
        elif isinstance(other, Accepted):
            assert not model.reasons(second)
            model.carry_out(second)
        check(chain, model, [one, other])

"""What a bug of the zoo is: a name, and a few words of some functions that are replaced."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.simulation.mutation import Mutation


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A named bug."""

    name: str
    mutations: tuple[Mutation, ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Run the engine with it for a while."""
        with ExitStack() as stack:
            for mutation in self.mutations:
                stack.enter_context(mutation.planted())
            yield


def change(where: str, *words: str) -> Mutation:
    """Return a mutation of one function: old and new words in turn."""
    return Mutation(where=where, changes=tuple(zip(words[::2], words[1::2], strict=True)))


def bug(name: str, *mutations: Mutation) -> Bug:
    return Bug(name=name, mutations=mutations)


RULES = "consensus.safety_rules:SafetyRules."
TALLY = "consensus.tally:Tally."
CASE = "consensus.normal_case:"
NEW_VIEW = "consensus.new_view:"
CHANGING = "consensus.changing:"
ANY_NUMBER = change("ledger.certificates:_check_signers", "len(signers) != needed or ", "")
ANY_PRIMARY = change(RULES + "_check_primary", "is not own", "is 1")
NO_OMISSION_CHECK = change(RULES + "_check_omissions", "held is None or held.view < view", "False")

FEW_WANT = "if len(wanted) < replica.context.validators.weak_quorum or not replica.safety.may_speak:"

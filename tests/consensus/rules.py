"""`SafetyRules` in the state that a test begins with, and blocks to vote for."""

from consensus.messages import Choice, ViewChange
from consensus.safety_rules import SafetyRules
from ledger.blocks import Block
from ledger.certificates import CommitCertificate
from ledger.quantities import ValidatorId
from tests.consensus.forge import Forge, choice

FORGE = Forge(window=4)
PRIMARY = FORGE.primary(0)
BACKUP = 0
NEXT = FORGE.primary(1)


def rules(who: int, *, head: Choice | None = None, certificate: CommitCertificate | None = None) -> SafetyRules:
    return SafetyRules(
        context=FORGE.context,
        validator=ValidatorId(who),
        key=FORGE.key(who),
        head=head or FORGE.context.root,
        certificate=certificate,
    )


def above(block: Block, who: int = BACKUP) -> SafetyRules:
    """Return rules of somebody who has appended a block."""
    return rules(who, head=choice(block.header), certificate=FORGE.certificate(block.header))


def enter(safety: SafetyRules, view: int, changes: tuple[ViewChange, ...] | None = None) -> None:
    named = changes or FORGE.view_changes(view)
    safety.enter(FORGE.new_view(named), named)


def prepared_and_committed(safety: SafetyRules, block: Block, view: int = 0) -> None:
    safety.prepare(block.header)
    safety.hold(FORGE.prepared(block.header, view))
    safety.commit(block.header)


A, B, C, D = FORGE.chain(4)
OTHER = FORGE.block(FORGE.genesis, b"other")

"""What a contract may know besides the transaction: the block it stands in, and the state.

Keys, roles, limits and the validator set are those of the parent block's state, so changing them takes effect in the
next block and a block's transactions can be checked before any of them is judged. Everything else a contract reads is
the state so far in this block.
"""

from dataclasses import dataclass

from contracts import queries
from ledger.blocks import BlockHeader
from ledger.hashing import Digest
from ledger.parameters import ChainParameters
from ledger.quantities import U63_MAX, Era, Height, TimeMs
from ledger.records import KeyRecord
from ledger.state import StateView
from ledger.validators import ValidatorSet


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockContext:
    """The block in which something happens, and the rules that the parent block's state sets for it."""

    chain_id: Digest
    height: Height
    time: TimeMs
    parent: Digest
    """Digest of the parent block; the draw of a committee is ranked by it."""
    era: Era
    parameters: ChainParameters
    validators: ValidatorSet
    before: StateView
    """The parent block's state."""

    @classmethod
    def following(cls, parent: BlockHeader, state: StateView, *, time: TimeMs) -> "BlockContext":
        """Return the context of the block at `time` above `parent`, after which the state is `state`."""
        era, _ = queries.era(state)
        return cls(
            chain_id=parent.chain_id,
            height=Height(parent.height + 1),
            time=time,
            parent=parent.digest,
            era=era,
            parameters=queries.parameters(state),
            validators=queries.validators(state),
            before=state,
        )

    def after(self, milliseconds: int) -> TimeMs:
        """Return the time so many milliseconds after the block's, or the last one that can be written."""
        return TimeMs(min(self.time + milliseconds, U63_MAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One transaction as its contract sees it."""

    context: BlockContext
    state: StateView
    """The state after everything that came before in this block."""
    author: KeyRecord
    """The author's key in the parent block's state."""
    transaction: Digest
    """Id of the transaction."""

"""What the explorer reads: one interface over a node and an export, in the JSON of the nodes' HTTP interface.

An export is executed again before anything of it is shown. A node's answers are checked as far as they carry proof;
what rests on its word alone is said in `caveats`.
"""

from typing import Protocol

from ledger.genesis import Genesis
from ledger.hashing import Digest
from quorate.words import Record


def unpinned(chain_id: str) -> str:
    """Return what to tell a caller who named no genesis file: the evidence's own one was taken."""
    return f"no --genesis was given: compare chain id {chain_id} with the other members'"


class ChainView(Protocol):
    """A chain as people look at it."""

    @property
    def genesis(self) -> Genesis:
        """The genesis that everything is checked against."""
        ...

    @property
    def caveats(self) -> tuple[str, ...]:
        """What was not verified of what was asked so far, for people."""
        ...

    def blocks(self, *, before: int | None, limit: int) -> list[Record]:
        """Return summaries of blocks, newest first."""
        ...

    def block(self, height: int | None) -> Record:
        """Return a block with its entries, by default the last one; raises NotOnChain."""
        ...

    def transaction(self, identity: Digest) -> Record:
        """Return where a transaction stands and how it was judged; raises NotOnChain."""
        ...

    def task(self, name: str) -> Record:
        """Return a task; raises NotOnChain."""
        ...

    def round(self, name: str, number: int | None) -> Record:
        """Return a round, what each invited participant did, and who attested; raises NotOnChain."""
        ...

    def model(self, name: str, version: int | None) -> Record:
        """Return the record of a global model, by default the promoted one; raises NotOnChain."""
        ...

    def participants(self) -> dict[int, Record]:
        """Return all training sites by number."""
        ...

    def offences(self) -> list[Record]:
        """Return what validators are proven to have done, by era and validator."""
        ...

    def blob(self, digest: Digest) -> bytes | None:
        """Return a small blob such as a report, or None where it is not to be had."""
        ...

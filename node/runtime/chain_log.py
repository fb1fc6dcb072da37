"""The chain as log lines: what each appended block judged, and what the chain did by itself."""

import structlog

from contracts.chain import ExecutedBlock
from ledger.entries import Accepted, TaskHalted, TransactionEntry
from ledger.quantities import View

log = structlog.get_logger()


def log_entries(executed: ExecutedBlock, *, view: View) -> None:
    """Write one line an entry; `view` is the one that is active here."""
    height = executed.block.header.height
    for entry in executed.entries:
        if isinstance(entry, TransactionEntry):
            transaction, verdict = entry.signed.transaction, entry.receipt.verdict
            log.info(
                "transaction",
                transaction=transaction.id.hex(),
                body=type(transaction.body).__name__,
                verdict="accepted" if isinstance(verdict, Accepted) else verdict.rule,
                height=height,
                view=view,
            )
        else:
            action = entry.action
            write = log.error if isinstance(action, TaskHalted) else log.info
            write(
                "action",
                action=type(action).__name__,
                task=getattr(action, "task", None),
                round=getattr(action, "round", None),
                height=height,
                view=view,
            )

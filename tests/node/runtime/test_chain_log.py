"""Every kind of entry is one log line; a halted task is an alarm."""

from dataclasses import replace

from structlog.testing import capture_logs

from contracts.chain import genesis_block
from ledger.entries import ActionEntry, Entry, ProtocolActivated, TaskHalted, TransactionEntry
from ledger.quantities import View
from node.runtime.chain_log import log_entries
from tests.consortium import consortium
from tests.vectors.ledger_nouns import ACTIONS, ENTRIES, RECEIPT

EVERY_KIND: tuple[Entry, ...] = (
    *(entry for entry in ENTRIES if isinstance(entry, TransactionEntry)),
    *(ActionEntry(action=action, receipt=RECEIPT) for action in ACTIONS),
)


def test_each_entry_is_a_line_and_a_halted_task_an_alarm() -> None:
    executed = replace(genesis_block(consortium().genesis), entries=EVERY_KIND)
    with capture_logs() as written:
        log_entries(executed, view=View(3))
    assert len(written) == len(EVERY_KIND)
    for entry, line in zip(EVERY_KIND, written, strict=True):
        assert (line["height"], line["view"]) == (0, 3)
        if isinstance(entry, TransactionEntry):
            assert line["transaction"] == entry.signed.transaction.id.hex()
        else:
            assert isinstance(entry, ActionEntry)
            named = {} if isinstance(entry.action, ProtocolActivated) else {"task": entry.action.task}
            assert {"action": type(entry.action).__name__, "task": None, **named}.items() <= line.items()
            assert line["log_level"] == ("error" if isinstance(entry.action, TaskHalted) else "info")

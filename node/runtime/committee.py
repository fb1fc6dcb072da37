"""The duty to aggregate: a committee member recomputes the round's result in its worker and attests it.

A member that lacks an input attests nothing, and no subset is ever attested. The member ranked first lets the output be
recorded; the others have computed the same bytes, answer its announcement at once, and step in only if it stays silent.
Work that failed for want of something is tried again; a result that cannot be is computed once.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from contracts import queries
from ledger.blobs import SignedTicket, UploadTicket
from ledger.errors import InputError
from ledger.hashing import ZERO_DIGEST, Digest
from ledger.quantities import Height, RoundNumber, ValidatorId
from ledger.records import RoundRecord, RoundStatus, TaskRecord, TaskStatus
from ledger.tasks import rule_digest
from ledger.transactions import Attest
from node.runtime.blobs import OWN_HEIGHTS, LocalBlobs
from node.runtime.holding import Holding
from node.runtime.ports import Outbox
from node.runtime.tasks import Tasks
from node.worker_protocol import AggregateAnswer, AggregateRequest, InputFile

log = structlog.get_logger()

PATIENCE_SECONDS = 2.0
"""How long each rank waits for the ranks before it to let the output be recorded."""
RECORD_SECONDS = 60.0
"""How long to wait for the output to be recorded before giving the attempt up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Output:
    """A blob that this member has made."""

    digest: Digest
    layout: Digest
    """Zero for the report."""


class CommitteeDuty:
    """Watches the chain for rounds that this validator is to aggregate."""

    def __init__(self, *, blobs: LocalBlobs, holding: Holding, outbox: Outbox, tasks: Tasks) -> None:
        self._blobs = blobs
        self._holding = holding
        self._outbox = outbox
        self._tasks = tasks
        self._working: set[tuple[str, RoundNumber]] = set()
        self._hopeless: dict[str, RoundNumber] = {}
        """Of each task, the latest round whose inputs make no model: every member finds that, on every try."""

    def look(self) -> None:
        """Begin whatever is due; called after each block and from time to time."""
        for task in queries.tasks(self._blobs.state):
            if task.status is not TaskStatus.RUNNING:
                continue
            number = task.round
            record = queries.round_record(self._blobs.state, task.spec.name, number)
            job = (task.spec.name, number)
            if record is None or job in self._working or self._hopeless.get(task.spec.name) == number:
                continue
            if self._is_due(record):
                self._working.add(job)
                self._tasks.spawn(self._run(task, record, job), name=f"aggregate {task.spec.name} {number}")

    def _is_due(self, record: RoundRecord) -> bool:
        me = self._outbox.member.validator
        if me is None or not self._outbox.is_validator:
            return False
        if record.status is not RoundStatus.CLOSED or record.attempt == 0:
            return False
        if record.attempt == 1 and me not in record.committee:
            return False
        return queries.attestation(self._blobs.state, record.task, record.round, me) is None

    async def _run(self, task: TaskRecord, record: RoundRecord, job: tuple[str, RoundNumber]) -> None:
        try:
            await self._attest(task, record)
            await asyncio.sleep(PATIENCE_SECONDS)  # until the block with the attestation is here; then look() is quiet
        except InputError:
            self._hopeless[record.task] = record.round
            raise
        finally:
            self._working.discard(job)

    async def _attest(self, task: TaskRecord, record: RoundRecord) -> None:
        model_path, report_path = self._blobs.scratch("model"), self._blobs.scratch("report")
        try:
            answer = await self._aggregate(task, record, model_path, report_path)
            outputs = (
                _Output(digest=answer.model, layout=task.spec.layout),
                _Output(digest=answer.report, layout=ZERO_DIGEST),
            )
            for output, path in zip(outputs, (model_path, report_path), strict=True):
                await self._blobs.adopt(path, output.digest)
                await self._blobs.examine(output.digest, output.layout)
        finally:
            model_path.unlink(missing_ok=True)
            report_path.unlink(missing_ok=True)
        log.info("aggregated", task=record.task, round=record.round, model=answer.model.hex())
        recorded = await asyncio.gather(*(self._let_record(output, record) for output in outputs))
        if all(recorded):
            assert record.inputs_root is not None
            self._outbox.submit(
                Attest(
                    task=record.task,
                    round=record.round,
                    rule=rule_digest(task.spec),
                    inputs_root=record.inputs_root,
                    base=record.base,
                    output=answer.model,
                    view=answer.view,
                    server_state=answer.server_state,
                    report=answer.report,
                )
            )

    async def _aggregate(
        self, task: TaskRecord, record: RoundRecord, model_path: Path, report_path: Path
    ) -> AggregateAnswer:
        participations = queries.participations(self._blobs.state, record.task, record.round)
        accepted = [(who, item, item.blob) for who, item in participations.items() if item.blob is not None]
        needed = [task.spec.layout, record.base, *(blob for _, _, blob in accepted)]
        await asyncio.gather(*(self._blobs.obtain(digest) for digest in needed if not self._blobs.store.has(digest)))
        return await self._blobs.worker.aggregate(
            AggregateRequest(
                task=task.spec,
                round=record.round,
                layout_path=str(self._blobs.store.path(task.spec.layout)),
                base=record.base,
                base_path=str(self._blobs.store.path(record.base)),
                inputs=tuple(
                    InputFile(participant=who, weight=item.weight, blob=blob, path=str(self._blobs.store.path(blob)))
                    for who, item, blob in accepted
                ),
                model_path=str(model_path),
                report_path=str(report_path),
            )
        )

    async def _let_record(self, output: _Output, record: RoundRecord) -> bool:
        """Wait until the output is recorded, and see to it if those ranked before do not."""
        patience = PATIENCE_SECONDS * self._rank(record)
        if patience and await self._holding.wait_recorded(output.digest, patience) is not None:
            return True
        if self._holding.recorded(output.digest) is None:
            await self._holding.offer(self._ticket(output))
        return await self._holding.wait_recorded(output.digest, RECORD_SECONDS) is not None

    def _rank(self, record: RoundRecord) -> int:
        me = self._outbox.member.validator
        order: tuple[ValidatorId, ...] = record.committee
        return order.index(me) if me in order else len(order)

    def _ticket(self, output: _Output) -> SignedTicket:
        key = self._outbox.member.service_key
        ticket = UploadTicket(
            chain_id=self._outbox.member.chain_id,
            author=key.public,
            blob=output.digest,
            size=self._blobs.store.size(output.digest),
            layout=output.layout,
            expires=Height(self._blobs.head + OWN_HEIGHTS),
        )
        return SignedTicket.sign(ticket, key)

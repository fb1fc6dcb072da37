"""What this participant has submitted, on disk before it is sent.

A script that is killed and started again finds the very bytes it had signed, and gets their receipt instead of
submitting twice. One small file a round, replaced atomically; a lock keeps two processes with one key apart.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.encoding import Noun, decode, encode
from ledger.errors import ConfigurationError, InputError
from ledger.hashing import Digest
from ledger.quantities import Name, RoundField, RoundNumber
from ledger.transactions import SignedTransaction, decode_transaction

ROUNDS_KEPT = 32
"""Older rounds of a task are forgotten."""
RECORD_BYTES_MAX = 2**20
SUFFIX = ".submission"


class Submission(Noun, frozen=True, kw_only=True, tag="quorate-submission-1"):
    """An update that was signed for a round."""

    task: Name
    round: RoundField
    transaction: bytes
    """Canonical SignedTransaction."""
    proof: bytes | None = None
    """Canonical EntryProof; None until its receipt was seen."""
    is_refused: bool = False
    """Whether the receipt says so; another one may follow in the same round then."""

    @property
    def signed(self) -> SignedTransaction:
        """The transaction; raises as `decode_transaction`."""
        return decode_transaction(self.transaction)

    @property
    def transaction_id(self) -> Digest:
        """Id of the transaction."""
        return self.signed.transaction.id


class Memory:
    """The submissions of one participant on one chain."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, task: str) -> None:
        """Make the folder, so that a full or read-only disk shows before training; raises ConfigurationError."""
        with self._locked(task):
            pass

    def recall(self, task: str, number: RoundNumber) -> Submission | None:
        """Return what was submitted last in a round; raises ConfigurationError for a damaged file."""
        path = self._path(task, number)
        try:
            return decode(path.read_bytes(), Submission, bytes_max=RECORD_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError("submission record", expected=str(path), got=error.strerror) from error
        except InputError as error:
            raise ConfigurationError(f"{path} is damaged; delete it to go on without it ({error})") from error

    def unsettled(self, task: str) -> list[Submission]:
        """Return the submissions whose receipts were not seen, by round."""
        found = (self.recall(task, number) for number in self._rounds(task))
        return [submission for submission in found if submission is not None and submission.proof is None]

    def remember(self, submission: Submission) -> Submission:
        """Write down what is about to be sent, and return it.

        If something was submitted in that round and not refused, it is returned instead and nothing is written.
        """
        with self._locked(submission.task):
            earlier = self.recall(submission.task, submission.round)
            if earlier is not None and not earlier.is_refused:
                return earlier
            self._write(submission)
            for number in self._rounds(submission.task)[:-ROUNDS_KEPT]:
                self._path(submission.task, number).unlink(missing_ok=True)
            return submission

    def settle(self, submission: Submission, *, proof: bytes, is_refused: bool) -> None:
        """Keep the proof of a submission's receipt."""
        with self._locked(submission.task):
            if self._is_current(submission):
                settled = Submission(
                    task=submission.task,
                    round=submission.round,
                    transaction=submission.transaction,
                    proof=proof,
                    is_refused=is_refused,
                )
                self._write(settled)

    def forget(self, submission: Submission) -> None:
        """Forget a submission that can never be part of the chain."""
        with self._locked(submission.task):
            if self._is_current(submission):
                self._path(submission.task, submission.round).unlink()

    def _is_current(self, submission: Submission) -> bool:
        current = self.recall(submission.task, submission.round)
        return current is not None and current.transaction == submission.transaction

    def _rounds(self, task: str) -> list[RoundNumber]:
        names = (path.stem for path in self._task_folder(task).glob(f"*{SUFFIX}"))
        return sorted(RoundNumber(int(name)) for name in names if name.isdecimal())

    def _task_folder(self, task: str) -> Path:
        return self._folder / f"task-{task}"

    def _path(self, task: str, number: RoundNumber) -> Path:
        return self._task_folder(task) / f"{number:010}{SUFFIX}"

    def _write(self, submission: Submission) -> None:
        path = self._path(submission.task, submission.round)
        fresh = path.with_suffix(".new")
        try:
            with fresh.open("wb") as file:
                file.write(encode(submission))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise ConfigurationError("submission record", expected=f"{path}, writable", got=error.strerror) from error

    @contextmanager
    def _locked(self, task: str) -> Iterator[None]:
        """Keep other processes out; raises ConfigurationError when the folder cannot be written."""
        folder = self._task_folder(task)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (folder / "lock").open("ab")
        except OSError as error:
            raise ConfigurationError("state folder", expected=f"{folder}, writable", got=error.strerror) from error
        with lock:
            _lock(lock.fileno())
            yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        """Wait for the lock on a file; closing the file gives it back."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def _sync_folder(_: Path) -> None:
        """Do nothing: Windows keeps names durable by itself."""

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        """Wait for the lock on a file; closing the file gives it back."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _sync_folder(folder: Path) -> None:
        """Make the names in a folder durable."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""A client that uploads throughout: a blob that was told to be recorded must in the end lie at every validator."""

import secrets
import threading
import time
from hashlib import sha256
from pathlib import Path

import httpx

from aggregation.layouts import TensorTraits, infer_layout
from ledger.encoding import encode
from tests.chaos.clients import CALL_SECONDS, GIVE_UP_SECONDS, VALID_HEIGHTS, WAIT_MS, Shared
from tests.chaos.cluster import Cluster
from tests.chaos.history import Violation

EVERY_SECONDS = 2.0
BLOBS = Path("data") / "blobs"


class Uploader(threading.Thread):
    """Uploads one layout after the other, each under a name that nobody has used, to one validator after the other."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(name="uploader", daemon=True)
        self._shared = shared
        self._callers = [shared.cluster.caller(place) for place in range(shared.cluster.size)]
        for caller in self._callers:
            caller.http.timeout = httpx.Timeout(CALL_SECONDS)
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Upload until told to stop."""
        try:
            while not self._shared.stopping.wait(EVERY_SECONDS):
                self._upload()
        except BaseException as error:  # noqa: BLE001 - told by whoever started it
            self.failure = error
        finally:
            for caller in self._callers:
                caller.http.close()

    def _upload(self) -> None:
        name = secrets.token_hex(8)
        data = encode(infer_layout({name: TensorTraits(shape=(4, 3), is_float=True, is_buffer=False)}))
        expires = self._shared.height + VALID_HEIGHTS
        headers = self._callers[0].ticket(self._shared.cluster.operators[0], data, expires=expires)
        end = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < end:
            try:
                answer = self._callers[secrets.choice(self._shared.cluster.serving or [0])].put(
                    data, headers, wait_ms=WAIT_MS
                )
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.is_success and answer.json()["recorded"]:
                self._shared.history.recorded.append(sha256(data).hexdigest())
                return
            if httpx.codes.BAD_REQUEST <= answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                self._shared.history.accuse(f"an upload was refused: {answer.text[:200]}")
                return


def wait_kept(cluster: Cluster, recorded: list[str]) -> None:
    """Wait until every recorded blob lies at every validator: what was down meanwhile fetches it; raises NotInTime."""
    files = [_file(validator.home, name) for validator in cluster.validators for name in recorded]
    cluster.wait(lambda: all(file.exists() for file in files), "every recorded blob at every validator")


def check_kept(cluster: Cluster, recorded: list[str]) -> None:
    """Raise Violation unless every recorded blob lies whole at every validator."""
    for validator in cluster.validators:
        for name in recorded:
            if sha256(_file(validator.home, name).read_bytes()).hexdigest() != name:
                raise Violation(f"blob {name} at {validator.home} is another one")


def _file(home: Path, name: str) -> Path:
    return home / BLOBS / name[:2] / name

"""Log lines: one an event, whoever writes it, and never raw bytes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from node.logs import refuse_bytes

SCRIPT = """
import logging, sys, warnings
import structlog
from node.config import LogSection
from node.logs import configure_logs

configure_logs(LogSection(format=sys.argv[1]))
log = structlog.get_logger()
log.info("appended", height=7, view=1, transaction="ab")
log.debug("too quiet")
log.info("refused", error="one\\ntwo", seed=b"12")
try:
    secret = "a local value"
    raise ValueError("one\\ntwo")
except ValueError:
    log.exception("crashed")
    logging.getLogger("uvicorn.error").exception("of %s", "a library\\nx")
warnings.warn("careful")
"""


def lines(form: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, form], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_every_event_is_one_json_object_in_one_line() -> None:
    appended, refused, crashed, library, warning = (json.loads(line) for line in lines("json"))
    assert appended.pop("timestamp").endswith("Z")
    assert appended == {"event": "appended", "level": "info", "height": 7, "view": 1, "transaction": "ab"}
    assert (refused["error"], refused["seed"]) == ("one\ntwo", "<2 bytes>")
    assert (crashed["event"], crashed["level"]) == ("crashed", "error")
    assert crashed["traceback"].endswith("ValueError: one\ntwo")
    assert (library["event"], library["logger"], library["said"]) == ("library", "uvicorn.error", "of a library\nx")
    assert library["traceback"] == crashed["traceback"]
    assert "UserWarning: careful" in warning["said"]


def test_every_event_is_one_line_of_text() -> None:
    written = lines("text")
    assert [line.partition("] ")[2].split()[0] for line in written] == [
        "appended",
        "refused",
        "crashed",
        "library",
        "library",
    ]
    assert written[0].endswith("appended height=7 transaction=ab view=1")
    assert r"error='one\ntwo'" in written[1]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_no_local_values(form: str) -> None:
    assert "a local value" not in "".join(lines(form))


def test_bytes_never_reach_a_log_line() -> None:
    event = {"event": "x", "seed": b"\x01" * 32, "blob": memoryview(b"12345"), "height": 7, "in": ({"k": [b"1"]}, 2)}
    assert refuse_bytes(None, "info", event) == {
        "event": "x",
        "seed": "<32 bytes>",
        "blob": "<5 bytes>",
        "height": 7,
        "in": [{"k": ["<1 bytes>"]}, 2],
    }


FULL = """
import json, logging, sys
import structlog
from node.config import LogSection
from node.logs import configure_logs

sys.stderr = open(sys.argv[2], "w", buffering=1)
configure_logs(LogSection(format=sys.argv[1]))
structlog.get_logger().info("appended", height=7)
logging.getLogger("uvicorn.error").error("of a library")
print("went on")
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_log_disturbs_nobody() -> None:
    ran = [sys.executable, "-c", FULL, "json", "/dev/full"]
    done = subprocess.run(ran, capture_output=True, text=True, check=False)
    assert done.stdout == "went on\n", done.stderr

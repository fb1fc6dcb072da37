"""Log lines: one an event, and never raw bytes."""

from node.logs import refuse_bytes


def test_bytes_never_reach_a_log_line() -> None:
    event = {"event": "x", "seed": b"\x01" * 32, "blob": memoryview(b"12345"), "height": 7}
    assert refuse_bytes(None, "info", event) == {
        "event": "x",
        "seed": "<32 bytes>",
        "blob": "<5 bytes>",
        "height": 7,
    }

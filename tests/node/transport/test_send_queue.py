"""The queue to one peer, against a list."""

from hypothesis import given, settings
from hypothesis import strategies as st

from node.transport.send_queue import SendQueue

FRAMES_MAX, BYTES_MAX = 5, 40
STEPS = st.lists(
    st.one_of(st.binary(max_size=BYTES_MAX), st.integers(min_value=1, max_value=60)),
    max_size=40,
)


@settings(deadline=None, max_examples=200)
@given(STEPS)
def test_the_oldest_make_room_and_the_rest_leaves_in_order(steps: list[bytes | int]) -> None:
    queue = SendQueue(frames_max=FRAMES_MAX, bytes_max=BYTES_MAX)
    expected: list[bytes] = []
    for step in steps:
        if isinstance(step, bytes):
            expected.append(step)
            dropped = 0
            while len(expected) > FRAMES_MAX or sum(map(len, expected)) > BYTES_MAX:
                expected.pop(0)
                dropped += 1
            assert queue.put(step) == dropped
        else:
            taken = queue.take(step)
            assert taken == expected[: len(taken)]
            rest = expected[len(taken) :]
            assert len(taken) <= 1 or sum(map(len, taken)) <= step
            assert not rest or (taken and sum(map(len, taken)) + len(rest[0]) > step)
            expected = rest
        assert len(queue) == len(expected)

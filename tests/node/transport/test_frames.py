"""Frames, cut anywhere."""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.transport.errors import FrameTooLarge, TruncatedFrame
from node.transport.frames import join_frames, read_frame

PAYLOADS = st.lists(st.binary(max_size=300), max_size=8)


async def read_all(data: bytes, cuts: list[int], *, bytes_max: int = 300) -> list[bytes]:
    """Read every frame of a stream that arrives in pieces and then ends."""
    reader = asyncio.StreamReader()

    async def feed() -> None:
        for begin, end in itertools.pairwise([0, *cuts, len(data)]):
            reader.feed_data(data[begin:end])
            await asyncio.sleep(0)
        reader.feed_eof()

    feeding = asyncio.create_task(feed())
    frames = []
    try:
        while (frame := await read_frame(reader, bytes_max=bytes_max)) is not None:
            frames.append(frame)
    finally:
        await feeding
    return frames


@settings(deadline=None, max_examples=60)
@given(PAYLOADS, st.data())
def test_frames_arrive_as_they_were_joined_however_they_are_cut(payloads: list[bytes], data: st.DataObject) -> None:
    joined = join_frames(payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(joined)), max_size=6)))
    assert asyncio.run(read_all(joined, cuts)) == payloads


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=12))
def test_every_end_inside_a_frame_is_an_error(payload: bytes) -> None:
    joined = join_frames([payload])
    for length in range(1, len(joined)):
        with pytest.raises(TruncatedFrame, match="the end after"):
            asyncio.run(read_all(joined[:length], []))


def test_a_length_over_the_limit_is_refused_before_the_frame_comes() -> None:
    with pytest.raises(FrameTooLarge, match="expected at most 300 bytes, got 301 bytes"):
        asyncio.run(read_all((301).to_bytes(4, "big"), []))


def test_a_frame_of_the_limit_passes() -> None:
    assert asyncio.run(read_all(join_frames([bytes(300)]), [])) == [bytes(300)]

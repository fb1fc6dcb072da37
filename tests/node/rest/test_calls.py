"""Slots and held calls."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from node.rest.calls import HeldCalls, Slots
from node.rest.errors import NotFound, Overloaded


def request_of(receive: Callable[[], Awaitable[dict[str, Any]]]) -> Request:
    return Request({"type": "http", "headers": []}, receive)


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def gone() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def test_slots_are_refused_when_taken_and_given_back_after_a_failure() -> None:
    slots = Slots("things", 1)

    def fail() -> None:
        with slots.take():
            with pytest.raises(Overloaded, match="at most 1 at a time"):
                slots.take().__enter__()
            raise NotFound("x")

    for _ in range(2):
        with pytest.raises(NotFound):
            fail()


def test_a_held_call_gets_what_it_waits_for() -> None:
    async def work() -> int:
        return 5

    async def scenario() -> int | None:
        return await HeldCalls().hold(request_of(never), work())

    assert asyncio.run(scenario()) == 5


def test_an_error_of_what_it_waits_for_is_raised() -> None:
    async def work() -> int:
        raise NotFound("x")

    async def scenario() -> None:
        await HeldCalls().hold(request_of(never), work())

    with pytest.raises(NotFound):
        asyncio.run(scenario())


def test_a_held_call_ends_with_its_caller_and_so_does_its_work() -> None:
    async def scenario() -> bool:
        ended = asyncio.Event()

        async def work() -> int:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            raise AssertionError

        assert await HeldCalls().hold(request_of(gone), work()) is None
        return ended.is_set()

    assert asyncio.run(scenario())


def test_a_held_call_ends_with_the_node_and_later_ones_at_once() -> None:
    async def scenario() -> None:
        held = HeldCalls()
        waiting = [asyncio.ensure_future(held.hold(request_of(never), never())) for _ in range(3)]
        await asyncio.sleep(0)
        held.end()
        assert await asyncio.gather(*waiting) == [None, None, None]
        assert await held.hold(request_of(never), never()) is None

    asyncio.run(scenario())


def test_nothing_is_left_running_when_a_held_call_is_cancelled() -> None:
    async def scenario() -> int:
        call = asyncio.ensure_future(HeldCalls().hold(request_of(never), never()))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        return len(asyncio.all_tasks())

    assert asyncio.run(scenario()) == 1

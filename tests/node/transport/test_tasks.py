"""No task ends unseen."""

import asyncio
from typing import Any

import pytest

from node.transport.errors import LinkFailed
from node.transport.tasks import TaskSet
from tests.node.transport.network import run


async def fail() -> None:
    raise ZeroDivisionError


def test_what_a_background_task_raises_reaches_the_loops_handler() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        told: list[dict[str, Any]] = []
        before = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: told.append(context))
        tasks = TaskSet()
        task = tasks.spawn(fail(), name="the job")
        await asyncio.wait((task,))
        await tasks.close()
        assert [context["message"] for context in told] == ["the job failed"]
        assert isinstance(told[0]["exception"], ZeroDivisionError)
        loop.set_exception_handler(before)

    run(main())


def test_closing_waits_for_what_tasks_do_at_their_end() -> None:
    async def main() -> None:
        ended = []

        async def linger() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(3):
                    await asyncio.sleep(0)
                ended.append(True)

        tasks = TaskSet()
        tasks.spawn(linger(), name="lingers")
        await asyncio.sleep(0)
        await tasks.close()
        assert ended == [True]

    run(main())


def test_a_call_returns_and_raises_what_its_work_does() -> None:
    async def main() -> None:
        tasks = TaskSet()

        async def seven() -> int:
            return 7

        assert await tasks.call(seven(), name="seven") == 7
        with pytest.raises(ZeroDivisionError):
            await tasks.call(fail(), name="fails")

    run(main())


def test_a_call_ends_with_its_caller() -> None:
    async def main() -> None:
        tasks = TaskSet()
        caller = asyncio.create_task(tasks.call(asyncio.Event().wait(), name="waits"))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    run(main())


def test_closing_fails_a_call_and_leaves_its_caller_alive() -> None:
    async def main() -> None:
        tasks = TaskSet()
        caller = asyncio.create_task(tasks.call(asyncio.Event().wait(), name="waiting"))
        await asyncio.sleep(0)
        await tasks.close()
        with pytest.raises(LinkFailed, match="waiting: expected links that are open, got closed ones"):
            await caller

    run(main())

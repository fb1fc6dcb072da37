"""What every route works with."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from node.config import LimitsSection, RestSection
from node.rest.calls import HeldCalls, Slots
from node.runtime.api import NodeApi


@dataclass(frozen=True, slots=True, kw_only=True)
class RestContext:
    """The node behind the interface, and the limits of the interface."""

    api: NodeApi
    section: RestSection
    limits: LimitsSection
    held: HeldCalls
    requests: Slots
    uploads: Slots
    admitting: asyncio.Lock
    """Held while the transactions of one request are admitted: many requests at once leave the loop its turns."""

    def seconds(self, wait: int | None) -> float:
        """Return how long a call with `?wait=` (milliseconds) is held."""
        return min(wait or 0, self.section.wait_ms_max) / 1000


async def context(request: Request) -> RestContext:
    """Return the context that `create_app` made."""
    return cast("RestContext", request.app.state.context)


Context = Annotated[RestContext, Depends(context)]

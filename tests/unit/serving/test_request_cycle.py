"""An answer to a client that has gone is dropped silently."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from cogento.serving.answers import answer, refusal
from cogento.serving.request_cycle import RequestCycle

if TYPE_CHECKING:
    from cogento.serving.answers import Receive, Scope, Send

LOGGER = "uvicorn.error"


def cycle_on(transport: Mock) -> RequestCycle:
    return RequestCycle(
        scope={"type": "http", "method": "GET"},  # type: ignore[typeddict-item]
        transport=transport,
        flow=Mock(write_paused=False),
        logger=logging.getLogger(LOGGER),
        access_logger=logging.getLogger(LOGGER),
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )


@pytest.mark.parametrize("parts_written", [0, 1])
def test_a3_a_write_that_fails_before_the_loss_is_told_is_no_error(
    caplog: pytest.LogCaptureFixture, parts_written: int
) -> None:
    transport = Mock()
    # The event loop closes a transport when a write fails, and tells of the loss in its next turn.
    transport.is_closing.side_effect = [False] * parts_written + [True] * 5

    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(refusal("too_many_connections"), send)

    async def run() -> None:
        await cycle_on(transport).run_asgi(application)  # type: ignore[arg-type]

    asyncio.run(run())
    assert caplog.records == []
    transport.write.assert_not_called()

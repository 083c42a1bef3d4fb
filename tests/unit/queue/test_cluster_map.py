"""A cluster whose map no server tells is away, however it fails: nobody hangs, and nobody is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from cogento.local.ports import LOCALHOST, free_port
from cogento.queue.errors import MailboxUnavailable
from cogento.queue.mailboxes import Mailboxes


async def ask(port: int, *, timeout_seconds: float = 5) -> None:
    mailboxes = Mailboxes.connect(
        f"redis+cluster://{LOCALHOST}:{port}", ack=None, timeout_seconds=timeout_seconds
    )
    try:
        await mailboxes.now_ms()
    finally:
        await mailboxes.close()


async def ask_one_that(answer: bytes, *, timeout_seconds: float = 5) -> None:
    """Ask a server that says the same to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, LOCALHOST, 0)
    async with server:
        await ask(server.sockets[0].getsockname()[1], timeout_seconds=timeout_seconds)


def test_where_no_server_listens() -> None:
    with pytest.raises(MailboxUnavailable, match="ConnectionError"):
        asyncio.run(ask(free_port()))


def test_where_no_server_answers_in_time() -> None:
    with pytest.raises(MailboxUnavailable, match="TimeoutError"):
        asyncio.run(ask_one_that(b"", timeout_seconds=0.05))


def test_where_the_server_is_no_part_of_a_cluster() -> None:
    with pytest.raises(MailboxUnavailable, match=r"cannot be connected.*not enabled"):
        asyncio.run(ask_one_that(b"-ERR This instance has cluster support disabled\r\n"))

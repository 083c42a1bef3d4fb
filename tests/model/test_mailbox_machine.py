"""The real Lua against the reference, on fakeredis: everywhere, without a server."""

from __future__ import annotations

import fakeredis

from tests.mailbox_machine import machine_on

TestMailboxMachine = machine_on(fakeredis.FakeRedis(), examples=15, steps=30)

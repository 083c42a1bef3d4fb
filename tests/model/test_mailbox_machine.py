"""The real Lua against the reference, on fakeredis: everywhere, without a server."""

from __future__ import annotations

from tests.fake_redis import FakeRedis
from tests.mailbox_machine import loss_machine_on, machine_on

TestMailboxMachine = machine_on(FakeRedis(), examples=15, steps=30)
TestLossMachine = loss_machine_on(FakeRedis(), examples=15, steps=20)

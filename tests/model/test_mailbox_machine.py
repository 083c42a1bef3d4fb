"""The real Lua against the reference, on fakeredis: everywhere, without a server."""

from __future__ import annotations

from tests.support.fake_redis import FakeRedis
from tests.support.mailbox_machine import loss_machine_on, machine_on

TestMailboxMachine = machine_on(FakeRedis(), examples=6, steps=30)
TestLossMachine = loss_machine_on(FakeRedis(), examples=6, steps=20)

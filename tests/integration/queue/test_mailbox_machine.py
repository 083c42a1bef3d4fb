"""The real Lua against the reference, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from tests.support.mailbox_machine import loss_machine_on, machine_on

if TYPE_CHECKING:
    from collections.abc import Callable


def test_any_sequence_of_commands_does_what_the_reference_does(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        run: Callable[[], None] = machine_on(client, examples=15, steps=40)("runTest").runTest
        run()


def test_a9_whatever_is_lost_in_between_all_is_found_again(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        run: Callable[[], None] = loss_machine_on(client, examples=25, steps=25)("runTest").runTest
        run()

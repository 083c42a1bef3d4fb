"""The circuit on a full server: during an outage of Postgres, Redis fills up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from cogento.queue.circuit import AskCode, Dependency
from cogento.queue.claims import PutResult
from tests.support.mailbox_builders import envelope

if TYPE_CHECKING:
    from tests.integration.queue.conftest import Connect, OwnServer


def test_f18_the_circuit_opens_is_probed_and_closes_while_redis_is_full(
    own_server: OwnServer, connect: Connect
) -> None:
    mailboxes = connect(own_server.url)
    with redis.Redis.from_url(own_server.url) as admin:
        admin.config_set("maxmemory", 1)
    assert mailboxes.put([envelope()])[0].result is PutResult.FULL
    circuit = mailboxes.circuit(Dependency.POSTGRES)

    opened = circuit.failed("08006", begun_ms=circuit.now_ms(), errors_limit=1, probe_after_seconds=0)
    probing = circuit.ask()
    circuit.probed("08006", again_after_seconds=0)
    probing_again = circuit.ask()
    circuit.probed(None, again_after_seconds=0)
    seen = circuit.read()

    assert (opened, probing.code, probing_again.code) == (True, AskCode.PROBE, AskCode.PROBE)
    assert seen is not None
    assert seen.recovering

"""What `cogento run` would run, with one account and with several; nothing of it is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cogento.local.accounts import LocalAccount
from cogento.local.data_folder import DataFolder
from cogento.local.services import LocalSystem, Servers, StripeSimulation

SIMULATION = StripeSimulation(port=9000, events_per_second=5, customers=200, seed=7)
SYSTEM = LocalSystem(
    folder=DataFolder(Path("/data")),
    servers=Servers(
        database_url="postgresql://127.0.0.1/cogento",
        redis_url="redis://127.0.0.1/0",
        ack_durability="redis_fsync",
    ),
    accounts=(
        LocalAccount(name="default", webhook_secret="whsec_secret", thin_webhook_secret="whsec_thin_secret"),
    ),
    receiver_port=8000,
    console_port=8001,
    simulation=None,
)
NAMES = ("default", "shop2", "shop3")
SEVERAL = replace(
    SYSTEM,
    servers=replace(SYSTEM.servers, database_url="postgresql://127.0.0.1/cogento?schema=billing"),
    accounts=tuple(
        LocalAccount(
            name=name, webhook_secret=f"whsec_{name:x<32}", thin_webhook_secret=f"whsec_thin_{name:x<32}"
        )
        for name in NAMES
    ),
    simulation=replace(SIMULATION, accounts=NAMES),
)

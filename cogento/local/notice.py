"""Where to look, said to the person who typed `cogento run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogento.local.cast import Cast


def describe(cast: Cast, given: Mapping[str, str]) -> list[str]:
    """Return the lines; URLs that came from the environment may hold a real password and are not shown."""
    return [
        "Everything runs; Ctrl-C stops it.",
        f"  webhooks   {cast.receiver_url}",
        f"  console    {cast.console_url}",
        f"  Postgres   {'from DATABASE_URL' if given.get('DATABASE_URL') else cast.stores.database_url}",
        f"  Redis      {'from REDIS_URL' if given.get('REDIS_URL') else cast.stores.redis_url}",
        f"  Stripe     {_stripe(cast)}",
        f"  logs       {cast.folder.path / 'logs'}",
        f"  all this, the signing secret and process ids: {cast.folder.run_file}",
    ]


def _stripe(cast: Cast) -> str:
    if cast.simulation is None:
        return "not simulated: send events with `cogento send`, or with `stripe listen --events … --forward-to …`"
    return (
        f"simulated, {cast.simulation.events_per_second:g} events a second, API at {cast.simulation.api_url}"
    )

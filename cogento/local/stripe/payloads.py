"""What the simulated Stripe's webhooks carry. Apart, because `cogento run` names it before it loads a simulation."""

from __future__ import annotations

import enum


class Payloads(enum.StrEnum):
    """Whole objects, only their names, or one webhook of each kind."""

    SNAPSHOT = "snapshot"
    THIN = "thin"
    BOTH = "both"

"""Keeps a Postgres copy of Stripe's customers and subscriptions: what receiver, worker, commands and pages share.

`VERSION` stands in dead letters, `cogento status` and metrics, where two releases at once can be told apart. It is a
constant and not the installed package's metadata: where it is deployed, the program is run from its source.
"""

from __future__ import annotations

VERSION = "0.1.0"

"""Keeps a Postgres copy of Stripe's customers and subscriptions: what receiver, worker, commands and pages share.

`VERSION` stands in dead letters, `cogento status` and metrics, where two releases at once can be told apart, and names the
commit that runs. It is not the installed package's metadata: where it is deployed, the program is run from its source.
"""

from __future__ import annotations

import os
from pathlib import Path

from cogento.release import version_of

RELEASE = "0.1.0"
VERSION = version_of(RELEASE, environment=os.environ, package=Path(__file__).parent)

"""Keeps a Postgres copy of Stripe's customers and subscriptions: what receiver, worker, commands and pages share.

`VERSION` is shown in dead letters, `cogento status` and metrics, so that two releases that run at once can be distinguished, and
names the commit that runs. It is not read from the installed package's metadata, because deployments run the program from its
source.
"""

from __future__ import annotations

import os
from pathlib import Path

from cogento.release import version_of

RELEASE = "0.1.0"
VERSION = version_of(RELEASE, environment=os.environ, package=Path(__file__).parent)

"""Which release this is: in dead letters, `cogento status` and metrics, where two at once can be told apart.

A constant and not the installed package's metadata: where it is deployed, the program is run from its
source and is no installed package.
"""

from __future__ import annotations

VERSION = "0.1.0"

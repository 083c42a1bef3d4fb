"""`python -m cogento`: the same as the command `cogento`."""

from __future__ import annotations

from cogento.cli.main import main

main(prog_name="cogento")

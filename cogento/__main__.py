"""The command `cogento`, and `python -m cogento`: the same."""

from __future__ import annotations

from cogento.cli.main import main
from cogento.startup import prepare_to_load


def run() -> None:
    """Run the command line's command."""
    prepare_to_load(may_migrate=True)  # main.py loads a command's module when the command is called
    main(prog_name="cogento")


if __name__ == "__main__":
    run()

"""`python -m receiver`: says whether the receiver may start; gunicorn_conf.py runs the same check before it listens."""

from __future__ import annotations

from cogento import reporting
from cogento.nonblocking_output import make_output_nonblocking
from cogento.settings import ReceiverSettings, load_each
from receiver.start import require_entry


def main() -> None:
    """Check the settings, and the mailboxes if they are there."""
    each = load_each(ReceiverSettings)
    reporting.configure("receiver", level=each[0].log_level, sentry_dsn=None)
    require_entry(each)


if __name__ == "__main__":
    make_output_nonblocking()
    main()

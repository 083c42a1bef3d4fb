"""The ASGI application that the server runs, `receiver.asgi:app`: made in each of its processes."""

from __future__ import annotations

from cogento import reporting, runtime
from cogento.settings import ReceiverSettings, load_each
from receiver.composition import compose
from receiver.fastpath.webhook import accelerated

_each = load_each(ReceiverSettings)
_settings = _each[0]
_dsn = _settings.sentry_dsn

reporting.configure(
    "receiver",
    level=_settings.log_level,
    sentry_dsn=_dsn.get_secret_value() if _dsn else None,
    sentry_environment=_settings.sentry_environment,
)
app = accelerated(compose(_each))
runtime.freeze_startup_objects()

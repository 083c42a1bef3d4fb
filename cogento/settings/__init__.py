"""Environment variables, read only where a process is composed; docs/settings.md documents each.

A wrong value ends the process with one line that says what to do and exit code 78 (EX_CONFIG), never
with the value of a secret.
"""

from cogento.settings.console import AlertSettings, ConsoleSettings
from cogento.settings.environment import AccountNames, Environment
from cogento.settings.loading import EX_CONFIG, load, load_chosen, load_each, problems_of, refuse
from cogento.settings.processes import (
    MemberSettings,
    ObjectSettings,
    ReceiverSettings,
    ReconcileSettings,
    WorkerSettings,
)
from cogento.settings.servers import (
    ChangesSettings,
    DatabaseSettings,
    MailboxSettings,
    MigrationSettings,
    SchemaSettings,
)
from cogento.settings.stripe import AskingSettings, StripeSettings

__all__ = [
    "EX_CONFIG",
    "AccountNames",
    "AlertSettings",
    "AskingSettings",
    "ChangesSettings",
    "ConsoleSettings",
    "DatabaseSettings",
    "Environment",
    "MailboxSettings",
    "MemberSettings",
    "MigrationSettings",
    "ObjectSettings",
    "ReceiverSettings",
    "ReconcileSettings",
    "SchemaSettings",
    "StripeSettings",
    "WorkerSettings",
    "load",
    "load_chosen",
    "load_each",
    "problems_of",
    "refuse",
]

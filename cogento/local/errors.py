"""What can go wrong on this machine; each message says what to do."""

from __future__ import annotations


class LocalError(Exception):
    """Something on this machine is in the way; the message says what it is and what to do."""


class ServerUnavailableError(LocalError):
    """No program for this server is installed here."""


class InUseError(LocalError):
    """Another process has this data folder or port."""


class StartError(LocalError):
    """A process ended or stayed silent while it should have become ready."""

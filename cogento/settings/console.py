"""What the console needs, and where alerts go."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from cogento.settings.processes import ReconcileSettings
from cogento.settings.stripe import StripeSettings
from cogento.settings.values import AlertWebhookUrl, MetricsToken, ProxyAddresses, ProxyNetworks

ORDINARY_HEADERS = frozenset(
    [
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "forwarded",
        "from",
        "host",
        "origin",
        "referer",
        "sec-fetch-site",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    ]
)
"""Headers that clients and proxies send for other reasons, so that they cannot name a user."""


class AlertSettings(StripeSettings):
    """Where alerts go, and what this deployment is called there."""

    alert_webhook_url: AlertWebhookUrl | None = Field(
        None, description="Where alerts that page are sent, as JSON that Slack understands; unset: nowhere."
    )

    @property
    def deployment(self) -> str:
        """The deployment's name, for people who have several."""
        mode = "live" if self.stripe_livemode else "test"
        return " ".join(filter(None, ("Cogento", self.account_label, mode, self.stripe_account)))


class ConsoleSettings(ReconcileSettings, AlertSettings):
    """What the console needs."""

    console_password_hash: SecretStr | None = Field(
        None, description="The hash of the operators' password, made by `cogento password`."
    )
    console_read_only_password_hash: SecretStr | None = Field(
        None,
        description="The hash of the viewers' password, who may look and not change, made by `cogento password`.",
    )
    console_trusted_proxy: ProxyAddresses = Field(
        (),
        description="Addresses of the proxy that logs people in and names them in CONSOLE_TRUSTED_HEADER.",
    )
    console_trusted_header: str | None = Field(
        None,
        validate_default=True,
        description="The header in which CONSOLE_TRUSTED_PROXY names the user who is logged in, instead of a password.",
    )
    console_operators: str = Field(
        "",
        description="Users named in that header who may change things, comma-separated; the others may look. Empty: all may change things.",
    )
    trusted_proxies: ProxyNetworks = Field(
        (),
        description="Addresses and networks of the proxies before the console, or private; they name the client of a request.",
    )
    console_hosts: str = Field(
        "",
        description="Names by which browsers may reach the console, comma-separated; localhost always may.",
    )
    port: int = Field(8001, ge=1, le=65535, description="Where the console listens.")
    metrics_token: MetricsToken | None = Field(
        None, description="Bearer token for /metrics; unset: it answers this machine only."
    )

    @property
    def host_names(self) -> frozenset[str]:
        """The names, in lower case as browsers send them."""
        return frozenset(name for name in self.console_hosts.lower().replace(" ", "").split(",") if name)

    @property
    def operators(self) -> frozenset[str]:
        """The names of users, as the proxy gives them, who may change things; none: everybody may."""
        return _names_in(self.console_operators)

    @field_validator("console_operators")
    @classmethod
    def _require_names(cls, operators: str, info: ValidationInfo) -> str:
        """Refuse a list that names nobody, which would make everybody an operator, and one beside a password, where it would have no effect."""
        if operators and not _names_in(operators):
            raise ValueError("it names nobody: name who may change things, or remove it, and everybody may")
        if operators and info.data.get("console_trusted_header", "") is None:
            raise ValueError("it counts only with CONSOLE_TRUSTED_HEADER: set that as well, or remove it")
        return operators

    @field_validator("console_trusted_header")
    @classmethod
    def _require_one_way_in(cls, header: str | None, info: ValidationInfo) -> str | None:
        """Refuse a header without a named proxy, from which alone it is safe, and one beside a password, which it would bypass."""
        proxies = info.data.get("console_trusted_proxy")  # absent when it was refused itself
        if header is None:
            if proxies:
                raise ValueError("name the header of CONSOLE_TRUSTED_PROXY that says who is logged in")
            return None
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", header) or header.lower() in ORDINARY_HEADERS:
            raise ValueError(
                "give the name of a header that only the proxy sets, X-Forwarded-User for example"
            )
        if proxies == ():
            raise ValueError("name the proxy that it comes from in CONSOLE_TRUSTED_PROXY")
        if info.data.get("console_password_hash") or info.data.get("console_read_only_password_hash"):
            raise ValueError("a password is set as well: there is one way in, so remove one of the two")
        return header


def _names_in(listed: str) -> frozenset[str]:
    return frozenset(filter(None, map(str.strip, listed.split(","))))

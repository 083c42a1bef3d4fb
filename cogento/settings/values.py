"""What a setting's value may be: parsers and checks of secrets, URLs and lists. No error quotes a secret."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from cogento import urls
from cogento.networks import Network, read_addresses, read_networks

if TYPE_CHECKING:
    from collections.abc import Callable

MINIMUM_SECRET_LENGTH = 32
MAXIMUM_SECRETS = 3


def _judged_by(judge: Callable[[str], str]) -> AfterValidator:
    """Validate a secret with `judge`, and keep it as that returns it."""
    return AfterValidator(lambda value: SecretStr(judge(value.get_secret_value())))


def _read_by(reader: Callable[[str], tuple[Network, ...]]) -> BeforeValidator:
    """Parse a string with `reader`; any other value is kept as it is."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


def _matching(pattern: str, complaint: str) -> AfterValidator:
    """Require a secret to match the pattern as a whole."""

    def judge(value: SecretStr) -> SecretStr:
        if not re.fullmatch(pattern, value.get_secret_value()):
            raise ValueError(complaint)
        return value

    return AfterValidator(judge)


def _webhook_secrets(text: str) -> str:
    secrets = text.split(",")
    if not 1 <= len(secrets) <= MAXIMUM_SECRETS:
        raise ValueError(f"give one to {MAXIMUM_SECRETS} secrets, separated by commas")
    for secret in secrets:
        if not re.fullmatch(r"whsec_[!-+\--~]+", secret):
            raise ValueError(
                "each secret starts with whsec_ and has no space, quote or newline around it: "
                "copy it again from Stripe's endpoint page"
            )
        if len(secret) < MINIMUM_SECRET_LENGTH:
            raise ValueError(f"a secret is shorter than {MINIMUM_SECRET_LENGTH} characters: it was cut")
        if '"' in secret or "'" in secret:
            raise ValueError("a secret has quotes in it: remove them")
    return text


def _api_base(value: str) -> str:
    if urls.http_url(value).path or "?" in value:
        raise ValueError("nothing stands after the host and port")
    return value


def _webhook_url(value: str) -> str:
    urls.http_url(value)
    return value


ApiKey = Annotated[
    SecretStr,
    _matching(
        r"(rk|sk)_(test|live)_[A-Za-z0-9_]+",
        "it must be a restricted (rk_…) or secret (sk_…) key of Stripe's, and nothing around it",
    ),
]
ApiBase = Annotated[str, AfterValidator(_api_base)]
AlertWebhookUrl = Annotated[SecretStr, _judged_by(_webhook_url)]
DatabaseUrl = Annotated[SecretStr, _judged_by(urls.postgres_url)]
MetricsToken = Annotated[
    SecretStr, _matching("[!-~]+", "it is made of letters, digits and signs of ASCII, without spaces")
]
ProxyAddresses = Annotated[tuple[Network, ...], NoDecode, _read_by(read_addresses)]
ProxyNetworks = Annotated[tuple[Network, ...], NoDecode, _read_by(read_networks)]
SentryDsn = Annotated[SecretStr, _judged_by(urls.sentry_dsn)]
WebhookSecrets = Annotated[SecretStr, NoDecode, _judged_by(_webhook_secrets)]


class RedisTlsVerify(StrEnum):
    """Whether a server reached by rediss:// must prove who it is."""

    REQUIRED = "required"
    NONE = "none"


def secrets_in(given: SecretStr | None) -> tuple[str, ...]:
    """Return the secrets that a setting holds, in the order given."""
    return tuple(given.get_secret_value().split(",")) if given else ()

"""What a setting's value may be: parsers and checks of numbers, secrets, URLs and lists. No error quotes the value."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from cogento import urls
from cogento.settings.setting import SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable

    E = TypeVar("E", bound=StrEnum)

MINIMUM_SECRET_LENGTH = 32
MAXIMUM_SECRETS = 3
MAXIMUM_DIGITS = 18
FLAGS = {
    **dict.fromkeys(("true", "on", "yes", "1"), True),
    **dict.fromkeys(("false", "off", "no", "0"), False),
}


def flag(text: str) -> bool:
    """Read whether something is on."""
    try:
        return FLAGS[text.strip().lower()]
    except KeyError:
        raise ValueError("it must be true or false, or on or off") from None


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Make a reader of numbers from `least` to `most`."""

    def read(text: str) -> int:
        is_number = re.fullmatch(rf"\s*[0-9]{{1,{MAXIMUM_DIGITS}}}\s*", text)
        if not is_number or not least <= int(text) <= most:
            raise ValueError(f"it must be a whole number from {least} to {most}")
        return int(text)

    return read


def one_of(kind: type[E]) -> Callable[[str], E]:
    """Make a reader of the words that an enumeration has."""

    def read(text: str) -> E:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"it must be one of {', '.join(kind)}") from None

    return read


def matching(pattern: str, complaint: str) -> Callable[[str], str]:
    """Make a reader of strings that match the pattern as a whole; for others it raises ValueError with `complaint`."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(complaint)
        return text

    return read


def secret(judge: Callable[[str], str] = str) -> Callable[[str], SecretStr]:
    """Make a reader of secrets, which are kept as `judge` returns them."""
    return lambda text: SecretStr(judge(text))


def webhook_secrets(text: str) -> SecretStr:
    """Read one signing secret or several."""
    secrets = text.split(",")
    if not 1 <= len(secrets) <= MAXIMUM_SECRETS:
        raise ValueError(f"give one to {MAXIMUM_SECRETS} secrets, separated by commas")
    for one in secrets:
        if not re.fullmatch(r"whsec_[!-+\--~]+", one):
            raise ValueError(
                "each secret starts with whsec_ and has no space, quote or newline around it: "
                "copy it again from Stripe's endpoint page"
            )
        if len(one) < MINIMUM_SECRET_LENGTH:
            raise ValueError(f"a secret is shorter than {MINIMUM_SECRET_LENGTH} characters: it was cut")
        if '"' in one or "'" in one:
            raise ValueError("a secret has quotes in it: remove them")
    return SecretStr(text)


def secrets_in(given: SecretStr | None) -> tuple[str, ...]:
    """Return the secrets that a setting holds, in the order given."""
    return tuple(given.get_secret_value().split(",")) if given else ()


def api_base(text: str) -> str:
    """Read where an API is: a URL without a path."""
    if urls.http_url(text).path or "?" in text:
        raise ValueError("nothing stands after the host and port")
    return text


def alert_webhook_url(text: str) -> SecretStr:
    """Read where alerts go; a secret, because anybody who knows the URL can send messages there."""
    urls.http_url(text)
    return SecretStr(text)


api_key = secret(
    matching(
        r"(rk|sk)_(test|live)_[A-Za-z0-9_]+",
        "it must be a restricted (rk_…) or secret (sk_…) key of Stripe's, and nothing around it",
    )
)
database_url = secret(urls.postgres_url)
metrics_token = secret(matching("[!-~]+", "it is made of letters, digits and signs of ASCII, without spaces"))
sentry_dsn = secret(urls.sentry_dsn)


class RedisTlsVerify(StrEnum):
    """Whether a server reached by rediss:// must prove who it is."""

    REQUIRED = "required"
    NONE = "none"

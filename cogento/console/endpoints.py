"""Webhook endpoints at Stripe, checked for whether they send what the receiver takes. Pure; knows no HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cogento.accounts import WEBHOOK_PATH
from cogento.console.findings import good, warning, wrong
from cogento.reconcile.sweep import TYPES
from cogento.stripe.api import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cogento.console.findings import Finding
    from cogento.stripe.account import WebhookEndpoint

EVERYTHING = "*"
DASHBOARD = "in Stripe's dashboard under Developers, Webhooks"


def concerns_us(endpoint: WebhookEndpoint) -> bool:
    """Tell whether an endpoint sends events of ours, or sends to an address like a receiver's."""
    types = set(endpoint.enabled_events)
    return bool(types & {*TYPES, EVERYTHING}) or WEBHOOK_PATH in _path(endpoint.url)


def chosen(endpoints: Iterable[WebhookEndpoint], which: str | None) -> list[WebhookEndpoint]:
    """Return the endpoints that an id, an address or a host names; without one those that concern us."""
    if which is None:
        return [one for one in endpoints if concerns_us(one)]
    return [one for one in endpoints if which in {one.id, one.url, urlsplit(one.url).netloc}]


def judge_endpoint(endpoint: WebhookEndpoint, *, path: str) -> Iterator[Finding]:
    """Say what is right and what is wrong with an endpoint; `path` is where the receiver takes its account's events."""
    if endpoint.status == "enabled":
        yield good("status", "enabled")
    else:
        yield wrong("status", f"{endpoint.status}: Stripe sends nothing", f"Enable it {DASHBOARD}.")
    yield _judge_url(endpoint, path)
    yield from _judge_types(endpoint)
    yield _judge_version(endpoint)


def _judge_url(endpoint: WebhookEndpoint, path: str) -> Finding:
    scheme = urlsplit(endpoint.url).scheme
    if not _path(endpoint.url).endswith(path):
        return wrong(
            "address",
            f"{endpoint.url} does not end with {path}, where the receiver listens",
            f"Change it {DASHBOARD}.",
        )
    if scheme != "https":
        say = wrong if endpoint.livemode else warning
        return say(
            "address",
            f"{endpoint.url} is not encrypted",
            f"Put TLS before the receiver, and change it {DASHBOARD}.",
        )
    return good("address", endpoint.url)


def _judge_types(endpoint: WebhookEndpoint) -> Iterator[Finding]:
    ticked = set(endpoint.enabled_events)
    missing = [] if EVERYTHING in ticked else [type_ for type_ in TYPES if type_ not in ticked]
    others = len(ticked - set(TYPES))
    if missing:
        yield wrong("events", f"{', '.join(missing)} not sent", f"Tick what is missing {DASHBOARD}.")
    elif EVERYTHING in ticked:
        yield good("events", "all: those of other objects are acknowledged and ignored")
    else:
        more = f", and {others} that are acknowledged and ignored" if others else ""
        yield good("events", f"all {len(TYPES)} of ours{more}")


def _judge_version(endpoint: WebhookEndpoint) -> Finding:
    version = endpoint.api_version
    anew = "It cannot be changed: `cogento endpoint create` makes another endpoint, then delete this one"
    if version is None:
        return warning(
            "version", "the account's default, which changes when somebody upgrades it", f"{anew}."
        )
    if _day(version) > _day(API_VERSION):
        return warning(
            "version", f"{version} is newer than {API_VERSION}, which this release knows", f"{anew}."
        )
    return good("version", version)


def _path(url: str) -> str:
    return urlsplit(url).path.rstrip("/")


def _day(version: str) -> str:
    """Return a version's date, without its release name; dates are written so that they compare as strings."""
    return version.partition(".")[0]

"""`cogento send`: sign event files as Stripe does and send them to a receiver."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from cogento.accounts import DEFAULT_ACCOUNT, in_words, own_variable
from cogento.cli.accounts import VARIABLE
from cogento.cli.event_files import SignableEvent, UnreadableFileError, read_events
from cogento.console.formatting import printable
from cogento.console.local_run import DEFAULT_DATA, read_accounts
from cogento.events.thin import is_thin
from cogento.settings import refuse
from cogento.urls import UnusableUrlError, host_and_port, http_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_TIMEOUT_SECONDS = 30


def signature_header(body: bytes, secrets: Sequence[str], *, at: int) -> str:
    """Sign a body at a Unix second, once with every secret, as Stripe does while one is rotated.

    The value of `Stripe-Signature` (docs.stripe.com/webhooks#verify-manually).
    """
    signed = f"{at}.".encode() + body
    marks = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return f"t={at}," + ",".join(f"v1={mark}" for mark in marks)


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver, and the secrets whose signatures it expects, separately for thin events."""

    url: str
    secrets: tuple[str, ...]
    thin_secrets: tuple[str, ...]

    def sign(self, body: bytes) -> str:
        """Sign as Stripe does, now."""
        secrets = self.thin_secrets if is_thin(body) else self.secrets
        return signature_header(body, secrets, at=int(time.time()))


@dataclass(frozen=True, slots=True)
class SendResult:
    """The receiver's answer to one event; `answer` is its status word or error code."""

    source: str
    event: str
    type: str
    status: int
    answer: str
    message: str | None = None
    replaced_id: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether it was 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", help="The receiver's webhook address; by default that of `cogento run`.")
@click.option("--secret", help="The signing secret (whsec_…); by default the receiver's.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA,
    show_default=True,
    help="The data folder of `cogento run`, whose run.json names the receiver.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@click.pass_context
def send(
    ctx: click.Context,
    *,
    files: tuple[Path, ...],
    url: str | None,
    secret: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Sign event files and send them to a receiver, one after the other.

    FILES are files or folders of them: one JSON document each, indented or not, or one per line. Events go out
    as they are, `created` included. A bare object (customer, subscription, …) or a bare `data` hash becomes an
    `updated` event whose id follows from its content: sent again, it is a duplicate.

    Recorded files often share a placeholder id. When one call holds the same id with different content, the
    first keeps it and the others get ids that follow from their content; the output says so. Receivers ignore an event whose id,
    or whose object's or customer's id, is all zeros.

    With a run of several accounts, --account says whose address and secret to use.

    Exit code 0 when every answer is 2xx, 1 otherwise.
    """
    target = _target(url, secret, data)
    try:
        events = read_events(files)
    except UnreadableFileError as error:
        raise click.ClickException(printable(error)) from error
    accepted = []
    for answer in send_all(events, target):
        accepted.append(answer.is_accepted)
        if as_json:
            click.echo(json.dumps(asdict(answer)))
            continue
        notes = [f"(its id {answer.replaced_id} is another's here)"] if answer.replaced_id else []
        notes += [answer.message] if answer.message else []
        parts = (answer.status, f"{answer.answer:<10}", answer.type, answer.event, answer.source, *notes)
        click.echo(" ".join(printable(part) for part in parts))
    if not as_json:
        click.echo(f"{len(accepted)} sent, {accepted.count(False)} refused")
    ctx.exit(0 if all(accepted) else 1)


def send_all(events: Iterable[SignableEvent], target: Target) -> Iterator[SendResult]:
    """Send events in order over one connection and yield each answer.

    Raises click.ClickException when the receiver can't be reached; what was sent before stays sent.
    """
    try:
        url = http_url(target.url)
    except UnusableUrlError as error:
        raise click.UsageError(f"the receiver's address is not usable: {error}") from error
    host, port = host_and_port(url.hosts)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    with closing(kind(host, port, timeout=_TIMEOUT_SECONDS)) as connection:
        for event in events:
            try:
                yield _send(event, target, connection, path=quote(url.path) or "/")
            except (OSError, http.client.HTTPException) as error:
                raise click.ClickException(
                    f"no answer from {target.url} ({error or type(error).__name__}): is the receiver running?"
                ) from error


def _send(
    event: SignableEvent, target: Target, connection: http.client.HTTPConnection, *, path: str
) -> SendResult:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": target.sign(event.body),
    }
    connection.request("POST", path, body=event.body, headers=headers)
    response = connection.getresponse()
    word, message = "unknown answer", None
    try:
        match json.loads(response.read()):
            case {"error": {"code": str(code), "message": str(said)}}:
                word, message = code, said
            case {"status": str(status)}:
                word = status
    except ValueError:
        word = "not JSON"
    return SendResult(
        event.source, event.event_id, event.type, response.status, word, message, event.replaced_id
    )


def _target(url: str | None, secret: str | None, data: Path) -> Target:
    """Return the receiver asked for, or the one in run.json; for an explicit URL the secret of run.json is not used."""
    account = os.environ.get(VARIABLE) or None
    accounts = read_accounts(data)
    if not url:
        _require_one_of(accounts, account)
    running = accounts.get(account or DEFAULT_ACCOUNT, {})
    chosen_url = url or running.get("receiver_url")

    def known(name: str) -> str | None:
        from_environment = os.environ.get(own_variable(f"STRIPE_{name.upper()}", account))
        from_running = running.get(name)
        return (from_environment or from_running) if url else (from_running or from_environment)

    chosen_secret = secret or known("webhook_secret")
    if not chosen_url:
        raise click.UsageError(
            f"no receiver known: give --url, or start `cogento run` ({data} has no run.json)"
        )
    if not chosen_secret:
        variable = own_variable("STRIPE_WEBHOOK_SECRET", account)
        raise click.UsageError(f"no secret known: give --secret, or set {printable(variable)}")
    thin_secret = secret or known("thin_webhook_secret") or chosen_secret
    if not (chosen_secret + thin_secret).isprintable():
        raise click.UsageError("the secret holds a character that no secret of Stripe's has: copy it again")
    return Target(chosen_url, tuple(chosen_secret.split(",")), tuple(thin_secret.split(",")))


def _require_one_of(accounts: Mapping[str, object], account: str | None) -> None:
    """End the process where several accounts run and none of them is chosen."""
    names = printable(in_words(accounts))
    if account is None and len(accounts) > 1:
        refuse(f"no account is chosen: give --account NAME, or set {VARIABLE}. The run has {names}")
    if account is not None and accounts and account not in accounts:
        refuse(f"{VARIABLE} is not usable: it is not the name of an account: the run has {names}")

"""The `Stripe-Signature` of a body, as Stripe makes it (docs.stripe.com/webhooks#verify-manually)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def signature_header(body: bytes, secrets: Sequence[str], *, at: int) -> str:
    """Sign a body at a Unix second, once with every secret, as Stripe does while one is rotated."""
    signed = f"{at}.".encode() + body
    marks = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return f"t={at}," + ",".join(f"v1={mark}" for mark in marks)

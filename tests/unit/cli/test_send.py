from __future__ import annotations

import pytest
from stripe import SignatureVerificationError, WebhookSignature

from cogento.cli.send import signature_header

BODY = b'{"id": "evt_1"}'
AT = 1_760_000_000


@pytest.mark.parametrize("secret", ["whsec_old", "whsec_new"])
def test_while_a_secret_is_rotated_either_one_verifies(secret: str) -> None:
    header = signature_header(BODY, ("whsec_old", "whsec_new"), at=AT)
    assert WebhookSignature.verify_header(BODY, header, secret)


def test_another_secret_does_not_verify() -> None:
    header = signature_header(BODY, ("whsec_old",), at=AT)
    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(BODY, header, "whsec_other")

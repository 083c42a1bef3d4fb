"""What an error of an encrypted connection means. Pure: neither opens one nor knows whose client it was."""

from __future__ import annotations

import ssl


def is_untrusted(error: BaseException | None) -> bool:
    """Tell whether an error comes from a certificate that nobody we trust has signed, for another name, or expired."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False

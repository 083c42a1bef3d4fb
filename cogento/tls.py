"""What an error of an encrypted connection means. Pure: opens none, and knows no client."""

from __future__ import annotations

import ssl


def is_untrusted(error: BaseException | None) -> bool:
    """Tell whether an error comes from a certificate that is signed by nobody we trust, is for another name, or has expired."""
    seen: set[int] = set()
    while (
        error is not None and id(error) not in seen
    ):  # an error may be its own cause: `raise error from error`
        seen.add(id(error))
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False

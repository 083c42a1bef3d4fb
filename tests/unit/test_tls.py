"""Telling whether a failure comes from a certificate that nobody we trust has signed."""

from __future__ import annotations

import ssl

from cogento.tls import is_untrusted


def test_an_error_that_is_its_own_cause_comes_from_no_certificate() -> None:
    error = ConnectionRefusedError()
    error.__cause__ = error
    assert not is_untrusted(error)


def test_an_error_that_a_certificate_caused_is_known_by_that() -> None:
    error = ConnectionError()
    error.__cause__ = ssl.SSLCertVerificationError()
    assert is_untrusted(error)

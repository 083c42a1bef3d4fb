"""What people type into the console's forms, read and judged: what is refused is answered with 400, and says what to do."""

from __future__ import annotations

from flask import abort, request

MAX_REASON_LENGTH = 500


def read_reason(missing: str) -> str:
    """Read why somebody does something; `missing` says what to do where it says nothing."""
    why = request.form.get("why", "").strip()
    if not why:
        abort(400, missing)
    if len(why) > MAX_REASON_LENGTH:
        abort(400, f"A reason has at most {MAX_REASON_LENGTH} characters; this one has {len(why):,}.")
    return why


def read_number(name: str, *, most: int) -> int | None:
    """Read a number from 1 on, of the form or else of the address; None where there is none."""
    word = request.values.get(name, "").strip()
    if not word:
        return None
    is_number = word.isascii() and word.isdecimal() and len(word) <= len(str(most))
    if not is_number or not 1 <= int(word) <= most:
        abort(400, f"{name} is a whole number from 1 to {most:,}.")
    return int(word)

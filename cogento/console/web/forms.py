"""What people type into the console's forms."""

from __future__ import annotations

from flask import abort, request

MAX_REASON_LENGTH = 500


def reason(missing: str) -> str:
    """Read why somebody does something; `missing` says what to do where it says nothing, and is answered with 400."""
    why = request.form.get("why", "").strip()
    if not why:
        abort(400, missing)
    if len(why) > MAX_REASON_LENGTH:
        abort(400, f"A reason has at most {MAX_REASON_LENGTH} characters; this one has {len(why):,}.")
    return why

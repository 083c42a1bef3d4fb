"""Pages of several accounts in one process: each account's application below a path of its own, with nothing shared.

So no URL of one account's pages can name anything of another account.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from werkzeug.utils import redirect

from cogento.accounts import DEFAULT_ACCOUNT, console_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

_NAMED = re.compile(r"/accounts/(?P<name>[a-z0-9_]+)(?P<path>/.*)?")
OF_THE_PROCESS = frozenset({"/healthz", "/metrics"})


def mounted(apps: Mapping[str, Flask]) -> WSGIApplication:
    """Mount each account's application below its path; a deployment's only one is returned as it is."""
    if list(apps) == [DEFAULT_ACCOUNT]:
        return apps[DEFAULT_ACCOUNT]

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        found = _NAMED.fullmatch(path)
        if found and found["name"] in apps.keys() - {DEFAULT_ACCOUNT}:
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + console_prefix(found["name"])
            environ["PATH_INFO"] = found["path"] or "/"
            return apps[found["name"]](environ, start)
        first = next(iter(apps))
        if DEFAULT_ACCOUNT in apps:
            return apps[DEFAULT_ACCOUNT](environ, start)
        if path in OF_THE_PROCESS:
            return apps[first](environ, start)
        return redirect(f"{console_prefix(first)}/console")(environ, start)

    return answer

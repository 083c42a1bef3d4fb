"""The two engines that people use today: installed by npm, each behind Node's own server (bench/compared/node)."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).with_name("node")
INSTALLED = Path(tempfile.gettempdir()) / "cogento-benchmark-engines"
OPENAPI = INSTALLED / "openapi.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One of them: its package, and the program that serves it."""

    package: str
    program: str

    @property
    def version(self) -> str:
        """The version that is compared."""
        package = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))
        version: str = package["dependencies"][self.package]
        return version


SUPABASE = Engine(package="@supabase/stripe-sync-engine", program="supabase.cjs")
STRIPE = Engine(package="@stripe/sync-engine", program="stripe.mjs")
ENGINES = (SUPABASE, STRIPE)


def install(openapi: Path | None = None) -> None:
    """Install both, once; again when other versions are wanted.

    `openapi` is a file, gzipped or not, of Stripe's description of its API, version 2020-08-27: @stripe/sync-engine
    makes its tables from it. Without one it downloads that by itself.
    """
    if not shutil.which("npm"):
        raise SystemExit("bench.compared needs node and npm: install them, or leave this benchmark out")
    INSTALLED.mkdir(exist_ok=True)
    is_installed = (INSTALLED / "node_modules").exists() and _wanted(INSTALLED) == _wanted(SOURCES)
    for source in SOURCES.iterdir():
        shutil.copy(source, INSTALLED)
    if not is_installed:
        subprocess.run(("npm", "install", "--no-audit", "--no-fund", "--silent"), cwd=INSTALLED, check=True)
    if openapi:
        text = openapi.read_bytes()
        OPENAPI.write_bytes(gzip.decompress(text) if openapi.suffix == ".gz" else text)


def _wanted(folder: Path) -> str:
    return (folder / "package.json").read_text(encoding="utf-8")

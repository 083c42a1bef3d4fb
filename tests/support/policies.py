"""Policies of cogento/retries.py changed for one test, in the module that uses them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    import pytest


def change(monkeypatch: pytest.MonkeyPatch, module: ModuleType, policy: str, **fields: Any) -> None:
    """Change some fields of a policy; what a fixture changed before stays so."""
    monkeypatch.setattr(module, policy, replace(getattr(module, policy), **fields))

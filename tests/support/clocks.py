"""A wall clock that a test sets, for processes that it starts; their monotonic clocks are not changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tests.support.preloading import compile_library, require_compiler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """Wrong by the seconds of the last `jump`; right at first. `environment` is for processes that are to use it."""

    library: Path
    shift: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make one whose file lies in `folder`; skips the test where nothing can be preloaded."""
        require_compiler()
        clock = cls(compile_library("shifted_clock", folder), folder / "clock_shift")
        clock.jump(0)
        return clock

    @property
    def environment(self) -> Mapping[str, str]:
        return {"LD_PRELOAD": str(self.library), "CLOCK_SHIFT_FILE": str(self.shift)}

    def jump(self, seconds: int) -> None:
        """Be wrong by so many seconds from now on; 0 is right again."""
        new = self.shift.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self.shift)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cogento.local.data_folder import DataFolder
from cogento.local.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("place", ["/proc/data", "/dev/null/data", "x" * 300])
def test_a_place_where_no_folder_can_be_is_refused_with_what_to_do(tmp_path: Path, place: str) -> None:
    with pytest.raises(LocalError, match=r"can't be used: .*Choose another with --data"):
        DataFolder.open(tmp_path / place)

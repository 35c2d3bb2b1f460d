"""Keys of stored files, and the paths that they become."""

from __future__ import annotations

import pytest

from rtstream.errors import NotFound
from rtstream.storage import joined


@pytest.mark.parametrize("path", ["../rts-2/000001.m4s", "../../secret", "", ".", "/etc/passwd"])
def test_a_path_stays_in_the_folder_it_is_joined_to(path: str) -> None:
    with pytest.raises(NotFound):
        joined("rts-1", path)

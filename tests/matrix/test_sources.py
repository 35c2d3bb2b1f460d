"""Every cell of the source matrix is recorded, looked at and heard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.recorder_processes import Program
from tests.matrix.cells import CELLS, Cell
from tests.matrix.measurement import measure, running
from tests.matrix.media import CLIP
from tests.matrix.servers import Missing

if TYPE_CHECKING:
    from rtstream.testsource import ClipSpec


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("matrix")) as (engine, _):
        yield engine


@pytest.mark.long
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.id)
def test_a_source_is_recorded_looked_at_and_heard(
    engine: Program, cell: Cell, clip_of: Callable[[ClipSpec], Path]
) -> None:
    clips = clip_of(CLIP).parent
    try:
        found = measure(engine, cell, clips)
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{missing} is not installed")
    assert not found.flaws

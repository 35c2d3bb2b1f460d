"""The indexes on which alerts watch: their kinds, and those that are chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtstream.config import EngineConfig
from rtstream.engine.alerts.indexes import IndexKinds
from rtstream.engine.model_calls import ModelCalls
from rtstream.rules.event_media import IndexKind
from rtstream.rules.index_choice import Models
from rtstream.states import AnalysisState, ExtractionType
from rtstream.store.database import Database
from rtstream.store.indexes import IndexRow

pytestmark = pytest.mark.anyio


def row(kind: ExtractionType, model_name: str | None) -> IndexRow:
    return IndexRow("idx", "rts-1", None, kind, {}, None, model_name, {}, AnalysisState.RUNNING, "", {}, 0.0, None)


@pytest.mark.parametrize(
    ("kind", "model_name", "settings", "expected"),
    [
        ("time", None, {}, IndexKind(False, measured=True, reads_text=False)),
        ("time", None, {"vision_model": "openai:gpt-4o"}, IndexKind(False)),
        ("time", "local", {"vision_model": "openai:gpt-4o"}, IndexKind(False, measured=True, reads_text=False)),
        ("transcript", None, {}, IndexKind(True)),
    ],
)
def test_the_model_of_an_index_decides_what_it_knows(
    tmp_path: Path, kind: ExtractionType, model_name: str | None, settings: dict[str, Any], expected: IndexKind
) -> None:
    config = EngineConfig(data_dir=tmp_path, local_vision=False, embedding_model="none", model_api_key="k", **settings)
    db = Database.below(tmp_path)
    kinds = IndexKinds(ModelCalls(config, db), config)
    assert kinds.kind(row(ExtractionType(kind), model_name)) == expected
    assert kinds.models == Models(vision=bool(settings), language=bool(settings), reads_text=False)
    db.close()

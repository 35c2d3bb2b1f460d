"""The user is asked only before models that may cost money are called."""

from __future__ import annotations

import pytest

from rtstream.models import BackfillForecast


@pytest.mark.parametrize(
    ("models", "calls", "audio_s", "paid"),
    [
        ([], 10, 10.0, False),
        (["openai:eye-1"], 0, 0.0, False),
        (["openai:eye-1"], 1, 0.0, True),
        (["assemblyai"], 0, 5.0, True),
    ],
)
def test_a_forecast_knows_whether_it_costs_money(models: list[str], calls: int, audio_s: float, paid: bool) -> None:
    assert BackfillForecast(start=0.0, models=models, calls=calls, audio_s=audio_s).paid is paid

"""Forecasts the model calls of a backfill and their cost, from the calls that were made before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import anyio.to_thread
from sqlalchemy import Connection

from rtstream.models import BackfillForecast
from rtstream.perception.prices import Prices
from rtstream.rules.batches import Batches, words_of
from rtstream.rules.model_cost import Price, bills_silence, is_paid
from rtstream.rules.model_tokens import picture_tokens, text_tokens
from rtstream.rules.sample_grid import scaled_size
from rtstream.states import ExtractionType
from rtstream.store import indexes as index_rows
from rtstream.store import speech_ranges
from rtstream.store import streams as stream_rows
from rtstream.store import transcripts as transcript_rows
from rtstream.store.indexes import IndexRow
from rtstream.store.streams import StreamRow

LEAST_CALLS = 3
"""Calls of a model from which on their tokens tell those of further ones."""
LEAST_HEARD_S = 60.0
WORDS_PER_S = 2.4
"""Words per second of speech, where nothing is known."""
WORD_TOKENS = 1.4
TOKENS_OUT = 150
"""Guessed tokens of a description."""
INSTRUCTION_CHARS = 700
"""Characters that are sent with each prompt."""
DEFAULT_SIZE = (1280, 720)


@dataclass(frozen=True)
class PlannedIndex:
    """The properties of an index that its calls depend on."""

    stream: StreamRow
    row: IndexRow | None
    kind: str
    config: dict[str, float]
    prompt: str
    model: str


@dataclass(frozen=True)
class ExpectedCalls:
    """Calls of one model with their tokens. ``measured``: the tokens are those of earlier calls."""

    calls: int
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    measured: bool = True

    def share(self, share: float) -> ExpectedCalls:
        """Return a share of the calls, at least one."""
        calls = max(min(1, self.calls), round(self.calls * share))
        part = calls / self.calls if self.calls else 0.0
        return ExpectedCalls(calls, self.tokens_in * part, self.tokens_out * part, self.measured)


class Forecasts:
    """Forecasts the work of backfills.

    Args:
        prices: The prices of the models.
        model_of: Returns the model of an index.
        max_side: Longest side of the pictures in pixels.
    """

    def __init__(self, prices: Prices, model_of: Callable[[IndexRow], str], max_side: int) -> None:
        self._prices = prices
        self._model_of = model_of
        self.max_side = max_side

    def of_pictures(self, conn: Connection, index: PlannedIndex, windows: int) -> ExpectedCalls:
        """Return the calls for windows of a visual index that all show something new."""
        before = self._before(conn, index, "frame_count")
        if before is not None:
            return ExpectedCalls(windows, before[0] * windows, before[1] * windows)
        media = index.stream.media or {}
        width, height = scaled_size(*_size(media), self.max_side)
        pictures = self.frames(index.stream, index.config) * picture_tokens(index.model, width, height)
        tokens_in = text_tokens(len(index.prompt) + INSTRUCTION_CHARS) + pictures
        return ExpectedCalls(windows, tokens_in * windows, TOKENS_OUT * windows, measured=False)

    @staticmethod
    def frames(stream: StreamRow, config: Mapping[str, float]) -> int:
        """Return the number of pictures in each window of an index."""
        return max(1, min(int(config["frame_count"]), int(stream.sample_rate * config["time"])))

    def of_summaries(
        self,
        conn: Connection,
        index: PlannedIndex,
        engine: str,
        ranges: Sequence[tuple[float, float]],
        unheard_s: float,
    ) -> ExpectedCalls:
        """Return the calls for the batches of an audio index.

        Args:
            conn: The connection.
            index: The index.
            engine: The speech engine of its transcript.
            ranges: The ranges to summarise.
            unheard_s: Seconds in them that are not transcribed yet.
        """
        segmenter, value = index.config["segmenter"], index.config["segmentation_value"]
        calls = words = 0
        for start, end in ranges:
            batches = Batches(segmenter, value, whole_sentences=True)  # pyright: ignore[reportArgumentType]
            for one in transcript_rows.speech_between(conn, index.stream.id, engine, start, end):
                said = words_of(one.text, one.start, one.end)
                words += len(said)
                calls += len(batches.add(said))
            calls += len(batches.flush())
        share, rate = self._speech_of(conn, index.stream.id, engine)
        further = unheard_s * share * rate
        words += round(further)
        per_batch = {"word": value, "sentence": 12.0 * value, "time": rate * value}[str(segmenter)]
        calls += math.ceil(further / max(1.0, float(per_batch)))
        before = self._before(conn, index, "segmentation_value")
        if before is not None:
            return ExpectedCalls(calls, before[0] * calls, before[1] * calls)
        tokens_in = calls * text_tokens(len(index.prompt) + 2 * INSTRUCTION_CHARS) + words * WORD_TOKENS
        return ExpectedCalls(calls, tokens_in, TOKENS_OUT * calls, measured=False)

    def billed_share(self, conn: Connection, stream_id: str, engine: str) -> float | None:
        """Return the share of audio that a speech engine bills, or None as long as too little was heard."""
        if bills_silence(engine):
            return 1.0
        heard = speech_ranges.seconds(conn, stream_id, engine) >= LEAST_HEARD_S
        return self._speech_of(conn, stream_id, engine)[0] if heard else None

    @staticmethod
    def _speech_of(conn: Connection, stream_id: str, engine: str) -> tuple[float, float]:
        """Return the share of speech in the audio of a stream, and its words per second, as far as they are known."""
        heard = speech_ranges.seconds(conn, stream_id, engine)
        if heard < LEAST_HEARD_S:
            return 1.0, WORDS_PER_S
        spoken, words = transcript_rows.amount(conn, stream_id, engine)
        return min(1.0, spoken / heard), words / spoken if spoken else WORDS_PER_S

    def _before(self, conn: Connection, index: PlannedIndex, size: str) -> tuple[float, float] | None:
        """Return the tokens per call of earlier calls: those of the index itself, else of others of its kind."""
        known = [index.row] if index.row is not None else []
        others = [
            row
            for stream in stream_rows.all_streams(conn)
            for row in index_rows.of_stream(conn, stream.id)
            if (row.extraction_type is ExtractionType.TRANSCRIPT) == (index.kind == "transcript")
            and row.extraction_config.get(size) == index.config.get(size)
            and self._model_of(row) == index.model
        ]
        return _per_call(known) or _per_call(others)

    async def shown(
        self,
        forecast: BackfillForecast,
        model: str,
        expected: ExpectedCalls | None,
        engine: str,
        billed_s: float,
    ) -> BackfillForecast:
        """Return a forecast with the calls, the cost and the sentence.

        Args:
            forecast: Its range and windows.
            model: The model of the index, or an empty string.
            expected: The calls of the model.
            engine: The speech engine, or an empty string.
            billed_s: Seconds of audio that the engine bills.
        """
        found = forecast.model_copy(deep=True)
        cost: float | None = 0.0
        if expected is not None and is_paid(model):
            found.models.append(model)
            found.calls, found.measured = expected.calls, expected.measured
            found.tokens_in, found.tokens_out = round(expected.tokens_in), round(expected.tokens_out)
            cost = _sum(cost, await self.price(model), found.tokens_in, found.tokens_out)
        if billed_s and is_paid(engine):
            found.models.append(engine)
            price = await self.price(engine)
            cost = _sum(cost, price if price is None or price.hour else None, 0, 0, billed_s)
        found.cost = None if cost is None else round(cost, 6)
        found.text = sentence(found)
        return found

    async def price(self, name: str) -> Price | None:
        """Return the price of a model, or None if it is not known."""
        return await anyio.to_thread.run_sync(self._prices.of, name)


def sentence(forecast: BackfillForecast) -> str:
    """Return a forecast in words."""
    parts = []
    if forecast.windows:
        known = f" ({_number(forecast.windows_known)} are known already)" if forecast.windows_known else ""
        parts.append(f"{_number(forecast.windows)} windows are to be described{known}.")
    if forecast.audio_s:
        parts.append(f"{_span(forecast.audio_s)} of audio are to be transcribed.")
    if not forecast.recorded_s:
        parts.append("Nothing is recorded in this range.")
    elif not parts:
        parts.append("Everything in this range is analysed already.")
    if forecast.paid:
        calls = f" takes {_number(forecast.calls)} calls and" if forecast.calls else ""
        if forecast.cost is None:
            cost = " costs an amount that is not known, because a price is missing (RTSTREAM_MODEL_PRICES)"
        else:
            rough = "" if forecast.measured else ", as a rough guess before the first calls of this kind"
            cost = f" costs about {_about(forecast.cost)} US dollars{rough}"
        parts.append(f"That{calls}{cost} ({', '.join(forecast.models)}).")
    return " ".join(part[0].upper() + part[1:] for part in parts)


def _span(seconds: float) -> str:
    """Return a length of time in words, without more digits than it has to have."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _number(count: int) -> str:
    """Return a number in words, which is a rough one if it grows from second to second."""
    return str(count) if count < 100 else f"about {_about(count)}"


def _about(amount: float) -> str:
    """Return an amount with two digits that count, so that it does not change from second to second."""
    if not amount:
        return "0"
    digits = 1 - math.floor(math.log10(abs(amount)))
    return f"{round(amount, digits):,.{max(0, digits)}f}"


def _sum(
    cost: float | None, price: Price | None, tokens_in: float, tokens_out: float, audio_s: float = 0.0
) -> float | None:
    return None if cost is None or price is None else cost + price.of(tokens_in, tokens_out, audio_s)


def _per_call(rows: Iterable[IndexRow]) -> tuple[float, float] | None:
    """Return the mean tokens in and out of the calls of indexes, or None if there were too few."""
    calls = tokens_in = tokens_out = 0.0
    for row in rows:
        counters = row.counters or {}
        calls += counters.get("done", 0) - counters.get("unchanged", 0)
        tokens_in += counters.get("tokens_in", 0)
        tokens_out += counters.get("tokens_out", 0)
    return (tokens_in / calls, tokens_out / calls) if calls >= LEAST_CALLS and tokens_in else None


def _size(media: dict[str, int]) -> tuple[int, int]:
    width, height = media.get("width"), media.get("height")
    return (width, height) if width and height else DEFAULT_SIZE

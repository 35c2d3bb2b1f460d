"""Transcripts: delay from the end of a phrase to its text, CPU, streams at a time, word errors, invented text.

python -m benchmarks.speech [--engine local] [--streams 1 2 4] [--quick]

A real engine receives audio in real time, block by block, as from a recorder. Its journal entries are timed and
compared with the spoken sentences, which are known. espeak-ng speaks them if it is installed, and the human reading is
a passage of a book that comes with the package of the built-in recogniser.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import wave
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from benchmarks._options import parse
from rtstream import ids
from rtstream import messages as m
from rtstream.config import EngineConfig
from rtstream.engine.engine import Engine
from rtstream.store import streams as stream_rows
from rtstream.store.journal import Filter

RATE = 16_000
BLOCK_S = 0.1
SENTENCES = (
    "The parcel is waiting at the front door",
    "Please send the report before the end of the week",
    "Our sales went up by twelve percent in the second quarter",
    "The train to London leaves from platform nine",
    "I will call you back after the meeting",
    "The new camera shows the whole parking lot",
    "We need three more people for the night shift",
    "Turn off the lights when you leave the building",
    "The weather will be cold and cloudy tomorrow",
    "Nobody has seen the keys since yesterday morning",
    "The customer asked for a refund of forty dollars",
    "Open the second window and close the first one",
)
READING = (
    "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness "
    "it was the epoch of belief it was the epoch of incredulity it was the season of light it was the season of "
    "darkness it was the spring of hope it was the winter of despair we had everything before us we had nothing "
    "before us"
)
READING_S = 24.6
"""Seconds of the reading with these words."""
_NUMBERS = {"9": "nine", "12": "twelve", "40": "forty", "3": "three", "2nd": "second", "1st": "first", "%": " percent"}


def decode(wav: bytes) -> Any:
    """Float samples at 16 kHz mono."""
    with wave.open(io.BytesIO(wav)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(1 << 30), np.int16).reshape(-1, channels).mean(axis=1) / 32768
    if rate == 3 * RATE:
        return samples[: len(samples) // 3 * 3].reshape(-1, 3).mean(axis=1)
    at = np.arange(int(len(samples) * RATE / rate)) * rate / RATE
    return np.interp(at, np.arange(len(samples)), samples)


def spoken(text: str, voice: str) -> Any:
    """A sentence by espeak-ng, its own silence cut off."""
    command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text]
    # Streamed to a pipe the WAV header has no length.
    raw = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    rate = int.from_bytes(raw[24:28], "little")
    samples = np.frombuffer(raw[44:], "<i2") / 32768
    at = np.arange(int(len(samples) * RATE / rate)) * rate / RATE
    sound = np.interp(at, np.arange(len(samples)), samples)
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1]]


def phrases(count: int, pause_s: float = 1.0) -> tuple[Any, list[tuple[float, str]]]:
    """Sound of the sentences with pauses, and (second of its end, words) of each."""
    parts, ends, at = [np.zeros(RATE)], [], 1.0
    for number, text in enumerate(SENTENCES[:count]):
        sound = spoken(text, ("en-us", "en-gb")[number % 2])
        at += len(sound) / RATE
        ends.append((at, text))
        parts += [sound, np.zeros(round(pause_s * RATE))]
        at += pause_s
    return np.concatenate([*parts, np.zeros(RATE)]), ends


def reading() -> Any:
    """The human reading, or nothing."""
    spec = find_spec("moonshine_voice")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "assets" / "two_cities.wav"
        if path.is_file():
            return decode(path.read_bytes())[: round(READING_S * RATE)]
    return None


def words(text: str) -> list[str]:
    """Lower case, no punctuation, digits as they are said."""
    text = re.sub(r"\$(\w+)", r"\1 dollars", text.lower())
    for digits, said in _NUMBERS.items():
        text = re.sub(rf"(?<!\w){re.escape(digits)}(?!\w)" if digits != "%" else "%", said, text)
    return re.sub(r"[^a-z' ]", " ", text.replace("-", " ").replace("per cent", "percent")).split()


def errors(heard: str, said: str) -> tuple[int, int]:
    """Words wrong, missing or added; words said."""
    return Levenshtein.distance(words(heard), words(said)), len(words(said))


def cpu_s() -> float:
    """CPU seconds of this process and its children that run."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, fields = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if pid == _ME or int(fields[1]) == _ME:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


_ME = int(Path("/proc/self").resolve().name) if Path("/proc/self").exists() else 0


class Run:
    """One stream, with the times at which audio was fed and text came back."""

    def __init__(self, engine: Engine, stream_id: str, sound: Any) -> None:
        self.engine, self.stream_id = engine, stream_id
        self.samples = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
        self.seconds = len(sound) / RATE
        self.began = 0.0
        self.finals: list[tuple[float, dict[str, Any]]] = []
        """(second of the stream's clock at which it was delivered, record)."""

    async def play(self) -> None:
        """In real time."""
        self.began = time.time()
        size = round(BLOCK_S * RATE) * 2
        for number, begin in enumerate(range(0, len(self.samples), size)):
            # A block can be given when its last sample has happened.
            await asyncio.sleep(max(0.0, self.began + (number + 1) * BLOCK_S - time.time()))
            block = m.AudioTaken(self.began + number * BLOCK_S, payload=self.samples[begin : begin + size])
            await self.engine.recorder_events.handle(self.stream_id, block)

    async def listen(self) -> None:
        """Until cancelled."""
        cursor = await self.engine.journal.latest()
        which = Filter(streams=[self.stream_id], channels=["transcript"])
        while True:
            page = await self.engine.journal.read(cursor, which, wait_s=10)
            cursor = page.cursor
            self.finals += [(time.time() - self.began, entry.data) for entry in page.entries]

    def delays(self, ends: list[tuple[float, str]]) -> list[float]:
        """Seconds from the end of each phrase to its delivery."""
        found = []
        for end, _ in ends:
            # The final whose last word is the phrase's.
            mine = [at for at, data in self.finals if abs(data["end"] - self.began - end) < 0.8]
            found += [max(mine) - end] if mine else []
        return found


async def measured(engine_name: str, sounds: list[Any]) -> tuple[list[Run], float, float]:
    """Runs at the same time, CPU seconds per second of one stream's sound, seconds skipped."""
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(data_dir=Path(folder), speech_engine=engine_name, local_vision=False)
        async with Engine(config) as engine:
            runs = []
            for sound in sounds:
                stream_id = await add_stream(engine)
                await engine.transcripts.start(stream_id, None)
                runs.append(Run(engine, stream_id, sound))
            for run in runs:  # so that the models are loaded
                warm = m.AudioTaken(time.time() - 100, payload=b"\0" * 4 * 2 * RATE)
                await engine.recorder_events.handle(run.stream_id, warm)
            await asyncio.sleep(8)
            before = cpu_s()
            async with asyncio.TaskGroup() as tasks:
                listening = [tasks.create_task(run.listen()) for run in runs]
                await asyncio.gather(*(run.play() for run in runs))
                used = cpu_s() - before
                skipped = sum([(await engine.transcripts.status(r.stream_id, None)).skipped_s for r in runs])
                for run in runs:
                    await engine.transcripts.stop(run.stream_id, None)
                await asyncio.sleep(0.5)
                for task in listening:
                    task.cancel()
            return runs, used / sum(run.seconds for run in runs), skipped


async def add_stream(engine: Engine) -> str:
    stream_id = ids.stream_id()
    values: dict[str, Any] = {"id": stream_id, "name": stream_id, "url": "rtsp://192.0.2.1/x", "sample_rate": 30}
    values |= {"collection_id": "default", "created_at": time.time(), "media_types": ["audio"], "store": False}
    values |= {"enable_transcript": False, "desired": "stopped", "health": {"state": "stopped", "since": 0.0}}
    await engine.db.write(lambda conn: stream_rows.insert(conn, **values))
    return stream_id


def heard(run: Run) -> str:
    return " ".join(data["text"] for _, data in run.finals)


def rotated(sound: Any, number: int) -> Any:
    """The same sound, begun later: streams that run at the same time should not pause at the same time."""
    return np.concatenate([np.zeros(round(0.7 * number * RATE)), sound])


async def delays(engine_name: str, streams: list[int], count: int, show: bool) -> None:
    sound, ends = phrases(count)
    print("| streams | end of phrase → final, median | p95 | worst | CPU s per s of a stream | skipped | word errors |")
    print("|---|---|---|---|---|---|---|")
    for at_once in streams:
        runs, cpu, skipped = await measured(engine_name, [rotated(sound, number) for number in range(at_once)])
        found = sorted(
            delay
            for number, run in enumerate(runs)
            for delay in run.delays([(end + 0.7 * number, text) for end, text in ends])
        )
        wrong, total = map(
            sum, zip(*(errors(heard(run), " ".join(text for _, text in ends)) for run in runs), strict=True)
        )
        p95 = found[min(len(found) - 1, int(0.95 * len(found)))]
        print(
            f"| {at_once} | {statistics.median(found):.2f} s | {p95:.2f} s | {found[-1]:.2f} s | {cpu:.2f} | "
            f"{skipped:.1f} s | {wrong / total:.1%} (espeak-ng, {total} words; {len(found)} phrases timed) |",
            flush=True,
        )
        if show:
            print("\n".join(data["text"] for _, data in runs[0].finals))


async def quality(engine_name: str, length: int) -> None:
    print("\n| sound | seconds | result |\n|---|---|---|")
    voice = reading()
    if length < 20:
        print("| human reading (A Tale of Two Cities) | | skipped: the sounds are too short |")
    elif voice is not None:
        [run], _, _ = await measured(engine_name, [np.concatenate([voice, np.zeros(2 * RATE)])])
        wrong, total = errors(heard(run), READING)
        print(f"| human reading (A Tale of Two Cities) | {len(voice) / RATE:.0f} | {wrong} of {total} words wrong |")
    random = np.random.default_rng(1)
    seconds = np.arange(length * RATE) / RATE
    others = {
        "silence": np.zeros(length * RATE),
        "white noise": random.normal(0, 0.05, length * RATE),
        "tone 440 Hz": 0.3 * np.sin(2 * np.pi * 440 * seconds),
        "chord that comes and goes": sum(
            0.1 * np.sin(2 * np.pi * hertz * seconds) * np.clip(np.sin(np.pi * seconds), 0, None)
            for hertz in (262, 330, 392)
        ),
        "clicks": np.where(np.arange(length * RATE) % RATE < 80, 0.8, 0.0),
    }
    runs, _, _ = await measured(engine_name, list(others.values()))
    for name, run in zip(others, runs, strict=True):
        print(f"| {name} | {length} | {len(words(heard(run)))} words |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--phrases", type=int, default=len(SENTENCES), help="sentences per stream")
    parser.add_argument("--seconds", type=int, default=20, help="of each sound without words")
    parser.add_argument("--show", action="store_true", help="print what was heard, too")
    parser.add_argument("--quick", action="store_true", help="delays only")
    given = parse(parser, streams=[1], phrases=1, seconds=2)
    if shutil.which("espeak-ng"):
        asyncio.run(delays(given.engine, given.streams, given.phrases, given.show))
    else:
        print("espeak-ng is not installed: no delays are measured.")
    if not given.quick:
        asyncio.run(quality(given.engine, given.seconds))


if __name__ == "__main__":
    main()

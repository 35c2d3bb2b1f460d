"""``rtstream-mcp doctor`` shows the configuration and tries each configured model once."""

from __future__ import annotations

import argparse
import logging
import platform
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

import anyio

from rtstream import __version__
from rtstream.client import RTStreamClient
from rtstream.errors import InvalidRequest, RTStreamError, Unavailable
from rtstream.models import EngineInfo
from rtstream.perception import registry
from rtstream.perception.llm import check, names
from rtstream.perception.protocols import ProviderError
from rtstream.rules.addresses import SETTINGS, Purpose, parse_allowed
from server.cli.terminal import say, warn
from server.engine_file import make_folder
from server.settings import Settings, load
from server.stdio import locate

ABOUT = """\
Show the configuration and check it: models (each is called once, which may cost a fraction of a cent), extras, the
engine, and ffmpeg. Exits with status 1 if a configured part does not work. Never prints a key."""
MARKS = {"works": "ok  ", "absent": "-   ", "broken": "FAIL"}
WIDTH = 18
TRY_S = 20.0
ROLES = {"vision": "seeing", "language": "deciding events"}


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``absent`` means not configured and not requested."""

    state: Literal["works", "absent", "broken"]
    what: str
    text: str


def main(arguments: Sequence[str]) -> int:
    """Run all checks. Returns the exit status."""
    parser = argparse.ArgumentParser("rtstream-mcp doctor", description=ABOUT, allow_abbrev=False)
    parser.add_argument("--data-dir", metavar="DIR", help="data folder [RTSTREAM_DATA_DIR]")
    given = parser.parse_args(arguments)
    try:
        settings = load({"data_dir": given.data_dir} if given.data_dir else None)
    except RTStreamError as exc:
        warn(f"rtstream-mcp: {exc}")
        return 2
    logging.disable()  # warnings of libraries are reported here in plain words
    return anyio.run(_examine, settings)


async def _examine(settings: Settings) -> int:
    say(f"rtstream-mcp {__version__}, Python {platform.python_version()}, {platform.system()}")
    broken = 0
    async for finding in _findings(settings):
        say(f"{MARKS[finding.state]} {finding.what:<{WIDTH}} {finding.text}")
        broken += finding.state == "broken"
    say("Everything that is configured works." if not broken else f"{broken} of these need attention.")
    return 1 if broken else 0


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    yield _folder(settings)
    yield _networks(settings.allow_networks, "stream")
    yield _networks(settings.webhook_allow_networks, "webhook")
    for finding in await _engine(settings):
        yield finding
    for finding in await _models(settings):
        yield finding
    yield _screen_text(settings)
    yield _speech(settings)
    yield await _embeddings(settings)
    yield await anyio.to_thread.run_sync(_srt)


def _folder(settings: Settings) -> Finding:
    try:
        make_folder(settings.data_dir)
    except Unavailable as exc:
        return Finding("broken", "data folder", exc.message)
    free = shutil.disk_usage(settings.data_dir).free / 1e9
    return Finding("works", "data folder", f"{settings.data_dir}, {free:.0f} GB free")


def _networks(setting: str, purpose: Purpose) -> Finding:
    """Networks besides public ones that stream URLs or webhooks may use."""
    what = f"{purpose} networks"
    try:
        parse_allowed(setting, purpose)
    except InvalidRequest as exc:
        return Finding("broken", what, exc.message)
    listed = f"public addresses and {setting}" if setting.strip() else "public addresses only"
    return Finding("works" if setting.strip() else "absent", what, f"{listed} ({SETTINGS[purpose]}).")


async def _engine(settings: Settings) -> list[Finding]:
    """Check that an engine responds, and that it was started with the present settings."""
    client = RTStreamClient.located_by(locate(settings))
    try:
        with anyio.fail_after(TRY_S):
            info = await client.info(start=False)
            where = (await client.endpoint(start=False)).shown
    except (Unavailable, TimeoutError) as exc:
        if settings.api_url:
            return [Finding("broken", "engine", str(exc) or f"The service did not respond within {TRY_S:.0f} s.")]
        return [Finding("absent", "engine", "None is running. It starts with the first call of a chat client.")]
    except RTStreamError as exc:
        return [Finding("broken", "engine", exc.message)]
    finally:
        await client.aclose()
    if info is None:
        return [Finding("works", "engine", f"{where} responds, but it is not an engine of this program.")]
    running = f"version {info.version}, {info.streams_running} of {info.streams} streams run"
    found = [Finding("works", "engine", f"{where} answers: {running}."), *_other_settings(settings, info)]
    found += [Finding("broken", reason.code, f"{reason.text} {reason.next_step}") for reason in info.reasons]
    return [*found, _disk_bound(settings, info)]


def _disk_bound(settings: Settings, info: EngineInfo) -> Finding:
    if info.retain_percent:
        text = f"Recordings fill at most {info.retain_percent:g} % of the free space (RTSTREAM_RETAIN_PERCENT)."
        return Finding("works", "disk bound", text)
    limit = settings.retain_gb or settings.retain_days
    kept = "Limited by RTSTREAM_RETAIN_GB or RTSTREAM_RETAIN_DAYS." if limit else "Every recording is kept."
    text = f"{kept} Recording pauses when the disk is full. RTSTREAM_RETAIN_PERCENT=80 removes the oldest before."
    return Finding("absent", "disk bound", text)


def _other_settings(settings: Settings, info: EngineInfo) -> list[Finding]:
    """Compare the vision model of a running engine with the one in the settings."""
    try:
        here = names.choose(settings, "vision")
    except ProviderError:
        return []  # reported where models are tried
    if settings.api_url or here == info.vision:
        return []
    text = f"The running engine uses the vision model {info.vision}, the settings name {here}. Restart it to use them."
    return [Finding("broken", "engine's model", text)]


async def _models(settings: Settings) -> list[Finding]:
    try:
        results = await check.check(settings)
    except ProviderError as exc:
        return [Finding("broken", "models", str(exc))]
    return [_model(settings, result) for result in results]


def _model(settings: Settings, result: check.Check) -> Finding:
    what = ROLES.get(result.role, result.role)
    if result.model == names.LOCAL:
        return Finding("absent", what, result.text)
    role: names.Role = "language" if result.role == "language" else "vision"
    target = names.target(settings, role, result.model)
    facts = [f"key from {target.key_from}" if target.key_from else "no key"]
    if target.host:
        facts.insert(0, f"at {target.host}")
    if result.latency_s is not None:
        facts.append(f"{result.latency_s:g} s")
    return Finding("works" if result.ok else "broken", what, f"{result.model} ({', '.join(facts)}): {result.text}")


def _screen_text(settings: Settings) -> Finding:
    if not settings.local_vision:
        return Finding("absent", "screen text", "Switched off (RTSTREAM_LOCAL_VISION).")
    if registry.screen_text(settings):
        return Finding("works", "screen text", "The built-in text reader is installed.")
    return Finding(
        "absent", "screen text", 'Not available. Install the extra "local" (pip install "rtstream-mcp[local]").'
    )


def _speech(settings: Settings) -> Finding:
    try:
        provider = registry.speech(settings.speech_engine, settings)
        provider.ready(settings.speech_language or None)
    except ProviderError as exc:
        return Finding("broken" if settings.speech_engine else "absent", "speech", str(exc))
    return Finding("works", "speech", f"{provider.name} is ready.")


async def _embeddings(settings: Settings) -> Finding:
    what = "search by meaning"
    try:
        provider = registry.embeddings(settings)
        if provider is None:
            return Finding("absent", what, "Search compares words only. The extra `local` adds meaning.")
        try:
            with anyio.fail_after(TRY_S):
                await provider.embed(["A short test."])
        finally:
            await provider.aclose()
    except (ProviderError, TimeoutError) as exc:
        return Finding("broken", what, str(exc) or f"No response within {TRY_S:.0f} s.")
    return Finding("works", what, f"{provider.name} answers.")


def _srt() -> Finding:
    """SRT sources need an ffmpeg program. No other source does."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return Finding("absent", "SRT sources", "The ffmpeg program is not on PATH. Only SRT sources need it.")
    try:
        listed = subprocess.run([ffmpeg, "-hide_banner", "-protocols"], capture_output=True, text=True, timeout=TRY_S)
    except (OSError, subprocess.TimeoutExpired):
        return Finding("absent", "SRT sources", "The ffmpeg program on PATH does not run.")
    if "srt" not in listed.stdout.split():
        return Finding("absent", "SRT sources", "The ffmpeg program on PATH was built without SRT.")
    return Finding("works", "SRT sources", "ffmpeg with SRT is installed.")

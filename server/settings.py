"""Every setting of the program, once: default, unit and one line of help. Environment, options and docs come from here.

The engine's settings are those of ``rtstream.config``; each is also an environment variable with the prefix RTSTREAM_.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rtstream.config import EngineConfig
from rtstream.errors import InvalidRequest
from rtstream.json_types import JsonObject
from tools._framework.groups import DEFAULT, GROUPS, chosen

PREFIX = "RTSTREAM_"
RENAMED = {"webhook_allow_private": ("webhook_allow_networks", "private")}
"""Settings of earlier versions: the name that replaces each, and the value that means the same."""


class Settings(EngineConfig, BaseSettings):
    """Settings of the engine and of the MCP server."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")

    api_url: str | None = Field(
        default=None,
        description="Base URL of the API to use. Unset: the engine of this machine, started when it is needed.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="What to log, to stderr."
    )
    wait_default_s: float = Field(default=20.0, ge=0, le=50, description="Seconds wait_for_events waits when not told.")
    wait_max_s: float = Field(default=50.0, ge=0, le=50, description="Longest wait of wait_for_events, in seconds.")
    toolsets: str = Field(
        default=DEFAULT,
        description="Groups of tools to offer, comma-separated: default (the main job), all, or some of "
        + ", ".join(GROUPS)
        + ".",
    )
    read_only: bool = Field(
        default=False, description="Offer no tool that changes anything, whatever groups are chosen."
    )
    engine_start_timeout_s: float = Field(
        default=20.0, gt=0, description="Seconds an engine may take to start in the background."
    )
    engine_idle_exit_s: float = Field(
        default=900.0,
        gt=0,
        description="Seconds without a running stream and without use after which such an engine ends.",
    )
    mcp_require_key: bool = Field(
        default=True, description="Ask for the API key at /mcp. Off is possible on a loopback address only."
    )
    allowed_hosts: str = Field(
        default="",
        description="Host names, besides this machine's own, under which /mcp may be called; comma-separated.",
    )
    allowed_origins: str = Field(
        default="",
        description="Origins of pages that may call /mcp and the API, such as https://app.example.org, comma-separated",
    )

    @field_validator("toolsets")
    @classmethod
    def _groups_exist(cls, value: str) -> str:
        chosen(value)
        return value


def renamed(environ: Mapping[str, str] = os.environ) -> list[str]:
    """One sentence per setting in the environment that has another name now."""
    return [renamed_sentence(old) for old in RENAMED if environ.get(PREFIX + old.upper())]


def renamed_sentence(old: str) -> str:
    """The error text for a setting of an earlier version."""
    new, value = RENAMED[old]
    return (
        f"{PREFIX}{old.upper()} is now {PREFIX}{new.upper()} (option {option(new)}): "
        f"remove the old name and, where it was on, set {PREFIX}{new.upper()}={value}."
    )


def load(given: JsonObject | None = None, *, lenient: bool = False) -> Settings:
    """Load the settings from the command line, else the environment, else defaults.

    With ``lenient``, settings of earlier versions in the environment are not an error, and the caller reports
    ``renamed()``. Raises InvalidRequest with a sentence that names the setting.
    """
    if not lenient and (sentences := renamed()):
        raise InvalidRequest(" ".join(sentences))
    try:
        return Settings(**(given or {}))
    except ValidationError as exc:
        problem = exc.errors()[0]
        name = str(problem["loc"][0]) if problem["loc"] else ""
        message = problem["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        raise InvalidRequest(f"{PREFIX}{name.upper()} (option {option(name)}): {message}.") from exc


def option(name: str) -> str:
    """The command-line option of a setting."""
    return "--" + name.replace("_", "-")

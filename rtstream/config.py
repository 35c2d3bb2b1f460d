"""Defines the engine's settings, each in one place with its default, unit and one line of help.

``server.settings`` reads their values from the environment and the command line.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import BaseModel, Field, field_validator

from rtstream.errors import InvalidRequest
from rtstream.rules.audio_choice import AudioSetting
from rtstream.rules.camera_login import parse_logins
from rtstream.rules.model_cost import parse_prices
from rtstream.rules.source_urls import parse_webhook
from rtstream.rules.time_expressions import find_zone


class EngineConfig(BaseModel):
    """The engine's settings."""

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("rtstream-mcp", appauthor=False),
        description="Folder for the database, recordings and the API key.",
    )
    api_key: str | None = Field(
        default=None, description="API key. Unset: one is created in the data folder (mode 0600)."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8740, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    tls_cert: Path | None = Field(
        default=None,
        description="PEM file with the TLS certificate chain. The API and /mcp are then served over HTTPS.",
    )
    tls_key: Path | None = Field(
        default=None, description="PEM file with the certificate's private key, not encrypted."
    )
    behind_proxy: bool = Field(
        default=False,
        description=(
            "Other machines reach the engine through a reverse proxy only, which terminates TLS. The client's address "
            "is then the last one in X-Forwarded-For."
        ),
    )
    max_connections_per_address: int = Field(
        default=256, ge=8, description="Connections one client address (IPv6: /64 network) may hold at the same time."
    )
    public_url: str | None = Field(
        default=None,
        description="Base URL in playback links, when it differs from the address listened on (a reverse proxy).",
    )
    allow_networks: str = Field(
        default="",
        description=(
            "Networks that stream URLs may point to besides public ones: comma-separated CIDR ranges, or the words "
            "'private' and 'loopback'. Cameras usually need 'private'. Webhooks have a list of their own."
        ),
    )
    camera_credentials: str = Field(
        default="",
        repr=False,
        description=(
            "Logins of cameras: NAME=USER:PASSWORD@HOST, comma-separated, where HOST is a name, an address or a CIDR "
            "range. They are added to the URLs of these hosts that have no login, and used to find their streams."
        ),
    )
    listen_ports: str = Field(
        default="",
        description=(
            "Ports on which sources may wait for a sender (udp://, an SRT listener, tcp://...?listen=1): "
            "comma-separated ports and ranges such as 5000,9000-9010. Empty: none."
        ),
    )
    listen: str = Field(
        default="",
        description=(
            "URLs at which publishers such as OBS may send RTMP or SRT, comma-separated, for example "
            "rtmp://0.0.0.0:1935,srt://0.0.0.0:9000. Each needs the stream key of a stream push://NAME. Empty: none. "
            "Linux only; SRT needs ffmpeg."
        ),
    )
    media_folders: str = Field(
        default="",
        description="Folders below which local media files may be opened, separated like PATH. Empty: no local files.",
    )
    tls_verify: bool = Field(default=True, description="Check TLS certificates of stream sources.")
    max_streams: int = Field(default=128, ge=1, description="Streams that may run at the same time.")
    record_audio: AudioSetting = Field(
        default="always",
        description=(
            "Whether the audio of streams is recorded: 'always', or 'never'. Without it, nothing can be transcribed. A "
            "stream may also be connected without its audio."
        ),
    )
    max_height: int | None = Field(
        default=None,
        ge=16,
        description="Largest height in pixels of the HLS variant or video track that is read. Unset: no limit.",
    )
    stall_timeout_s: float = Field(
        default=10.0, gt=0, description="Seconds without data after which a source counts as stalled."
    )
    open_timeout_s: float = Field(default=15.0, gt=0, description="Seconds a source may take to open.")
    reconnect_max_s: float = Field(
        default=30.0, gt=0, description="Longest pause between two connection attempts, in seconds."
    )
    segment_s: float = Field(default=4.0, gt=0, le=60, description="Target length of a recorded segment, in seconds.")
    retain_days: float | None = Field(
        default=None, gt=0, description="Days for which recordings are retained. Unset: as long as there is room."
    )
    retain_gb: float | None = Field(
        default=None, gt=0, description="Gigabytes (10^9 bytes) all recordings together may take."
    )
    retain_percent: float | None = Field(
        default=None,
        ge=0,
        le=95,
        description=(
            "Percent of the disk's free space that all recordings together may fill; the oldest are removed first, and "
            "the evidence of alerts last. 0: no bound. Unset: 80 in a new data folder, no bound in an older one."
        ),
    )
    min_free_gb: float = Field(
        default=1.0,
        ge=0,
        description="Gigabytes that stay free on the disk: below, recording pauses until there is room.",
    )
    keep_backups: int = Field(
        default=3,
        ge=0,
        le=100,
        description="Daily copies of the database that are kept. They count towards the disk bound. 0: no copies.",
    )
    link_ttl_s: float = Field(default=7 * 86400.0, gt=0, description="Seconds a playback link stays valid.")
    timezone: str = Field(
        default="",
        description=(
            "Time zone of clock times in tools and results, such as 'Europe/Berlin' or '+01:00'. Empty: the time zone "
            "of the machine."
        ),
    )
    journal_keep: int = Field(default=1_000_000, ge=1000, description="Journal entries kept; older ones are removed.")
    local_vision: bool = Field(
        default=True, description="Read text on screen with the built-in engine if it is installed."
    )
    max_image_side: int = Field(
        default=1280, ge=64, le=4096, description="Longest side of pictures given to models and clients, in pixels."
    )
    vision_model: str = Field(
        default="",
        description=(
            "Vision model as provider:model, for example 'openai:gpt-6-luna' or 'ollama:gemma3'. "
            "Empty or 'local': the built-in one."
        ),
    )
    language_model: str = Field(
        default="",
        description=(
            "Language model that decides events and writes summaries, as provider:model. Empty: the vision model; "
            "'local': the built-in rules."
        ),
    )
    model_base_url: str = Field(
        default="", description="URL of an OpenAI-compatible server, used by every model that speaks that protocol."
    )
    vision_base_url: str = Field(default="", description="The same for the vision model only.")
    language_base_url: str = Field(default="", description="The same for the language model only.")
    model_api_key: str | None = Field(
        default=None,
        repr=False,
        description="Key for the server at these addresses. Unset: the provider's usual variable.",
    )
    model_mini: str = Field(
        default="", description="Model of the tier 'mini', as provider:model. Empty: see the models page."
    )
    model_basic: str = Field(default="", description="Model of the tier 'basic'.")
    model_pro: str = Field(default="", description="Model of the tier 'pro'.")
    model_ultra: str = Field(default="", description="Model of the tier 'ultra'.")
    allow_models: str = Field(
        default="",
        description=(
            "Models and speech engines that a request may name besides those in the settings and the local ones, "
            "comma-separated, for example 'openai:gpt-6-luna,faster-whisper:small'. Other names mean the default."
        ),
    )
    model_timeout_s: float = Field(default=60.0, gt=0, le=600, description="Seconds a model may take to respond.")
    model_max_tokens: int = Field(
        default=8192,
        ge=16,
        description="Maximum number of tokens in a model's response, including its reasoning.",
    )
    model_calls_per_hour: int | None = Field(
        default=None, ge=1, description="Most calls to models in any hour, over all streams. Unset: no cap."
    )
    model_calls_per_hour_per_index: int = Field(
        default=2500, ge=0, description="Most calls to models in any hour for one index. 0: no cap."
    )
    model_calls_per_day: int | None = Field(
        default=None, ge=1, description="Most calls to models in any 24 hours, over all streams. Unset: no cap."
    )
    model_prices: str = Field(
        default="",
        description=(
            "Prices of models and speech engines in US dollars, comma-separated: per million input and output tokens "
            "('openai:gpt-6-luna=0.25/2') or per hour of audio ('openai:whisper-1=0.36/h'). Others are taken from the "
            "list of the package genai-prices."
        ),
    )
    model_similarity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "Likeness to an event (0 to 1, by their words) below which scenes are not shown to a language model. "
            "0: all are shown."
        ),
    )
    speech_engine: str = Field(
        default="",
        description=(
            "Engine of transcripts, such as 'local', 'faster-whisper:small', 'openai:whisper-1' or 'assemblyai'. "
            "Empty: 'local'."
        ),
    )
    speech_language: str = Field(
        default="",
        description="Language that is spoken, as a code such as 'en' or 'de'. Empty: the engine's own choice.",
    )
    speech_base_url: str = Field(
        default="",
        description=(
            "URL of the OpenAI-compatible server that transcribes. Empty: RTSTREAM_MODEL_BASE_URL, "
            "else the provider's own."
        ),
    )
    embedding_model: str = Field(
        default="",
        description=(
            "Embeddings model of search, as provider:model, for example 'ollama:nomic-embed-text'. Empty: the built-in "
            "one of the extra local; 'none': search by words only."
        ),
    )
    embedding_base_url: str = Field(
        default="",
        description="URL of the OpenAI-compatible server of the embeddings model. Empty: RTSTREAM_MODEL_BASE_URL.",
    )
    transcript_max_lag_s: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="Seconds a transcript may be behind live. Beyond that, the oldest audio is skipped.",
    )
    evidence_pre_s: float = Field(
        default=3.0, ge=0, le=600, description="Seconds of evidence before the matching scene."
    )
    evidence_post_s: float = Field(
        default=2.0, ge=0, le=600, description="Seconds of evidence after the matching scene."
    )
    webhook_timeout_s: float = Field(
        default=10.0, gt=0, le=60, description="Seconds a webhook receiver may take to respond."
    )
    health_webhook_url: str = Field(
        default="",
        repr=False,
        description=(
            "URL that every change of a stream's health is posted to, such as a track that is no longer recorded. "
            "Empty: none."
        ),
    )
    webhook_allow_networks: str = Field(
        default="",
        description=(
            "Networks that webhooks may be sent to besides public ones: comma-separated CIDR ranges, or the words "
            "'private' and 'loopback'. RTSTREAM_ALLOW_NETWORKS does not apply to webhooks."
        ),
    )
    idle_exit_s: float | None = Field(
        default=None,
        description="Stop the engine after this many seconds without a running stream or a client. Unset: never.",
    )

    @field_validator("camera_credentials")
    @classmethod
    def _are_logins(cls, logins: str) -> str:
        try:
            parse_logins(logins)
        except InvalidRequest as exc:
            raise ValueError(exc.message) from None
        return logins

    @field_validator("model_prices")
    @classmethod
    def _are_prices(cls, prices: str) -> str:
        parse_prices(prices)
        return prices

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        if name.strip():
            find_zone(name.strip())
        return name.strip()

    @field_validator("vision_model", "language_model", "model_mini", "model_basic", "model_pro", "model_ultra")
    @classmethod
    def _names_a_model(cls, name: str) -> str:
        name = name.strip()
        provider, _, model = name.partition(":")
        if name in ("", "local") or (provider.strip() and model.strip()):
            return name
        raise ValueError(
            "Name a model as provider:model, for example openai:gpt-6-luna, or 'local' for the built-in one."
        )

    @field_validator("embedding_model")
    @classmethod
    def _names_an_embeddings_model(cls, name: str) -> str:
        return name.strip() if name.strip() == "none" else cls._names_a_model(name)

    @field_validator("health_webhook_url")
    @classmethod
    def _is_a_receiver(cls, url: str) -> str:
        if not url.strip():
            return ""
        try:
            return parse_webhook(url).url
        except InvalidRequest as exc:
            raise ValueError(exc.message) from None

    @field_validator("model_base_url", "vision_base_url", "language_base_url", "speech_base_url", "embedding_base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        url = url.strip()
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("The address of a model server begins with http:// or https://.")
        return url

"""The API key: given in the settings, or made once and kept in the data folder."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from rtstream.errors import Unavailable

FILE_NAME = "api-key"


def key_file(data_dir: Path) -> Path:
    """Where a generated key is kept."""
    return data_dir / FILE_NAME


def load_or_create(data_dir: Path, given: str | None = None) -> str:
    """The key in force: ``given`` when set, else the one in the data folder, made by whoever comes first.

    The file appears whole and with mode 0600, also when several processes start at the same moment.
    Raises Unavailable when the folder cannot be written.
    """
    if given:
        return given
    path = key_file(data_dir)
    try:
        return read(data_dir) or _create(path)
    except OSError as exc:
        raise Unavailable(
            f"The API key cannot be kept in {path}: {exc.strerror or exc}. Set RTSTREAM_API_KEY, or a data folder "
            "you can write to."
        ) from exc


def derived(api_key: str, purpose: str) -> bytes:
    """32 bytes that follow from the key, other ones for each purpose."""
    return hmac.new(api_key.encode(), purpose.encode(), hashlib.sha256).digest()


def webhook_secret(api_key: str) -> str:
    """The secret that signs webhooks, as the Standard Webhooks specification writes it."""
    return f"whsec_{base64.b64encode(derived(api_key, 'webhooks')).decode()}"


def read(data_dir: Path) -> str:
    """The key kept in the data folder; empty when there is none."""
    try:
        return key_file(data_dir).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _create(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"sk-{secrets.token_urlsafe(32)}\n")
        try:
            # A hard link, unlike a rename, fails when the name is taken: the first one wins, whole.
            os.link(draft, path)
        except FileExistsError:
            if not read(path.parent):  # an empty file is no key
                draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return read(path.parent)

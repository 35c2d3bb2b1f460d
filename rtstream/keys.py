"""Loads the API key from the settings or the data folder, and creates one if there is none."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from rtstream import disk
from rtstream.errors import Unavailable

FILE_NAME = "api-key"


def key_file(data_dir: Path) -> Path:
    """Return the path of the generated key."""
    return data_dir / FILE_NAME


def load_or_create(data_dir: Path, given: str | None = None) -> str:
    """Return the API key in force.

    The key file appears complete and with mode 0600, even when several processes start at the same moment.

    Args:
        data_dir: The data folder, in which a key is created if it has none.
        given: The key from the settings, which takes precedence.

    Raises:
        Unavailable: The folder is not writable.
    """
    if given:
        return given
    path = key_file(data_dir)
    try:
        return read(data_dir) or _create(path)
    except OSError as exc:
        raise Unavailable(
            f"The API key cannot be stored in {path}: {exc.strerror or exc}. Set RTSTREAM_API_KEY, or choose a "
            "writable data folder."
        ) from exc


def derived(api_key: str, purpose: str) -> bytes:
    """Derive 32 bytes from the key, different ones for each purpose."""
    return hmac.new(api_key.encode(), purpose.encode(), hashlib.sha256).digest()


def webhook_secret(api_key: str) -> str:
    """Return the secret that signs webhooks, in the format of the Standard Webhooks specification."""
    return f"whsec_{base64.b64encode(derived(api_key, 'webhooks')).decode()}"


def read(data_dir: Path) -> str:
    """Return the key stored in the data folder, or an empty string if there is none."""
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
            file.flush()
            disk.sync_file(file.fileno())
        try:
            # Unlike a rename, a hard link fails when the name exists, so the first process wins with a complete file.
            os.link(draft, path)
        except FileExistsError:
            if not read(path.parent):  # an empty file contains no key
                draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    disk.sync_folder(path.parent)  # before anything is signed with the key
    return read(path.parent)

"""The key for the hashes of erased people: PRIVACY_KEY, or a file in `.local/`.

What belongs here: finding or making the key. What does not: hashing (store/operations/suppression.py).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from whatsapp_pipeline import settings
from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.run_hosts import refuse_unshared_runs
from whatsapp_pipeline.settings import Settings

KEY_FILE = "privacy.key"
_MINIMUM_LENGTH = 16


def find_key() -> bytes | None:
    """Return the key; None if it is not set and no file has been made yet.

    Raises SettingError if several hosts have no common key.
    """
    configured = settings.load_settings()
    refuse_unshared_runs(configured)
    if configured.privacy_key:
        return _checked(configured.privacy_key.get_secret_value(), "PRIVACY_KEY")
    require_common_key(configured)
    path = configured.local_dir / KEY_FILE
    with contextlib.suppress(FileNotFoundError):
        return _checked(path.read_text(encoding="ascii").strip(), f"{path.parent.name}/{KEY_FILE}")
    return None


def require_common_key(settings: Settings) -> None:
    """Raise SettingError if several hosts have no common key. A process calls this before it works.

    Otherwise the first erasure, perhaps months later, would be refused.
    """
    if settings.several_hosts and not settings.privacy_key:
        raise SettingError(
            f"{settings.why_several_hosts} needs PRIVACY_KEY: the other hosts do not know a key that one "
            "host generates, and would load erased people again. Put the content of the first host's "
            f"{KEY_FILE} into PRIVACY_KEY on every host; if there is no such file yet, make a key with "
            "`openssl rand -hex 32`"
        )


def find_or_make() -> bytes:
    """Return the key. If there is none, make `.local/privacy.key`, which only its owner can read."""
    if (key := find_key()) is not None:
        return key
    path = settings.load_settings().local_dir / KEY_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_new(path, secrets.token_hex(32))
    made = find_key()
    assert made is not None  # this process or another one has just written it
    return made


def _write_new(path: Path, text: str) -> None:
    # Two processes may get here at the same time; the second one then uses the key of the first.
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")


def _checked(text: str, place: str) -> bytes:
    if len(text) < _MINIMUM_LENGTH:
        raise PipelineError(f"{place} is too short for a key: at least {_MINIMUM_LENGTH} characters")
    return text.encode()

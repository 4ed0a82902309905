"""The check of X-Hub-Signature-256, which shows whether the sender knows the app secret.

What belongs here: the check. What does not: the use of its result (receiver, quarantine).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

HEADER = b"x-hub-signature-256"
_PREFIX = b"sha256="


def is_signed(body: bytes, header: bytes | None, secrets: Sequence[str]) -> bool:
    """Return whether `header` (raw bytes, None when absent) signs `body` with any of the secrets.

    The comparison takes constant time. It compares bytes, because `compare_digest` raises for a string that
    is not ASCII.
    """
    if header is None or not header.startswith(_PREFIX):
        return False
    given = header[len(_PREFIX) :].strip().lower()
    matches = [
        hmac.compare_digest(given, hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode())
        for secret in secrets
    ]
    return any(matches)

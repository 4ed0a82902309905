"""Hashing passwords with scrypt, one at a time.

What belongs here: hashing and comparing passwords, and their allowed length. What does not: storing hashes.

scrypt is in the standard library. Like argon2id, it needs much memory, which makes attacks with graphics
cards expensive. argon2id would be a compiled dependency for a table of some ten users. The parameters are one
of the sets that OWASP recommends (N=2^15, r=8, p=3). One hash takes about 300 ms and 32 MiB. Requests run in
threads, and a lock lets only one of them hash at a time. Therefore simultaneous logins use neither much
memory nor all processors.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from base64 import b64decode, b64encode

MINIMUM_LENGTH = 10
MAXIMUM_LENGTH = 200
_COST, _BLOCK, _PARALLEL = 2**15, 8, 3
_MEMORY = 64 * 2**20
_ONE_AT_A_TIME = threading.Lock()
# Largest number of threads that hash or wait for the lock. With more, the console answers that it is busy.
_WAITING = threading.BoundedSemaphore(8)


class TooManyLoginsError(Exception):
    """Too many passwords wait to be hashed."""


def hash_password(password: str) -> str:
    """Return `scrypt$N$r$p$salt$hash` of a password, with a new salt.

    Raises TooManyLoginsError if too many other passwords wait to be hashed.
    """
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    parts = (str(_COST), str(_BLOCK), str(_PARALLEL), b64encode(salt).decode(), b64encode(digest).decode())
    return "$".join(("scrypt", *parts))


# If the user does not exist, the password is compared with this hash, so that the answer takes the same time.
_NOBODY = "scrypt$32768$8$3$" + b64encode(bytes(16)).decode() + "$" + b64encode(bytes(32)).decode()


def is_password(password: str, stored: str | None) -> bool:
    """Return whether a password matches the stored hash.

    If `stored` is None, the answer is False and takes the same time. Raises TooManyLoginsError if too many
    other passwords wait to be hashed.
    """
    _, cost, block, parallel, salt, digest = (stored or _NOBODY).split("$")
    made = _scrypt(password[:MAXIMUM_LENGTH], b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(made, b64decode(digest)) and stored is not None


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    if not _WAITING.acquire(blocking=False):
        raise TooManyLoginsError
    try:
        with _ONE_AT_A_TIME:
            return hashlib.scrypt(secret, salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY, dklen=32)
    finally:
        _WAITING.release()

"""Signatures in every shape."""

from __future__ import annotations

import pytest

from whatsapp_pipeline.webhook.signature import is_signed
from whatsapp_pipeline_tests.webhook.deliveries import sign

BODY = b'{"entry": []}'


def test_any_of_several_secrets_signs() -> None:
    for secret in ("old", "new"):
        assert is_signed(BODY, sign(BODY, secret).encode(), ["old", "new"])
    assert is_signed(BODY, sign(BODY, "new").upper().replace("SHA256", "sha256").encode(), ["new"])


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"sha256=",
        b"sha256",
        b"sha1=abc",
        b"sha256=" + b"0" * 64,
        b"sha256=\xe9\xff",
        b"\xff" * 70,
        b"sha256=" + b"a" * 100_000,
        sign(BODY, "other").encode(),
        sign(BODY + b" ", "secret").encode(),
        sign(BODY, "secret")[7:].encode(),
    ],
)
def test_anything_else_does_not(header: bytes | None) -> None:
    assert not is_signed(BODY, header, ["secret"])


def test_no_secret_signs_nothing() -> None:
    assert not is_signed(BODY, sign(BODY, "").encode(), [])

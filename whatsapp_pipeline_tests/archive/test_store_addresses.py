"""Addresses of object stores that cannot be opened. These tests need no store."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from whatsapp_pipeline.archive.object_store import open_store
from whatsapp_pipeline.errors import SettingError


@pytest.mark.skipif(find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_an_address_whose_library_is_missing_is_named() -> None:
    with pytest.raises(SettingError, match="library for gs:// addresses is not installed"):
        open_store("gs://bucket/chats")


def test_an_address_that_no_library_knows_is_named() -> None:
    with pytest.raises(SettingError, match="fsspec does not support addresses that begin with nonsense://"):
        open_store("nonsense://bucket/chats")

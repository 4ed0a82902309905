"""Folders of files that the pipeline itself keeps, on this host or in SHARED_DIR, which all hosts can reach.

What belongs here: listing, reading, writing and deleting such files by name, on a disk and in an object
store. What does not: the files (steps/), and the exported chats (archive/).

Names are relative, have `/` between folders, and must not contain personal data. A write replaces the whole
file: a reader sees the old or the new content. Failed requests to an object store are retried
(archive/object_store.py).
"""

from __future__ import annotations

import os
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from whatsapp_pipeline import private_files
from whatsapp_pipeline.errors import SettingError
from whatsapp_pipeline.settings import Settings


class FileFolder(Protocol):
    """A folder of files, addressed by name."""

    @property
    def address(self) -> str:
        """The folder's path or URL, for messages."""
        ...

    def names(self, pattern: str = "*") -> list[str]:
        """Return the sorted names of all files below this folder whose last part matches the pattern."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's content. Raises FileNotFoundError."""
        ...

    def write(self, name: str, content: str | bytes) -> None:
        """Replace a file's content, and create its folders if necessary."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""
        ...

    def delete_below(self, name: str) -> None:
        """Delete a folder with all its files. Raises OSError if a file can't be deleted."""
        ...


class LocalFolder:
    """A folder on a disk. Files are readable only by their owner."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self._path)

    def names(self, pattern: str = "*") -> list[str]:
        """Return the sorted names of the files below, without those that are being written."""
        return sorted(
            path.relative_to(self._path).as_posix()
            for path in self._path.rglob(pattern)
            if path.is_file() and not path.name.startswith(".")
        )

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        return (self._path / name).read_bytes()

    def write(self, name: str, content: str | bytes) -> None:
        """Replace a file atomically."""
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_files.replace_file(path, content)

    def delete(self, name: str) -> None:
        """Delete a file."""
        (self._path / name).unlink(missing_ok=True)

    def delete_below(self, name: str) -> None:
        """Delete a folder."""
        shutil.rmtree(self._path / name)


class StoreFolder:
    """A prefix of an object store. Errors name the setting that has its address, if one is given."""

    def __init__(self, url: str, *, setting: str | None = None) -> None:
        # Imported here, because most commands need no storage library.
        from whatsapp_pipeline.archive.object_store import WritableStore, open_store

        try:
            self._root = open_store(url)
        except SettingError as error:
            raise SettingError(f"{setting}: {error}" if setting else str(error)) from None
        self._store = WritableStore(self._root, setting=setting)
        self.address = url

    def names(self, pattern: str = "*") -> list[str]:
        """Return the sorted names of the objects below. One request lists up to a thousand objects."""
        prefix = self._key("")
        # Some stores also list the prefix itself after its last object was deleted.
        keys = (key for key in self._store.list_recursive(prefix.rstrip("/")) if key.startswith(prefix))
        found = (key.removeprefix(prefix) for key in keys)
        return sorted(name for name in found if fnmatch(name.rpartition("/")[2], pattern))

    def read(self, name: str) -> bytes:
        """Return an object's content."""
        return self._store.read(self._key(name))

    def write(self, name: str, content: str | bytes) -> None:
        """Replace an object with one request."""
        self._store.write(self._key(name), content.encode() if isinstance(content, str) else content)

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._store.delete(self._key(name))

    def delete_below(self, name: str) -> None:
        """Delete all objects of a prefix."""
        for found in self._store.list_recursive(self._key(name)):
            self._store.delete(found)

    def upload(self, path: Path, name: str) -> None:
        """Copy a file of this host into the store, in blocks."""
        self._store.upload(path, self._key(name))

    def download(self, name: str, path: Path) -> None:
        """Copy an object to a file of this host, readable only by its owner; raises FileNotFoundError."""
        os.close(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        self._store.download(self._key(name), path)

    def _key(self, name: str) -> str:
        return f"{self._root.path.rstrip('/')}/{name}"


def local_folder(settings: Settings, name: str) -> LocalFolder:
    """Return a folder in `.local` of this host."""
    return LocalFolder(settings.local_dir / name)


def shared_folder(settings: Settings, name: str = "") -> FileFolder | None:
    """Return a folder in SHARED_DIR; None if it is not set. Raises SettingError for an unknown address."""
    if settings.shared_dir is None:
        return None
    if "://" in settings.shared_dir:
        return StoreFolder(
            "/".join(filter(None, (settings.shared_dir.rstrip("/"), name))), setting="SHARED_DIR"
        )
    return LocalFolder(Path(settings.shared_dir) / name)


def kept_folder(settings: Settings, name: str) -> FileFolder:
    """Return the folder for new files: in SHARED_DIR if it is set, otherwise in `.local`."""
    return shared_folder(settings, name) or local_folder(settings, name)

"""Access to an object store (S3, GCS, …) through fsspec, with parallel requests and retries.

What belongs here: opening the store, retries, and fetching the next objects while the caller reads one. What
does not belong here: the months of the archive (chat_archive.py), and what is inside a file (sources.py).

A key of the archive contains a phone, and the errors of storage libraries quote keys. No error of this module
quotes the error that caused it.
"""

from __future__ import annotations

import io
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EACCES, EINVAL, ENAMETOOLONG, EPERM
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, TypeVar, cast

from upath import UPath

from whatsapp_pipeline.archive.sources import UnreadableFileError
from whatsapp_pipeline.errors import PipelineError, SettingError

_T = TypeVar("_T")

# Number of parallel requests. With 30 ms per request, 32 of them fetch about 1,000 objects per second.
IN_FLIGHT = 32
# Largest size in bytes of a small object, which is fetched with one request. A larger object is read in
# blocks when the caller opens it.
SMALL_BYTES = 512 << 10
# Largest number of bytes that wait for the reader. With more, no further request begins.
_WAITING_BYTES = 16 << 20
# Number of bytes per request for a larger object.
_BLOCK_BYTES = 4 << 20
# Seconds of retries before a request has failed: longer than the restart of a store.
PATIENCE_SECONDS = 90.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

# Errors of storage libraries after which a request is retried and that are no OSError, by module and class.
_TRANSIENT = (
    ("botocore.exceptions", "ConnectionError"),
    ("botocore.exceptions", "HTTPClientError"),
    ("botocore.exceptions", "IncompleteReadError"),
    ("botocore.parsers", "ResponseParserError"),
    ("aiohttp", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "ServiceRequestError"),
    ("azure.core.exceptions", "ServiceResponseError"),
)
_PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
_MISSING = "the file is no longer in the object store"
_PERMANENT_NUMBERS = {EACCES, EINVAL, ENAMETOOLONG, EPERM}


class StoreUnavailableError(PipelineError):
    """The object store does not answer or refuses the credentials. The files are not the cause."""


def open_store(url: str) -> UPath:
    """Return the path of a URL that fsspec knows, without the cache of listings, which would become stale."""
    options: dict[str, Any] = {"use_listings_cache": False}
    scheme = url.partition(":")[0]
    if scheme in ("s3", "s3a"):
        from fsspec.config import conf

        # There are as many connections as requests. The library retries only a few times, because its retries
        # are slow; this module retries in addition.
        configured = dict(conf.get(scheme, {}).get("config_kwargs", {}))
        configured.setdefault("max_pool_connections", 2 * IN_FLIGHT)
        configured.setdefault("retries", {"mode": "standard", "total_max_attempts": 2})
        options["config_kwargs"] = configured
    try:
        path: UPath = UPath(url, **options)
        path.fs  # noqa: B018  # imports the library
    except ImportError as error:
        raise SettingError(
            f"an address begins with {scheme}://, but its library is not installed ({error}); for "
            "s3:// run `pip install 'whatsapp-pipeline[s3]'`"
        ) from None
    except ValueError:
        raise SettingError(f"no file system is known for an address that begins with {scheme}://") from None
    return path


class ObjectStore:
    """The objects under `root`. Its methods retry; a missing object is a FileNotFoundError."""

    _consequence = "nothing was recorded about the files that were not read"

    def __init__(self, root: UPath, *, patience: float | None = None) -> None:
        self._fs: Any = root.fs
        self._base = root.path
        self._name = str(root)
        self._patience = PATIENCE_SECONDS if patience is None else patience

    def entries(self, folder: str) -> list[dict[str, Any]]:
        """List a folder with one request for each thousand entries."""
        entries: list[dict[str, Any]] = self._store_call(lambda: self._fs.ls(folder, detail=True))
        return entries

    def below(self, folder: str) -> dict[str, dict[str, Any]]:
        """List every object below a folder by its path; nothing if the folder does not exist."""
        found: dict[str, dict[str, Any]] = self._store_call(
            lambda: self._fs.find(folder, detail=True, withdirs=False)
        )
        return found

    def exists(self, path: str) -> bool:
        """Return whether an object exists."""
        return bool(self._store_call(lambda: self._fs.exists(path)))

    def open(self, path: str) -> BinaryIO:
        """Open an object; it is in memory if it is small. Raises UnreadableFileError."""
        body = self.small_body(path, threading.Event())
        return io.BytesIO(body) if body is not None else self.open_large(path)

    def small_body(self, path: str, stopped: threading.Event) -> bytes | None:
        """Return the content of an object; None if it is larger than SMALL_BYTES.

        Raises UnreadableFileError.
        """
        body = self.file_call(lambda: self._small_body(path), stopped)
        return body if len(body) <= SMALL_BYTES else None

    def open_large(self, path: str) -> BinaryIO:
        """Open an object that is read in blocks."""
        return cast("BinaryIO", io.BufferedReader(_RetryingFile(self, self._fs, path), SMALL_BYTES))

    @contextmanager
    def fetching(self, paths: Sequence[str]) -> Iterator[_Fetcher]:
        """Fetch objects in order, ahead of the caller, until the block ends."""
        fetcher = _Fetcher(self, paths)
        try:
            yield fetcher
        finally:
            fetcher.stop()

    def file_call(self, call: Callable[[], _T], stopped: threading.Event) -> _T:
        """Call a function for one object.

        Raises UnreadableFileError, or StoreUnavailableError if other objects would fail, too.
        """
        try:
            return self._retried(call, stopped)
        except FileNotFoundError:
            failure: Exception = UnreadableFileError("file_unreadable", _MISSING)
        except Exception as error:
            failure = self._failure(error, stopped)
        raise failure

    def _failure(self, error: Exception, stopped: threading.Event) -> Exception:
        """Return the error for a failed object, or for the store if it can't list the object, either."""
        reason = type(error).__name__
        try:
            if not stopped.is_set():
                self._fs.ls(self._base, detail=False)
        except FileNotFoundError:
            pass
        except Exception as again:
            return self._unavailable(again)
        return UnreadableFileError("file_unreadable", f"the object store can't return the file ({reason})")

    def _store_call(self, call: Callable[[], _T]) -> _T:
        try:
            return self._retried(call, threading.Event())
        except (FileNotFoundError, NotADirectoryError):
            raise
        except Exception as error:
            failure = self._unavailable(error)
        raise failure

    def _unavailable(self, error: Exception) -> StoreUnavailableError:
        name = type(error).__name__
        if is_transient(error):
            return StoreUnavailableError(
                f"the object store of {self._name} did not answer for {self._patience:g} s ({name}); "
                f"{self._consequence}. Run again when it answers"
            )
        return StoreUnavailableError(
            f"the object store of {self._name} refuses the request ({name}); check its address and the "
            "credentials (for s3://: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), then run "
            "again"
        )

    def _retried(self, call: Callable[[], _T], stopped: threading.Event) -> _T:
        """Call until it succeeds or the patience is used up, with growing random pauses.

        The patience starts at the first failure, so that a long upload is repeated, too.
        """
        deadline: float | None = None
        pause = _FIRST_PAUSE
        while True:
            try:
                return call()
            except Exception as error:
                if deadline is None:
                    deadline = monotonic() + self._patience
                if not is_transient(error) or monotonic() >= deadline:
                    raise
            if stopped.wait(pause * random.uniform(0.5, 1)):  # noqa: S311  # spreads requests, no secret
                raise TimeoutError("the caller no longer needs the object")
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _small_body(self, path: str) -> bytes:
        """Return an object, or its beginning if it is large, with one request."""
        try:
            body: bytes = self._fs.cat_file(path, start=0, end=SMALL_BYTES + 1)
        except OSError as error:
            if error.errno != EINVAL or self._fs.info(path)["size"]:  # an empty object has no range of bytes
                raise
            return b""
        return body


class WritableStore(ObjectStore):
    """The object store with requests that change it, retried like the others."""

    _consequence = "the data to store there may be missing"

    def read(self, path: str) -> bytes:
        """Return an object of any size with one request."""
        body: bytes = self._store_call(lambda: self._fs.cat_file(path))
        return body

    def write(self, path: str, content: bytes) -> None:
        """Replace an object with one request."""
        self._store_call(lambda: self._fs.pipe_file(path, content))

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        with suppress(FileNotFoundError):
            self._store_call(lambda: self._fs.rm_file(path))

    def upload(self, source: Path, path: str) -> None:
        """Copy a file of this host to an object, in blocks. The object appears when it is complete."""
        self._store_call(lambda: self._fs.put_file(str(source), path))

    def download(self, path: str, target: Path) -> None:
        """Copy an object to a file of this host, in blocks."""
        self._store_call(lambda: self._fs.get_file(path, str(target)))


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later: refused, reset, timed out, busy or cut off."""
    if isinstance(error, _PERMANENT):
        return False
    if isinstance(error, TimeoutError | EOFError):
        return True
    if isinstance(error, OSError) and type(error).__name__ != "FileExpired":
        return error.errno not in _PERMANENT_NUMBERS
    # The library that raised an error is already loaded, so nothing is imported here.
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _TRANSIENT)
    return any(kind is not None and isinstance(error, kind) for kind in kinds)


class _RetryingFile(io.RawIOBase):
    """A large, seekable object. A block that does not arrive is requested again."""

    def __init__(self, store: ObjectStore, fs: Any, path: str) -> None:  # noqa: ANN401  # fsspec is not typed
        self._store = store
        self._stopped = threading.Event()
        self._file: Any = store.file_call(lambda: fs.open(path, "rb", block_size=_BLOCK_BYTES), self._stopped)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: Buffer; BufferedReader passes a memoryview
        place = self._file.tell()

        def read() -> bytes:
            self._file.seek(place)
            data: bytes = self._file.read(len(buffer))
            return data

        data = self._store.file_call(read, self._stopped)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Fetcher:
    """Objects that threads fetch in the order of `paths`, and the caller opens in the same order."""

    def __init__(self, store: ObjectStore, paths: Sequence[str]) -> None:
        self._store, self._paths = store, paths
        self._bodies: dict[int, bytes | Exception | None] = {}
        self._waiting = 0  # bytes in `_bodies`
        self._next = 0  # the object that the next free thread fetches
        self._opened = 0  # the object that the caller opens next
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        for number in range(min(IN_FLIGHT, len(paths)) if len(paths) > 1 else 0):
            threading.Thread(target=self._run, name=f"fetch-{number}", daemon=True).start()

    def open(self, path: str) -> BinaryIO:
        """Open the next object. An object out of order is fetched at once. Raises UnreadableFileError."""
        if len(self._paths) == 1 or self._opened >= len(self._paths) or self._paths[self._opened] != path:
            return self._store.open(path)
        place, self._opened = self._opened, self._opened + 1
        with self._changed:
            while place not in self._bodies:
                self._changed.wait()
            body = self._bodies.pop(place)
            self._waiting -= len(body) if isinstance(body, bytes) else 0
            self._changed.notify_all()
        if isinstance(body, Exception):
            raise body
        return io.BytesIO(body) if body is not None else self._store.open_large(path)

    def stop(self) -> None:
        """Begin no further request. The results of current requests are dropped."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        while (place := self._take()) is not None:
            body: bytes | Exception | None
            try:
                body = self._store.small_body(self._paths[place], self._stopped)
            except Exception as error:  # raised again where the object is opened
                body = error
            with self._changed:
                self._bodies[place] = body
                self._waiting += len(body) if isinstance(body, bytes) else 0
                self._changed.notify_all()

    def _take(self) -> int | None:
        """Wait for room, and return the next object to fetch; None at the end."""
        with self._changed:
            while self._waiting > _WAITING_BYTES and not self._stopped.is_set():
                self._changed.wait()
            if self._stopped.is_set() or self._next == len(self._paths):
                return None
            self._next += 1
            return self._next - 1

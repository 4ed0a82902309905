"""Access to an object store (S3, GCS, …) through fsspec, with parallel requests and retries.

What belongs here: opening the store, retries, and fetching the next objects while the caller reads one. What
does not belong here: the months of the archive (chat_archive.py), and what is inside a file (sources.py).

An object key of the archive contains a phone number, and storage libraries quote keys in their errors. So an
error that this module creates for a request contains at most the class name of its cause, and it is raised
outside the `except` block, so that it has no context that quotes the key. A FileNotFoundError is raised
unchanged, except where a method says otherwise.
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
# Seconds during which a failed request is retried. A restart of the store takes less time.
RETRY_SECONDS = 90.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0

# Transient errors of storage libraries that are not subclasses of OSError, as (module, class).
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
    """Return a UPath for the URL of an object store.

    The cache of listings is disabled, because it would become stale. Raises SettingError if fsspec does not
    support the URL or if the library for it is missing.
    """
    options: dict[str, Any] = {"use_listings_cache": False}
    scheme = url.partition(":")[0]
    if scheme in ("s3", "s3a"):
        from fsspec.config import conf

        # The connection pool has room for twice the number of parallel requests. botocore retries a request
        # only once, because its retries are slow, and this module retries, too. Settings of fsspec take
        # precedence.
        configured = dict(conf.get(scheme, {}).get("config_kwargs", {}))
        configured.setdefault("max_pool_connections", 2 * IN_FLIGHT)
        configured.setdefault("retries", {"mode": "standard", "total_max_attempts": 2})
        options["config_kwargs"] = configured
    try:
        path: UPath = UPath(url, **options)
        _ = path.fs  # this imports the library
    except ImportError as error:
        raise SettingError(
            f"the Python library for {scheme}:// addresses is not installed ({error}); install it, for s3:// "
            "with `pip install 'whatsapp-pipeline[s3]'`"
        ) from None
    except ValueError:
        raise SettingError(
            f"fsspec does not support addresses that begin with {scheme}://; check the address in the "
            "settings"
        ) from None
    return path


class ObjectStore:
    """The objects under `root`. Its methods retry transient errors.

    For a missing object, `open` and `small_body` raise UnreadableFileError, and `entries` raises
    FileNotFoundError.
    """

    _consequence = "nothing was recorded about the files that were not read"

    def __init__(
        self, root: UPath, *, setting: str | None = None, retry_seconds: float | None = None
    ) -> None:
        """Prepare access to the objects under `root`. Errors name the setting that has its address."""
        self._fs: Any = root.fs
        self._base = root.path
        self._name = f"{setting}={root}" if setting else str(root)
        self._retry_seconds = RETRY_SECONDS if retry_seconds is None else retry_seconds

    def entries(self, folder: str) -> list[dict[str, Any]]:
        """List a folder with one request for each thousand entries. Raises FileNotFoundError."""
        entries: list[dict[str, Any]] = self._store_call(lambda: self._fs.ls(folder, detail=True))
        return entries

    def list_recursive(self, folder: str) -> dict[str, dict[str, Any]]:
        """Return every object below a folder by its path, or an empty dict if the folder does not exist."""
        found: dict[str, dict[str, Any]] = self._store_call(
            lambda: self._fs.find(folder, detail=True, withdirs=False)
        )
        return found

    def exists(self, path: str) -> bool:
        """Return whether an object exists."""
        return bool(self._store_call(lambda: self._fs.exists(path)))

    def open(self, path: str) -> BinaryIO:
        """Open an object. A small object is read into memory. Raises UnreadableFileError."""
        body = self.small_body(path, threading.Event())
        return io.BytesIO(body) if body is not None else self.open_large(path)

    def small_body(self, path: str, stopped: threading.Event) -> bytes | None:
        """Return the content of an object, or None if it is larger than SMALL_BYTES.

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
        """Return an UnreadableFileError, or a StoreUnavailableError if listing the root fails, too."""
        reason = type(error).__name__
        try:
            if not stopped.is_set():
                self._fs.ls(self._base, detail=False)
        except FileNotFoundError:
            pass  # the store answered: no object is under the root
        except Exception as listing_error:
            return self._unavailable(listing_error)
        return UnreadableFileError("file_unreadable", f"the object store can't return the file ({reason})")

    def _store_call(self, call: Callable[[], _T], consequence: str | None = None) -> _T:
        """Call a function for a request. Raises StoreUnavailableError with `consequence` in its text."""
        try:
            return self._retried(call, threading.Event())
        except (FileNotFoundError, NotADirectoryError):
            raise
        except Exception as error:
            failure = self._unavailable(error, consequence)
        raise failure

    def _unavailable(self, error: Exception, consequence: str | None = None) -> StoreUnavailableError:
        name = type(error).__name__
        consequence = consequence or self._consequence
        if is_transient(error) and (answer := _error_answer(error)):
            return StoreUnavailableError(
                f"the object store of {self._name} answered each request with {answer} for "
                f"{self._retry_seconds:g} s; {consequence}. See the store's own log, and run again"
            )
        if is_transient(error):
            return StoreUnavailableError(
                f"the object store of {self._name} did not answer for {self._retry_seconds:g} s ({name}); "
                f"{consequence}. Run again when it answers"
            )
        return StoreUnavailableError(
            f"the object store of {self._name} refuses the request ({name}); check its address and the "
            "credentials (for s3://: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), then run "
            "again"
        )

    def _retried(self, call: Callable[[], _T], stopped: threading.Event) -> _T:
        """Call the function until it succeeds, fails with a permanent error, or the time for retries is over.

        The pauses are random and grow. The time, `retry_seconds`, counts from the first failure. So an upload
        that takes longer than that is retried, too.
        """
        deadline: float | None = None
        pause = _FIRST_PAUSE
        while True:
            try:
                return call()
            except Exception as error:
                if deadline is None:
                    deadline = monotonic() + self._retry_seconds
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
            # Some stores answer EINVAL to a range request for an empty object.
            if error.errno != EINVAL or self._fs.info(path)["size"]:
                raise
            return b""
        return body


class WritableStore(ObjectStore):
    """An object store with requests that change it. They are retried, too."""

    _consequence = "nothing was read"
    _WRITE_CONSEQUENCE = "the data that was being written may be missing from the store"
    _DELETE_CONSEQUENCE = "the object may not be deleted"

    def read(self, path: str) -> bytes:
        """Return an object of any size with one request."""
        body: bytes = self._store_call(lambda: self._fs.cat_file(path))
        return body

    def write(self, path: str, content: bytes) -> None:
        """Replace an object with one request."""
        self._store_call(lambda: self._fs.pipe_file(path, content), self._WRITE_CONSEQUENCE)

    def delete(self, path: str) -> None:
        """Delete an object if it exists."""
        with suppress(FileNotFoundError):
            self._store_call(lambda: self._fs.rm_file(path), self._DELETE_CONSEQUENCE)

    def upload(self, source: Path, path: str) -> None:
        """Copy a file of this host to an object, in blocks. The object appears when it is complete."""
        self._store_call(lambda: self._fs.put_file(str(source), path), self._WRITE_CONSEQUENCE)

    def download(self, path: str, target: Path) -> None:
        """Copy an object to a file of this host, in blocks."""
        self._store_call(lambda: self._fs.get_file(path, str(target)))


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later.

    Examples are a timeout, a busy store, and a connection that was refused, reset or interrupted.
    """
    if isinstance(error, _PERMANENT):
        return False
    if isinstance(error, TimeoutError | EOFError):
        return True
    # s3fs raises FileExpired, an OSError, for an object that changed while it was read.
    if isinstance(error, OSError) and type(error).__name__ != "FileExpired":
        return error.errno not in _PERMANENT_NUMBERS
    # The library that raised an error is already loaded, so nothing is imported here.
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _TRANSIENT)
    return any(kind is not None and isinstance(error, kind) for kind in kinds)


def _error_answer(error: BaseException) -> str | None:
    """Return the status and code of the store's last answer, such as `500 InternalError`; None without one.

    Only these two are taken from the answer, because its message may quote a key.
    """
    cause: BaseException | None = error
    while cause is not None:
        response = getattr(cause, "response", None)  # of botocore's ClientError
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            code = str(response.get("Error", {}).get("Code", ""))
            # If the body has no code, botocore uses the status as the code.
            words = [str(status), *([code] if code.isalpha() else [])]
            return " ".join(words) if isinstance(status, int) else None
        cause = cause.__cause__
    return None


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

    # typeshed declares a Buffer here; BufferedReader passes a memoryview.
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        offset = self._file.tell()

        def read() -> bytes:
            self._file.seek(offset)
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
        # By index in `paths`. None means that the object is larger than SMALL_BYTES.
        self._bodies: dict[int, bytes | Exception | None] = {}
        self._waiting = 0  # bytes in `_bodies`
        self._next = 0  # index of the object that the next free thread fetches
        self._opened = 0  # index of the object that the caller opens next
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        for number in range(min(IN_FLIGHT, len(paths)) if len(paths) > 1 else 0):
            threading.Thread(target=self._fetch_objects, name=f"fetch-{number}", daemon=True).start()

    def open(self, path: str) -> BinaryIO:
        """Open the next object. Raises UnreadableFileError.

        If `path` is not the next one, the calling thread fetches it directly.
        """
        if len(self._paths) == 1 or self._opened >= len(self._paths) or self._paths[self._opened] != path:
            return self._store.open(path)
        index, self._opened = self._opened, self._opened + 1
        with self._changed:
            while index not in self._bodies:
                self._changed.wait()
            body = self._bodies.pop(index)
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

    def _fetch_objects(self) -> None:
        while (index := self._next_index()) is not None:
            body: bytes | Exception | None
            try:
                body = self._store.small_body(self._paths[index], self._stopped)
            except Exception as error:  # raised again where the object is opened
                body = error
            with self._changed:
                self._bodies[index] = body
                self._waiting += len(body) if isinstance(body, bytes) else 0
                self._changed.notify_all()

    def _next_index(self) -> int | None:
        """Wait for room, and return the index of the next object to fetch, or None at the end."""
        with self._changed:
            while self._waiting > _WAITING_BYTES and not self._stopped.is_set():
                self._changed.wait()
            if self._stopped.is_set() or self._next == len(self._paths):
                return None
            self._next += 1
            return self._next - 1

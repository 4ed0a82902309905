"""The list of chat files in the archive, and the month of each.

A file belongs to the month of its folder (`YYYY/MM/`, at any depth below). Outside such folders, the date in
the file's name decides, otherwise the date of its first message. Paths are relative to the root and use `/`.

What belongs here: listing and opening files. What does not belong here: the content of a file (sources.py),
and the requests to an object store (object_store.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple
from uuid import uuid4

from upath import UPath

from whatsapp_pipeline.archive.local_files import leads_out, open_regular
from whatsapp_pipeline.archive.object_store import ObjectStore, open_store
from whatsapp_pipeline.archive.peek import first_message_month
from whatsapp_pipeline.archive.sources import ChatSource, UnreadableFileError, open_source
from whatsapp_pipeline.domain.titles import parse_file_name
from whatsapp_pipeline.domain.transcripts.archive_dates import (
    HEAD_BYTES,
    common_order,
    date_order_of,
    nearest_order,
)
from whatsapp_pipeline.domain.transcripts.chat_message import DateOrder
from whatsapp_pipeline.errors import PipelineError

_YEAR = re.compile(r"[12]\d{3}")
_MONTH = re.compile(r"0[1-9]|1[0-2]")
_MOST_LOOKED_AT = 200  # largest number of files that are read to find the order of day and month near a month
_CHAT_SUFFIXES = (".txt", ".zip")
# Largest number of entries of an object store's listings that are kept in memory, at about 300 bytes each. A
# larger archive is listed again.
_MOST_KEPT = 100_000
# Bytes of text that are scanned in the processor time of the requests for one object.
_REQUEST_BYTES = 16 << 10


class ArchiveFile(NamedTuple):
    """A file that may contain chats. `folder_month` is None for a file outside all month folders."""

    path: str
    size: int
    modified_at: datetime
    folder_month: str | None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class MonthListing:
    """The content of a month.

    `files` are its chat files, sorted by path. `other_suffixes` counts all other files by suffix.
    `unreadable_names` are paths that are not valid UTF-8. `links_outside` are symbolic links that lead out of
    the archive; the archive does not follow them.
    """

    files: list[ArchiveFile]
    other_suffixes: Counter[str]
    unreadable_names: list[str]
    links_outside: list[str]


def _empty_listing() -> MonthListing:
    return MonthListing([], Counter(), [], [])


class ChatArchive:
    """The chat files under `root`, which is a folder or any URL that fsspec knows (`s3://…`, `memory://…`).

    The object keeps its listings of an object store, up to a number of entries. So it may not see files that
    are added later; another object does.
    """

    def __init__(self, root: str) -> None:
        path = UPath(root)
        # Local files are opened without fsspec, because fsspec takes longer than reading a median chat.
        self._is_local = path.protocol in ("", "file", "local")
        self.root = path.absolute() if self._is_local else open_store(root)
        self._fs: Any = self.root.fs
        self._base = self.root.path.rstrip("/")
        self._store = None if self._is_local else ObjectStore(self.root)
        self._kept: dict[tuple[str, bool], dict[str, dict[str, Any]]] = {}
        self.opening = uuid4().hex
        """An id of this object, by which another process knows when it must list the files again."""
        self._peeked: dict[tuple[str, int, datetime], str | None] = {}
        self._orders: dict[str, DateOrder | None] = {}  # by month
        self._file_orders: dict[str, DateOrder | None] = {}  # by the path of a file

    @property
    def url(self) -> str:
        """The URL that opens the same archive again, in this or another process."""
        return str(self.root)

    @property
    def is_shared(self) -> bool:
        """Return whether another process can read the same files."""
        return "memory" not in str(self.root.protocol)

    @property
    def request_bytes(self) -> int:
        """Bytes of text whose scan takes as much processor time as opening one more file; 0 for a folder."""
        return 0 if self._is_local else _REQUEST_BYTES

    def months(self) -> list[str]:
        """Return the months that have files, sorted, as `YYYY-MM`.

        Raises PipelineError when the archive does not exist.
        """
        self._peek(self.outside())
        found = {f"{year}-{month}" for year, month, _ in self._month_folders()}
        found.update(month for file in self.outside() if (month := self.month_of(file)) is not None)
        return sorted(found)

    def listing(self, month: str) -> MonthListing:
        """List the files of a month: those in its folder, and those elsewhere that belong to it."""
        year, _, number = month.partition("-")
        listing = _empty_listing()
        folder = f"{self._base}/{year}/{number}"
        if not self._leads_out(folder):
            for path, info in self._find(folder):
                self._add_to(listing, path, info, month)
        outside = self.outside()
        self._peek(outside)
        listing.files.extend(file for file in outside if self.month_of(file) == month)
        listing.files.sort()
        return listing

    def outside(self) -> list[ArchiveFile]:
        """List the chat files outside all month folders."""
        return sorted(self._outside().files)

    def links_outside(self) -> list[str]:
        """List symbolic links outside all month folders that lead out of the archive; none is followed."""
        return sorted(self._outside().links_outside)

    def _outside(self) -> MonthListing:
        listing = _empty_listing()
        month_folders = {folder for _, _, folder in self._month_folders()}
        years = {folder.rsplit("/", 1)[0] for folder in month_folders}
        for place in (self._base, *sorted(years)):
            for entry in self._entries(place):
                name = entry["name"].rstrip("/")
                if entry["type"] == "directory" and name not in month_folders and name not in years:
                    for path, info in self._find(name):
                        self._add_to(listing, path, info, None)
                elif entry["type"] != "directory":
                    self._add_to(listing, name, entry, None)
        return listing

    def month_of(self, file: ArchiveFile) -> str | None:
        """Return the month of a file's folder, name or first message; None if none of them has a date."""
        if file.folder_month is not None:
            return file.folder_month
        named = parse_file_name(file.name)
        if named is not None:
            return f"{named.time:%Y-%m}"
        self._peek([file])
        return self._peeked[file.path, file.size, file.modified_at]

    def _peek(self, files: Sequence[ArchiveFile]) -> None:
        """Read the first message of each file whose folder and name give no month, once per file."""
        unknown = [
            file
            for file in files
            if (file.path, file.size, file.modified_at) not in self._peeked
            and file.folder_month is None
            and parse_file_name(file.name) is None
        ]
        with self.opening_ahead([file.path for file in unknown]) as open_file:
            for file in unknown:
                try:
                    with open_file(file.path) as source:
                        month = first_message_month(source)
                except UnreadableFileError:
                    month = None
                self._peeked[file.path, file.size, file.modified_at] = month

    def date_order_near(self, path: str) -> DateOrder | None:
        """Return the order of day and month in the native exports nearest to a file; None if they disagree.

        The files of the file's month are read first, then those of the months before and after it, and so
        on, until five files give an order. At most 200 files are read for a month. Native exports, which have
        other names than block files, are read before block files.
        """
        month = _month_in(path) or next(reversed(self.months()), "")
        if month not in self._orders:
            self._orders[month] = nearest_order(self._orders_around(month))
        return self._orders[month]

    def _orders_around(self, month: str) -> Iterator[list[DateOrder | None]]:
        """Yield the orders of files in groups of equal distance to a month, the nearest first."""
        left = _MOST_LOOKED_AT
        months = sorted(self.months(), key=lambda other: _months_between(month, other))
        for _, ring in groupby(months, key=lambda other: _months_between(month, other)):
            files = [file for other in ring for file in self.listing(other).files]
            files.sort(key=lambda file: parse_file_name(file.name) is not None)
            yield self._date_orders_of([file.path for file in files[:left]])
            left -= len(files)
            if left <= 0:
                return

    def _date_orders_of(self, paths: Sequence[str]) -> list[DateOrder | None]:
        unknown = [path for path in paths if path not in self._file_orders]
        with self.opening_ahead(unknown) as open_file:
            for path in unknown:
                try:
                    with open_file(path) as source:
                        order = common_order(date_order_of(head) for head in source.heads(HEAD_BYTES))
                except UnreadableFileError:
                    order = None
                self._file_orders[path] = order
        return [self._file_orders[path] for path in paths]

    def exists(self, path: str) -> bool:
        """Return whether a file still exists."""
        full = f"{self._base}/{path}"
        return self._store.exists(full) if self._store else bool(self._fs.exists(full))

    def open(self, path: str) -> AbstractContextManager[ChatSource]:
        """Open the transcripts of a file; sources.open_source lists the errors."""
        full = f"{self._base}/{path}"
        if self._store:
            return open_source(path.rsplit("/", 1)[-1], partial(self._store.open, full))
        opener = partial(open_regular, self._base)
        # Joining Paths takes a fourth of the time.
        return open_source(path.rsplit("/", 1)[-1], lambda: open(full, "rb", opener=opener))

    @contextmanager
    def opening_ahead(
        self, paths: Sequence[str]
    ) -> Iterator[Callable[[str], AbstractContextManager[ChatSource]]]:
        """Yield a function that opens the `paths`. They must be opened in order.

        The next objects of a store are fetched while the caller reads one.
        """
        if self._store is None:
            yield self.open
            return
        with self._store.fetching([f"{self._base}/{path}" for path in paths]) as fetcher:

            def open_fetched(path: str) -> AbstractContextManager[ChatSource]:
                return open_source(path.rsplit("/", 1)[-1], partial(fetcher.open, f"{self._base}/{path}"))

            yield open_fetched

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        try:
            return list(self._listed(folder, is_deep=False).values())
        except (FileNotFoundError, NotADirectoryError):
            raise PipelineError(
                f"there is no chat archive at {self.root}; give --archive or set CHAT_ARCHIVE"
            ) from None

    def _listed(self, folder: str, *, is_deep: bool) -> dict[str, dict[str, Any]]:
        """Return the entries of a folder, or all files below it, by path."""
        if self._store is None:
            if is_deep:
                found: dict[str, dict[str, Any]] = self._fs.find(folder, detail=True, withdirs=False)
                return found
            return {entry["name"]: entry for entry in self._fs.ls(folder, detail=True)}
        key = (folder.rstrip("/"), is_deep)
        if key in self._kept:
            return self._kept[key]
        if is_deep:
            listed = self._store.list_recursive(folder)
        else:
            listed = {entry["name"]: entry for entry in self._store.entries(folder)}
        if sum(map(len, self._kept.values())) + len(listed) <= _MOST_KEPT:
            self._kept[key] = listed
        return listed

    def _month_folders(self) -> Iterator[tuple[str, str, str]]:
        """Yield (year, month, folder) of each `YYYY/MM` folder."""
        for entry in self._entries(self._base):
            year = entry["name"].rstrip("/").rsplit("/", 1)[-1]
            if entry["type"] != "directory" or not _YEAR.fullmatch(year):
                continue
            for inner in self._entries(entry["name"]):
                folder = inner["name"].rstrip("/")
                number = folder.rsplit("/", 1)[-1]
                if inner["type"] == "directory" and _MONTH.fullmatch(number):
                    yield year, number, folder

    def _find(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every file below a folder with its details; nothing if the folder does not exist."""
        yield from self._listed(folder, is_deep=True).items()

    def _add_to(self, listing: MonthListing, full: str, info: dict[str, Any], month: str | None) -> None:
        path = full.removeprefix(self._base).lstrip("/")
        if info.get("islink") and self._leads_out(full):
            listing.links_outside.append(_printable(path))
            return
        name = path.rsplit("/", 1)[-1]
        if name.startswith(".") or "__MACOSX/" in path:  # .DS_Store and ._resource forks are never chats
            return
        if not name.lower().endswith(_CHAT_SUFFIXES):
            dot = name.rfind(".")
            listing.other_suffixes[name[dot:].lower() if dot > 0 else "(none)"] += 1
            return
        try:
            path.encode("utf-8")
        except UnicodeEncodeError:
            listing.unreadable_names.append(_printable(path))
            return
        listing.files.append(ArchiveFile(path, int(info.get("size") or 0), _modified(info), month))

    def _leads_out(self, path: str) -> bool:
        """Return whether a local path lies outside the archive after its symbolic links are resolved."""
        return self._is_local and leads_out(self._base, path)


def _month_in(path: str) -> str | None:
    """Return the month (`YYYY-MM`) that a file's folders or name give; None if they give none."""
    year, _, rest = path.partition("/")
    month, slash, _ = rest.partition("/")
    if slash and _YEAR.fullmatch(year) and _MONTH.fullmatch(month):
        return f"{year}-{month}"
    named = parse_file_name(path.rsplit("/", 1)[-1])
    return f"{named.time:%Y-%m}" if named is not None else None


def _months_between(one: str, other: str) -> int:
    """Return the distance between two months, in months: 1 for neighbouring months."""
    (year, month), (other_year, other_month) = (map(int, text.split("-")) for text in (one, other))
    return abs((year - other_year) * 12 + month - other_month)


def _printable(path: str) -> str:
    """Return a path as valid UTF-8; other bytes become escapes such as \\xff."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _modified(info: dict[str, Any]) -> datetime:
    """Return the time of a file's last change. Each file system has its own key for it."""
    value = next(
        (
            info[key]
            for key in ("mtime", "LastModified", "last_modified", "updated", "created")
            if info.get(key)
        ),
        0,
    )
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return datetime.fromtimestamp(float(value), UTC)

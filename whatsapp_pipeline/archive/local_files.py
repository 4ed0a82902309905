"""Opening a local file of the archive without leaving the archive.

What belongs here: checks for symbolic links, pipes and devices. What does not belong here: listing files
(chat_archive.py), and their content (sources.py, attachments.py).
"""

from __future__ import annotations

import errno
import os
import stat


def leads_out(root: str, path: str) -> bool:
    """Return whether a path lies outside the folder `root` after symbolic links are resolved."""
    real_root = os.path.realpath(root)
    return os.path.commonpath([real_root, os.path.realpath(path)]) != real_root


def open_regular(root: str, path: str, flags: int) -> int:
    """Open a regular file. Refuse a pipe or a device, which could block, and a link that leads out of `root`.

    The file may have become one of these since the archive was listed.
    """
    flags |= getattr(os, "O_NONBLOCK", 0)
    try:
        return _checked_regular(os.open(path, flags | getattr(os, "O_NOFOLLOW", 0)), path)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    if leads_out(root, path):
        raise OSError(errno.ELOOP, "a symbolic link that leads out of the archive", path)
    return _checked_regular(os.open(os.path.realpath(path), flags), path)


def _checked_regular(descriptor: int, path: str) -> int:
    """Return the descriptor of a regular file; close any other and raise OSError."""
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # `open` itself refuses a folder
        os.close(descriptor)
        raise OSError(errno.EINVAL, "a pipe or a device, not a file", path)
    return descriptor

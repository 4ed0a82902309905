"""The console's own script, style and icon, and their addresses.

What belongs here: naming and serving these files. What does not: their content (static/).
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC_FOLDER = Path(__file__).with_name("static")
_VERSIONS = {
    path.name: sha256(path.read_bytes()).hexdigest()[:12]
    for path in STATIC_FOLDER.iterdir()
    if path.suffix in {".css", ".js", ".svg"}
}


def static_address(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    return f"/static/{name}?v={_VERSIONS[name]}"


def static_text(name: str) -> str:
    """Return the text of a static file, for a page that must contain it."""
    return (STATIC_FOLDER / name).read_text(encoding="utf-8")


class VersionedFiles(StaticFiles):
    """Files whose addresses contain their version, so that browsers may keep them."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file that a browser may keep for a year."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response

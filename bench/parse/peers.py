"""The other readers: installed once, into an environment of their own under `.local/`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".local" / "bench-peers"
PYTHON_PEERS = ("wakit", "chatpack", "whatstk", "chat-miner")
NODE_PEER = "whatsapp-chat-parser"
# Readers too slow for the large file in a bench that people run: they get a fiftieth of it.
SLOW = frozenset({"whatstk", "chat-miner"})
NODE_MODULE = FOLDER / "node_modules" / NODE_PEER / "dist" / "index.js"


def install() -> list[str]:
    """Install what is missing; returns the peers that can be run here."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    python = FOLDER / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER / "venv")], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    ready = [peer for peer in PYTHON_PEERS if _installs([*pip, peer])]
    npm = shutil.which("npm")
    if npm and (
        NODE_MODULE.exists() or _installs([npm, "install", "--silent", "--prefix", str(FOLDER), NODE_PEER])
    ):
        ready.append(NODE_PEER)
    return ready


def _installs(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def command(name: str, path: Path, texts: Path) -> list[str]:
    """The command that runs a reader over a file."""
    here = Path(__file__).parent
    if name == NODE_PEER:
        return ["node", str(here / "contestant.mjs"), str(NODE_MODULE), str(path), str(texts)]
    python = sys.executable if name.startswith("ours") else str(FOLDER / "venv" / "bin" / "python")
    return [python, str(here / "contestant.py"), name, str(path), str(texts)]

"""Tab, in each shell, after the line that the README gives for it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT

_PLAIN = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"]}


def documented_line(shell: str) -> str:
    """The line that the README gives for a shell."""
    text = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^- {shell}, in `[^`]+`: `(.+)`$", text, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and the program on the PATH."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"HOME": str(tmp_path), "PATH": programs, "TERM": "dumb", "ZDOTDIR": str(tmp_path)}


def read_until(terminal: int, words: str) -> str:
    """Read what a shell writes until it has written `words`."""
    found = ""
    while words not in found:
        assert select.select([terminal], [], [], 60)[0], found
        found += os.read(terminal, 4096).decode(errors="replace")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completes_what_is_typed(environment: dict[str, str], shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    ours, theirs = pty.openpty()
    command = [program, *_PLAIN[shell], "-i"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            os.write(ours, f"{documented_line(shell)}; echo ready$((1 + 1))\n".encode())
            assert "not found" not in read_until(ours, "ready2")
            os.write(ours, b"whatsapp-pipeline export unm\t")
            read_until(ours, "atched")
            os.write(ours, b" --dec\t")
            read_until(ours, "imal-comma")
        finally:
            process.kill()
            os.close(ours)


@pytest.mark.slow
def test_fish_offers_what_fits(environment: dict[str, str]) -> None:
    program = shutil.which("fish")
    if program is None:
        pytest.skip("fish is not installed")
    asked = f"{documented_line('fish')}; complete -C 'whatsapp-pipeline export un'"
    done = subprocess.run(
        [program, "--no-config", "-c", asked], env=environment, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"unmatched", "unlinked-sessions"}

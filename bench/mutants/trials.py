"""Trying changes on a copy of the checkout: one at a time, against the tests of its area.

What belongs here: the copy, the server of all trials, running pytest and reading how it ended. What does not:
drawing changes and reporting them.

Each trial is a fork of this process, which has loaded the large packages once. The area's tests that ran
through the changed line before the change come first, then all others, until one fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import coverage
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench.mutants import plugin
from bench.mutants.areas import AREAS, Area
from bench.mutants.python_mutants import Mutant

State = Literal["killed", "survived", "timeout", "invalid"]
KEPT = Path(".local/mutants")
LIMIT_SECONDS = 1800  # a change that makes a loop endless is noticed, however late
_REFUSED = re.compile(r"psycopg\.errors\.SyntaxError|^E\s+SyntaxError", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a change, and the test that decided it."""

    mutant: Mutant
    area: str
    state: State
    test: str
    seconds: float


class Workshop:
    """A copy of the checkout, a server, and what each test ran through."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self._folder = folder
        self._server = ""
        self._kept: dict[str, Path] = {}
        self._green: set[tuple[Path, ...]] = set()

    def __enter__(self) -> Workshop:
        shutil.rmtree(self.root, ignore_errors=True)
        for name in subprocess.check_output(["git", "ls-files", "-z"], text=True).split("\0"):
            if name and Path(name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(name, self.root / name)
        os.environ["PYTHONPATH"] = str(self.root)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        from whatsapp_pipeline.embedded import server_url

        self._server = server_url(self._folder / "s", "postgres")
        with psycopg.connect(self._server, autocommit=True) as conn:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                conn.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            conn.execute("SELECT pg_reload_conf()")
            conn.execute("DROP DATABASE IF EXISTS template_migrated")
            conn.execute("CREATE DATABASE template_migrated")
        from whatsapp_pipeline.store.migrate import migrate

        migrate(make_conninfo(self._server, dbname="template_migrated"))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def _pytest(
        self, area: Area, env: dict[str, str], extra: list[str], limit: float
    ) -> tuple[int | None, str]:
        """Run an area's tests in a fork; return the exit code, or None at the limit, and the output."""
        output = self._folder / "output"
        tests = [str(path.relative_to(self.root)) for path in area.test_files(self.root)]
        pid = os.fork()
        if pid == 0:
            _run_forked(self.root, output, {plugin.SERVER: self._server, **env}, [*extra, *tests])
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status), output.read_text(encoding="utf-8", errors="replace")
            time.sleep(0.1)  # waitpid has no time limit of its own
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return None, ""

    def record(self, area: Area) -> None:
        """Run an area's tests unchanged, and note what each runs through; ends the tool where one fails.

        What was noted of the same code and tests is taken from KEPT.
        """
        kept = self._place(area)
        if not self.is_recorded(area):
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            queries = self._folder / "queries"
            env = {plugin.QUERIES_SEEN: str(queries), "COVERAGE_FILE": str((kept / "coverage").resolve())}
            extra = ["--cov=whatsapp_pipeline", "--cov-context=test", "--cov-report=", "--cov-fail-under=0"]
            code, output = self._pytest(area, env, extra, limit=3600)
            if code != 0:
                sys.exit(f"the tests of {area.name} fail without a change:\n{output[-3000:]}")
            shutil.copy(queries, kept / "queries")
        self._kept[area.name] = kept

    def require_green(self, area: Area) -> None:
        """Run an area's tests unchanged, once; ends the tool where one fails."""
        tests = tuple(area.test_files(self.root))
        if tests in self._green:
            return
        code, output = self._pytest(area, {}, [], limit=3600)
        if code != 0:
            sys.exit(f"{', '.join(area.tests)}: tests fail without a change:\n{output[-3000:]}")
        self._green.add(tests)

    def is_recorded(self, area: Area) -> bool:
        """Return whether the current tests of the area were run before."""
        return (self._place(area) / "queries").exists()

    def _place(self, area: Area) -> Path:
        return KEPT / f"{area.name}-{self._digest(area)}"

    def _digest(self, area: Area) -> str:
        """Name the contents of an area's files and tests."""
        files = [*area.files(self.root), *area.test_files(self.root)]
        return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]

    def _covering(self, area: Area, mutant: Mutant) -> list[str]:
        """Return the tests that ran through the changed line, those without a database first."""
        kept = self._kept.get(area.name)
        if kept is None:
            return []
        if mutant.path.endswith(".sql"):
            seen = json.loads((kept / "queries").read_text(encoding="utf-8"))
            tests = seen.get(mutant.path.removeprefix("sql/queries/").removesuffix(".sql"), [])
        else:
            data = coverage.CoverageData(str(kept / "coverage"))
            data.read()
            path = next((name for name in data.measured_files() if name.endswith(f"/{mutant.path}")), "")
            lines = data.contexts_by_lineno(path)
            # A statement over several lines is noted at its first one.
            line = max((known for known in lines if known <= mutant.line), default=0)
            tests = [context.rsplit("|", 1)[0] for context in lines.get(line, ()) if context]
        return sorted(dict.fromkeys(tests), key=lambda test: "/domain/" not in test)

    def run_or_recall(self, area: Area, mutant: Mutant) -> Trial:
        """Return how the change ended before against the same code and tests, or try it now."""
        self.record(area)
        noted = self._place(area) / f"{sha256(repr(mutant).encode()).hexdigest()[:16]}.json"
        if noted.exists():
            return Trial(mutant, area.name, **json.loads(noted.read_text(encoding="utf-8")))
        trial = self.run(area, mutant)
        found = {"state": trial.state, "test": trial.test, "seconds": trial.seconds}
        noted.write_text(json.dumps(found), encoding="utf-8")
        return trial

    def run(self, area: Area, mutant: Mutant) -> Trial:
        """Make a change, run the tests until one fails, and take the change back."""
        began = time.monotonic()
        path = self.root / mutant.path
        text = path.read_text(encoding="utf-8")
        order = self._folder / "order"
        order.write_text(json.dumps(self._covering(area, mutant)), encoding="utf-8")
        path.write_text(mutant.apply(text), encoding="utf-8")
        try:
            code, output = self._pytest(area, {plugin.ORDER: str(order)}, ["-x"], LIMIT_SECONDS)
        finally:
            path.write_text(text, encoding="utf-8")
            plugin.drop_leftovers(self._server)
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
        state: State = "killed"
        if code is None:
            state = "timeout"
        elif code == 0:
            state = "survived"
        elif _REFUSED.search(output):
            state = "invalid"
        return Trial(mutant, area.name, state, failed[1] if failed else "", time.monotonic() - began)


def _run_forked(root: Path, output: Path, env: dict[str, str], arguments: list[str]) -> None:
    """Run pytest in the copy; never returns."""
    code = 70
    try:
        os.setpgid(0, 0)
        os.environ.update(env)
        os.chdir(root)
        sys.path.insert(0, str(root))
        target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(target, stream)
        for name in [
            name for name in sys.modules if name.startswith(("whatsapp_pipeline", "_pytest.assertion"))
        ]:
            if name.startswith("whatsapp_pipeline"):
                del sys.modules[name]
        import pytest

        options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "bench.mutants.plugin"]
        code = int(pytest.main([*options, *arguments]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def area_of(name: str) -> Area:
    """Return the area with a name."""
    return next(area for area in AREAS if area.name == name)

"""All benches, or some, one after the other, and one document of what they found: `make bench`.

    python -m bench [parse link webhook summaries load scale console exports objects cluster]
                    [--join] [--publish]

`--join` runs nothing and puts together what lies under bench/results/; `--publish` writes it to
bench/RESULTS.md, which is kept in the repository. Each section is one run of one bench: figures are compared
within a section only.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from bench.report import RESULTS_DIR, machine

SPLINK = Path(".local/bench-venv/bin/python")
BENCHES: dict[str, tuple[tuple[str, ...], ...]] = {
    "parse": (("bench.parse",),),
    "link": (
        ("bench.link.phones",),
        ("bench.link.names", "--competitors", *(("--splink", str(SPLINK)) if SPLINK.exists() else ())),
        ("bench.link.linked",),
        ("bench.link.relatives",),
        ("bench.link.orders",),
    ),
    "webhook": (("bench.webhook", "--write"),),
    "summaries": (("bench.summaries.accuracy",), ("bench.summaries.scale",)),
    "load": (("bench.load",),),
    "scale": (
        ("bench.end_to_end",),
        ("bench.end_to_end.linearity",),
        ("bench.dagster_overhead",),
        ("bench.checks",),
    ),
    "console": (("bench.console", "--write"),),
    "exports": (("bench.exports", "--write"),),
    "objects": (("bench.objects", "--write"),),
    "cluster": (("bench.cluster", "--write"),),
}
PUBLISHED = Path(__file__).with_name("RESULTS.md")


def _with_anchors(name: str, table: str) -> str:
    """Give each row an anchor, `bench-row-in-words`, for a claim elsewhere to link to."""

    def anchored(row: re.Match[str]) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", f"{name} {row[1]}".lower()).strip("-")
        return f'| <a id="{slug}"></a>{row[1]} |'

    return re.sub(r"^\| (?!what \||-)(.+?) \|", anchored, table, flags=re.MULTILINE)


def join() -> str:
    """Put the results of all benches into one document; write it beside them, as Markdown and as JSON."""
    found = [path for path in sorted(RESULTS_DIR.glob("*.json")) if path.stem != "all"]
    documents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}
    lines = [
        "# Benches",
        "",
        f"On {machine()}.",
        "Each section is one run of the command it names; figures are compared within a section only.",
        "The ratio is to the row that has 1.00. Other work on the machine shows in the wall clock, and less",
        "in the processor's time.",
        "",
    ]
    for name in documents:
        text = (RESULTS_DIR / f"{name}.md").read_text(encoding="utf-8").strip()
        lines += [_with_anchors(name, text.replace("# ", "## ", 1)), ""]
    lines += [
        "The webhook's figures are in [webhook/RESULTS.md](webhook/RESULTS.md), those of the console in",
        "[console/RESULTS.md](console/RESULTS.md). These pages show where the time goes:",
        "[parse/PROFILE.md](parse/PROFILE.md) and [end_to_end/PROFILE.md](end_to_end/PROFILE.md), more on",
        "summaries in [summaries/README.md](summaries/README.md).",
        "",
    ]
    document = "\n".join(lines)
    (RESULTS_DIR / "all.md").write_text(document, encoding="utf-8")
    (RESULTS_DIR / "all.json").write_text(json.dumps(documents, indent=1), encoding="utf-8")
    return document


def main() -> None:
    """Run what is asked for and print the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="which; left out: all")
    parser.add_argument("--join", action="store_true", help="run nothing")
    parser.add_argument("--publish", action="store_true", help=f"write {PUBLISHED.name}")
    arguments = parser.parse_args()
    RESULTS_DIR.mkdir(exist_ok=True)
    failed = []
    if not arguments.join:
        for name in arguments.names or BENCHES:
            for module, *options in BENCHES[name]:
                print(f"\n── {module}", flush=True)
                if subprocess.run([sys.executable, "-m", module, *options], check=False).returncode:
                    failed.append(module)
    document = join()
    if arguments.publish:
        PUBLISHED.write_text(document, encoding="utf-8")
    print(document)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

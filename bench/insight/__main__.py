"""Precision and recall of commitments, moods, topics and search on a folder of labelled files.

    python -m bench.insight FOLDER [--errors] [--url postgresql://…]

Search is tried in a database of its own on that server, or on the embedded one, and the database is dropped
afterwards.

The files are described in whatsapp_pipeline_tests/truth/insight_accuracy.py; a file that is missing is
left out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline_tests.truth.insight_accuracy import (
    Accuracy,
    commitments_accuracy,
    intake_negatives,
    macro_f1,
    mood_accuracy,
    search_misses,
    topics_accuracy,
)

_NAME = "bench_insight"


def _print(title: str, accuracy: Accuracy, *, errors: bool) -> None:
    print(title)
    for name, one in sorted(accuracy.measures.items()):
        print(f"  {name:20} precision {one.precision:.3f} recall {one.recall:.3f} of {one.hits + one.missed}")
    for line in accuracy.errors if errors else ():
        print(f"    {line}")


def _search(path: Path, base: str | None, *, errors: bool) -> None:
    url = base or server_url(Path(tempfile.mkdtemp(prefix="wp-")), "postgres")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_NAME)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_NAME)))
        own = make_conninfo(url, dbname=_NAME)
        migrate(own)
        with connect(own) as conn:
            cases, failed = search_misses(conn, path)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_NAME)))
    print(f"search: {cases - len(failed)} of {cases} queries")
    for line in failed if errors else ():
        print(f"    {line}")


def main() -> None:
    """Print the figures of each file that the folder has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--errors", action="store_true", help="print what was read wrongly")
    parser.add_argument("--url", help="server for search; default: an embedded one of its own")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    if (path := folder / "commitments.tsv").exists():
        kinds, values = commitments_accuracy(path)
        _print("commitments, by kind", kinds, errors=arguments.errors)
        _print("commitments, with amount, date and length", values, errors=False)
    if (path := folder / "mood.jsonl").exists():
        _print("moods of conversations", mood_accuracy(path), errors=arguments.errors)
    if (path := folder / "intake.txt").exists():
        wrong = intake_negatives(path)
        print(f"plain requests read as negative: {len(wrong)}")
        for line in wrong if arguments.errors else ():
            print(f"    {line}")
    if (path := folder / "topics.tsv").exists():
        topics = topics_accuracy(path)
        _print(f"topics: macro-F1 {macro_f1(topics):.3f}", topics, errors=arguments.errors)
    if (path := folder / "search.tsv").exists():
        _search(path, arguments.url, errors=arguments.errors)


if __name__ == "__main__":
    main()

"""Files that could not be read, over the API: their findings between the lines, and choosing how to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.test_api import Api, open_api

BAD = "2025/01/ruim.txt"


@pytest.fixture
def api(fresh_database_url: str, tmp_path: Path) -> Iterator[Api]:
    folder = tmp_path / "2025" / "01"
    folder.mkdir(parents=True)
    lines = [f"05/01/2025 10:0{n} - Ana: linha {n}" for n in range(1, 8)]
    (folder / "ruim.txt").write_text("\n".join([*lines[:3], "99/99/9999 torta", *lines[4:]]), "utf-8")
    with open_api(fresh_database_url, ConsoleConfig(archive=str(tmp_path))) as made:
        with connect(fresh_database_url) as conn:
            conn.execute(
                "INSERT INTO chat_files (filename, file_path, month, processing_status, content_hash)"
                " SELECT n || '.txt', '2025/01/' || n || '.txt', '2025-01', 'loaded', 'h'"
                " FROM unnest('{ruim,um,dois}'::text[]) n"
            )
            conn.execute(
                "INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail) VALUES"
                " ('chat_messages', %(bad)s, '2025-01', 4, 'invalid_date', 'error', 'no date that fits'),"
                " ('chat_messages', %(bad)s, '2025-01', NULL, 'of_tomorrow', 'warning', 'x')",
                {"bad": BAD},
            )
        yield made


def test_a_file_has_its_findings_between_the_lines(api: Api) -> None:
    found = api.get("unread/file", "analyst", file=BAD)
    assert (found["file"], found["month"], found["has_more"], found["reread"]) == (
        BAD,
        "2025-01",
        False,
        None,
    )
    whole, line = found["findings"]
    assert (whole["line"], whole["words"], whole["near"]) == (None, "outra ocorrência", [])
    assert (line["kind"], line["words"], line["severity"], line["detail"]) == (
        "invalid_date",
        "data ou hora que não existe",
        "error",
        "no date that fits",
    )
    assert [one["line"] for one in line["near"]] == [2, 3, 4, 5, 6]
    assert line["near"][2]["text"] == "99/99/9999 torta"
    assert api.rows("SELECT action FROM console_views") == [("view",)]
    assert api.client("analyst").get("unread/file", params={"file": "nenhum.txt"}).status_code == 404


def test_how_a_file_is_read_is_chosen(api: Api) -> None:
    reviewer = api.client("reviewer")
    made = reviewer.post("rereads", json={"file": BAD, "format": "android", "owner": "Loja"})
    assert made.status_code == 201
    choice = made.json()
    assert choice["options"] == {"format": "android", "owner": ["Loja"]}
    assert (choice["file"], choice["requested_by"], choice["read_at"]) == (BAD, "client.reviewer", None)
    assert api.rows("SELECT parse_options FROM chat_files WHERE file_path = %s", BAD) == [
        ({"format": "android", "owner": ["Loja"]},)
    ]
    assert api.get("unread/file", "analyst", file=BAD)["reread"] == choice
    again = reviewer.post("rereads", json={"file": BAD, "format": "auto", "date_order": "mdy"}).json()
    assert again["options"] == {"format": None, "date_order": "mdy"}
    for file in ("2025/01/um.txt", "2025/01/dois.txt"):
        assert reviewer.post("rereads", json={"file": file, "date_order": "ymd"}).status_code == 201
    waiting = [one["file"] for one in api.all_items("rereads", "analyst", limit=1)]
    assert waiting == ["2025/01/dois.txt", BAD, "2025/01/um.txt"]
    api.rows("UPDATE chat_rereads SET indexed_at = now(), read_at = now() RETURNING 1")
    assert api.get("rereads", "analyst")["items"] == []
    assert api.get("unread/file", "analyst", file="2025/01/um.txt")["reread"]["read_at"] is not None


def test_unfit_choices_change_nothing(api: Api) -> None:
    for body, status in (
        ({"file": BAD}, 422),
        ({"file": BAD, "format": "word"}, 422),
        ({"file": BAD, "owner": " \x00 "}, 422),
        ({"file": BAD, "extra": 1}, 422),
        ({"format": "ios"}, 422),
        ({"file": "2025/01/nenhum.txt", "format": "ios"}, 404),
    ):
        refused = api.client("reviewer").post("rereads", json=body)
        assert refused.status_code == status, json.dumps(body)
    unread = api.client("analyst").post("rereads", json={"file": BAD, "format": "ios"})
    assert unread.status_code == 403
    assert api.rows("SELECT FROM chat_rereads") == []

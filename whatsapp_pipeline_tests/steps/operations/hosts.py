"""Hosts for tests: each has a disk of its own with copies of two people, and an environment."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.operations import local_erasures
from whatsapp_pipeline.steps.operations.local_erasures import apply_erasures
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.webhook.quarantine import Quarantine, quarantine_directory
from whatsapp_pipeline.webhook.spool import spool_directory
from whatsapp_pipeline_tests.webhook.deliveries import delivery, text

LOG = logging.getLogger(__name__)
MARIA, JOAO = 101, 102
MOBILE = "+55 41 99999-0001"
DIGITS = "5541999990001"


class Host:
    """A host: its disk with copies of Maria and Joao, and its environment."""

    def __init__(self, disk: Path, url: str) -> None:
        self.disk, self.name = disk, disk.name
        self.environment = {
            "DATABASE_URL": url,
            "PIPELINE_LOCAL_DIR": str(disk),
            "PIPELINE_HOST_NAME": disk.name,
            "PRIVACY_KEY": "k" * 32,
            "SEVERAL_HOSTS": "1",
        }
        self.settings = settings.from_mapping(self.environment)

    def keep_copies(self) -> None:
        """Write a saved page, a report and a quarantined body about Maria."""
        pages = self.disk / "erp_backup" / "20250105T100000000000" / "contatos"
        pages.mkdir(parents=True)
        items = [{"id": MARIA, "nome": "Maria Souza", "celular": MOBILE}, {"id": JOAO, "nome": "Joao"}]
        (pages / "B-000000.json").write_text(json.dumps({"itens": items}))
        (self.disk / "reports").mkdir()
        (self.disk / "reports" / "qa-all.html").write_text("Maria Souza")
        quarantine = Quarantine(quarantine_directory(spool_directory(self.settings)))
        quarantine.keep(json.dumps(delivery(text("wamid.1", "Maria aqui", sender=DIGITS))).encode())

    def holds(self, words: str) -> list[str]:
        """Name the files that contain the words."""
        return sorted(
            path.name
            for path in self.disk.rglob("*")
            if path.is_file() and words.encode() in path.read_bytes()
        )

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(cli, words, env=self.environment)

    def apply(self, conn: Connection, *, register: bool = False) -> local_erasures.AppliedErasures:
        return apply_erasures(conn, self.settings, register=register, log=LOG)


def database_of_hosts(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Store the two people in a fresh database, and set the hosts' privacy key; return the URL."""
    monkeypatch.setenv("PRIVACY_KEY", "k" * 32)
    with connect(url) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome, celular) VALUES (%s, 'Maria Souza', %s), (%s, 'Joao', '')",
            (MARIA, MOBILE, JOAO),
        )
        normalize_contacts(conn, default_area_code=None, log=LOG)
    return url

"""The generator of archives: the same bytes for the same options, and the distributions it promises."""

from __future__ import annotations

import csv
import re
import statistics
import time
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from whatsapp_pipeline.cli.sample import sample
from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.domain.titles import parse_file_name, parse_title
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox.archive import CHATS_FOLDER, write_sample
from whatsapp_pipeline.sandbox.erp_server import ErpSandbox
from whatsapp_pipeline.sandbox.plan import SampleOptions, make_world, month_keys
from whatsapp_pipeline.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow

DATA = PROJECT_ROOT / "data"
OPTIONS = SampleOptions(7, 1000, 1500, month_keys("2024-11", "2025-10"), largest=3000)
_HEADER = re.compile(rb"(?m)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (from|to|notification)\b")


class Sample:
    """A generated archive and its truth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = self._table("truth.csv")
        self.sessions = self._table("truth_sessions.csv")
        # UTF-16 files are few: counts below leave them out.
        self.texts = {
            row["file_path"]: (folder / CHATS_FOLDER / row["file_path"]).read_bytes() for row in self.files
        }

    def _table(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    def share(self, pattern: bytes) -> float:
        """The share of files that hold `pattern`."""
        return sum(re.search(pattern, text) is not None for text in self.texts.values()) / len(self.texts)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, OPTIONS)
    return Sample(folder)


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "README.md"
    }


def test_the_sample_in_data_is_what_its_command_writes(tmp_path: Path) -> None:
    command = re.search(
        r"^whatsapp-pipeline sample --out data (.+)$", (DATA / "README.md").read_text(), re.MULTILINE
    )
    assert command is not None
    result = CliRunner().invoke(sample, ["--out", str(tmp_path / "data"), *command[1].split()])
    assert result.exit_code == 0, result.output
    assert _tree(tmp_path / "data") == _tree(DATA)
    assert sum(map(len, _tree(DATA).values())) < 1_000_000


def test_another_seed_gives_another_archive(tmp_path: Path) -> None:
    months = ("2025-01",)
    for seed in (1, 2):
        write_sample(tmp_path / str(seed), SampleOptions(seed, 20, 5, months))
    assert (
        _tree(tmp_path / "1")
        .keys()
        .isdisjoint(name for name in _tree(tmp_path / "2") if name.endswith(".txt"))
    )


def test_usage_errors(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    for arguments in (["--out", str(tmp_path)], ["--out", str(tmp_path / "y"), "--months", "2025-13"]):
        assert CliRunner().invoke(sample, arguments).exit_code == 2
    with pytest.raises(PipelineError, match="ask for more contacts"):
        make_world(SampleOptions(1, 1, 1000, ("2025-01",)))


def test_files_stand_in_their_month_under_names_that_can_be_read(archive: Sample) -> None:
    assert len(archive.files) == len(set(archive.texts)) == OPTIONS.files
    wrapped = 0
    numbers = {row["numero_ordem_servico"] for row in archive.sessions}
    for row in archive.files:
        parts = row["file_path"].split("/")
        assert f"{parts[0]}-{parts[1]}" == row["month"]
        name = parse_file_name(parts[-1])
        assert name is not None
        wrapped += len(parts) == 4
        if row["title_kind"] in {"mobile", "landline", "foreign"}:
            phone = parse_phone(name.title)
            assert phone is not None
            assert phone.key == row["phone_key"]
        elif row["title_kind"] == "name_os":
            assert parse_title(name.title).order_reference in numbers
    assert 0 < wrapped < 0.08 * OPTIONS.files


def test_titles(archive: Sample) -> None:
    kinds = Counter(row["title_kind"] for row in archive.files)
    bare = sum(kinds[kind] for kind in ("mobile", "landline", "foreign"))
    assert 0.90 < bare / OPTIONS.files < 0.96
    assert kinds["landline"] > 10
    assert {"name", "name_os", "name_device", "first_last", "nickname", "emoji", "group", "foreign"} <= set(
        kinds
    )


def test_phones_as_the_erp_has_them(archive: Sample) -> None:
    people = make_world(OPTIONS).people
    ways = Counter(person.phone_way for person in people)
    assert 0.12 < ways["unknown_area"] / len(people) < 0.20
    assert all(person.celular.startswith("(xx)") for person in people if person.phone_way == "unknown_area")
    assert set(ways) == {
        "celular",
        "celular_no_ninth",
        "unknown_area",
        "celular_e164",
        "celular_words",
        "two_numbers",
        "telefone",
        "none",
    }
    assert any(person.shared_with is not None for person in people)
    assert len({person.id for person in people}) == len(people)


def test_truth_names_the_contact_whose_number_it_is(archive: Sample) -> None:
    people = {person.id: person for person in make_world(OPTIONS).people}
    holders = Counter(p.key for p in people.values() if p.phone_way not in {"none", "unknown_area"})
    named = [row for row in archive.files if row["id_contato"]]
    assert 0.8 < len(named) / OPTIONS.files < 0.92
    for row in named:
        assert people[int(row["id_contato"])].key == row["phone_key"]
        assert int(row["phone_contacts"]) == holders[row["phone_key"]]


def test_sizes(archive: Sample) -> None:
    blocks = sorted(int(row["blocks"]) for row in archive.files)
    assert blocks[0] >= 2
    assert 12 <= statistics.median(blocks) <= 16
    assert 60 <= blocks[int(len(blocks) * 0.95)] <= 95
    assert blocks[-1] > 2500


def test_what_makes_files_hard_to_read_is_there(archive: Sample) -> None:
    times = [[match[1] for match in _HEADER.finditer(text)] for text in archive.texts.values()]
    assert 0.55 < sum(sorted(found) != found for found in times) / len(times) < 0.78
    assert any(len(set(found)) < len(found) for found in times)
    assert 0.9 < archive.share(b"criptografia de ponta a ponta") <= 1
    assert 0.4 < archive.share("é um contato\\.".encode()) < 0.75
    assert 0.2 < archive.share("➜ Respondendo para".encode()) < 0.6
    for pattern in (
        "\u2028",
        "Chamada de voz perdida",
        "Esta mensagem foi excluída",
        r"\.jpg \(Imagem\)\n[\d.]+ KB",
        r"\.m4a \(Áudio\)\n\d\d:\d\d",
        r"Reproduzida\n\d\d:\d\d\n",
        r"Reproduzida\n\n\d\d:\d\d\n",
        r"\.pdf \(Documento\)\n[\d.]+ MB",
        r"« \(Áudio\) »|« \(Imagem\) »",
        r"(?m)^-{52}\n(?!.+\n\d{4}-)",
        r"OS \d{5}",
        r"\(\+55\d{10}\)",
        r"\(\+\d{15}\)",
        "\\A\ufeff",
    ):
        assert archive.share(pattern.encode()) > 0, pattern
    assert archive.share(rb"(?s)(-{52}\n.{0,400}?\n\n)\1") > 0  # a block twice
    assert archive.share(rb"\r\n") > 0
    assert archive.share(rb"(?s)\A\xff\xfe") > 0


def test_sessions_are_a_day_apart_and_keep_within_themselves(archive: Sample) -> None:
    by_file: dict[str, list[datetime]] = {}
    for row in archive.sessions:
        by_file.setdefault(row["file_path"], []).append(datetime.fromisoformat(row["started_at"]))
    for starts in by_file.values():
        assert starts == sorted(starts)
        assert all(b - a >= timedelta(hours=30) for a, b in pairwise(starts))
    assert sum(row["names_order"] == "true" for row in archive.sessions) > 100
    assert {row["mood"] for row in archive.sessions} == {"positive", "neutral", "negative"}


def test_customers_come_back_and_orders_are_those_of_the_erp(archive: Sample) -> None:
    erp = ErpSandbox.of_folder(archive.folder / "erp")
    orders = {int(item["id"]): item for item in erp.details.values()}
    assert len(erp.contacts) == OPTIONS.contacts
    assert len(orders) == len(erp.orders) > 500
    visits = Counter(row["id_contato"] for row in archive.files if row["id_contato"])
    assert sum(count > 1 for count in visits.values()) > 100
    files = {row["file_path"]: row for row in archive.files}
    linked = [row for row in archive.sessions if row["id_ordem_servico"]]
    for row in linked:
        order = orders[int(row["id_ordem_servico"])]
        assert str(order["contato"]["id"]) == files[row["file_path"]]["id_contato"]
        assert order["numeroOrdemServico"] == row["numero_ordem_servico"]
        if row["names_order"] == "true":
            text = archive.texts[row["file_path"]]
            assert row["numero_ordem_servico"].encode() in text.replace(b"\x00", b"")
    assert len(linked) > 500


def test_a_large_file_goes_back_years_and_generating_is_fast(tmp_path: Path) -> None:
    began = time.process_time()
    report = write_sample(
        tmp_path, SampleOptions(3, 2000, 1000, ("2025-06",), median_messages=40, largest=14_000)
    )
    seconds = time.process_time() - began
    largest = max((tmp_path / CHATS_FOLDER).rglob("*.txt"), key=lambda path: path.stat().st_size)
    times = sorted(match[1] for match in _HEADER.finditer(largest.read_bytes()))
    assert 12_000 < len(times) < 16_500
    assert times[0] < b"2024"
    assert report.messages / seconds > 10_000

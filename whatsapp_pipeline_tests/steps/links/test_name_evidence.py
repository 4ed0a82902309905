"""Names through the database: few contacts by plain rules, many by a model that is fitted once and kept."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import pytest

from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.links.name_evidence import TitleNames
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import models
from whatsapp_pipeline_tests.steps.links.linking_rows import add_chat, add_contact
from whatsapp_pipeline_tests.truth.linked_months import link_month

LOG = logging.getLogger(__name__)
FIRST = ["Aline", "Beatriz", "Caio", "Davi", "Eduardo", "Fabiana", "Gilson", "Hugo", "Iara", "Joana", "Nilo"]
LAST = ["Alves", "Barros", "Costa", "Dias", "Esteves", "Faria", "Gomes", "Horta", "Klein", "Leal", "Reis"]


@pytest.fixture
def fresh(fresh_database_url: str) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        yield conn


def _status(conn: Connection, title: str) -> tuple[str, int | None]:
    row = conn.execute(
        "SELECT match_status, id_contato FROM chat_files WHERE title = %s", (title,)
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _link(conn: Connection) -> int:
    return link_month(conn, "2025-01", LinkOptions(name_fit_titles=1200), log=LOG).changed["chats"]


def test_few_contacts_are_matched_by_plain_rules(fresh: Connection) -> None:
    for id_, name in enumerate(["Maria Silva", "João Pereira", "Ana Lima Souza", "Bruno Souza"], 1):
        add_contact(fresh, id_, name)
    for title in ("maria silva notebook", "José Silva", "Zuleica Prado", "Souza", "Joao Pereyra"):
        add_chat(fresh, title)
    _link(fresh)
    assert _status(fresh, "maria silva notebook") == ("linked", 1)
    assert _status(fresh, "Joao Pereyra") == ("linked", 2)
    assert _status(fresh, "José Silva")[0] == "unmatched"
    assert _status(fresh, "Zuleica Prado") == ("unmatched", None)
    assert _status(fresh, "Souza")[0] == "ambiguous"
    assert models.newest(fresh, "names") is None


def test_a_model_is_fitted_once_kept_and_refitted_when_people_taught_it(fresh: Connection) -> None:
    rng = random.Random(1)
    names = sorted({f"{rng.choice(FIRST)} {rng.choice(LAST)}" for _ in range(90)})
    for id_, name in enumerate(names, 1):
        add_contact(fresh, id_, name)
    add_chat(fresh, names[3].lower())
    add_chat(fresh, "Xerxes Quaresma")
    _link(fresh)
    assert _status(fresh, names[3].lower()) == ("linked", 4)
    assert _status(fresh, "Xerxes Quaresma") == ("unmatched", None)
    fitted = models.newest(fresh, "names")
    assert fitted is not None
    assert (fitted.contacts, fitted.overrides) == (len(names), 0)
    assert fitted.reliability

    assert _link(fresh) == 0
    again = models.newest(fresh, "names")
    assert again is not None
    assert again.id == fitted.id

    for number in range(20):
        fresh.execute(
            "SELECT override_link('title', %s, 'contact', %s, 'known')", (f"Apelido {number}", number + 1)
        )
    _link(fresh)
    taught = models.newest(fresh, "names")
    assert taught is not None
    assert (taught.id > fitted.id, taught.overrides) == (True, 20)


def test_a_live_conversation_takes_the_model_that_is_there_and_never_fits_one(fresh: Connection) -> None:
    rng = random.Random(1)
    names = sorted({f"{rng.choice(FIRST)} {rng.choice(LAST)}" for _ in range(200)})

    def contacts_of(title: str, *, may_fit: bool) -> list[int] | None:
        found = TitleNames(seed=0, fit_titles=1200, log=LOG, may_fit=may_fit).evidence(fresh, {7: title})
        return [contact for contact, _, _ in found[7].candidates][:1] if found else None

    add_contact(fresh, 1, names[0])
    is_due = TitleNames(seed=0, fit_titles=1200, log=LOG).is_due
    assert contacts_of(names[0], may_fit=False) == [1]  # few contacts are compared by plain rules
    assert not is_due(fresh)
    for id_, name in enumerate(names[1:], 2):
        add_contact(fresh, id_, name)
    assert contacts_of(names[3], may_fit=False) is None
    assert is_due(fresh)
    assert models.newest(fresh, "names") is None
    assert contacts_of(names[3], may_fit=True) == [4]
    assert not is_due(fresh)
    fresh.execute("DELETE FROM contatos WHERE id > 70")  # a run would fit again
    assert is_due(fresh)
    assert contacts_of(names[3], may_fit=False) == [4]
    fresh.execute("UPDATE link_models SET version = 'another'")
    assert contacts_of(names[3], may_fit=False) is None


def test_the_evidence_of_a_name_adds_up_to_its_confidence(fresh: Connection) -> None:
    for id_, name in enumerate(["Maria Silva", "Maria Silva Costa"], 1):
        add_contact(fresh, id_, name)
    add_chat(fresh, "Maria Silva")
    _link(fresh)
    rows = fresh.execute("SELECT confidence, evidence FROM match_candidates ORDER BY rank").fetchall()
    first, second = (sum(feature["weight"] for feature in evidence) for _, evidence in rows)
    assert first == pytest.approx(second, abs=1e-6)
    assert rows[0][0] == pytest.approx(rows[1][0])

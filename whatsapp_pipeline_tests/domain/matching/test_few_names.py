"""Names in a table too small to fit a model on: the table that pins the rules.

What belongs here: titles → confidence by words that agree, and where these rules end. What does not: the name
model (test_names.py).
"""

from __future__ import annotations

import pytest

from whatsapp_pipeline.domain.matching.few_names import match_few, word_agreement
from whatsapp_pipeline.domain.matching.link_types import Policy
from whatsapp_pipeline.domain.matching.names import ContactName
from whatsapp_pipeline.domain.matching.offline import ContactRow, Tables, TitleRow, link_titles

ANA = ContactName(1, "Ana Lima Prado Couto", "Papelaria Central")


@pytest.mark.parametrize(
    ("title", "confidence"),
    [
        ("Ana", 0.668),
        ("Ana Lima", 0.964),
        ("Ana Lima Prado", 0.982),
        ("Ana Lima Prado Couto", 0.982),
        ("Ana Zeca", 0.142),
        ("Ana Lima Zeca", 0.69),
        ("Ana Lima Prado Zeca", 0.818),
        ("Papelaria Central", 0.964),
        ("Zeca Bento", None),
        ("Ana Ana", 0.142),
        ("Mãe da Ana Lima Prado", 0.589),
        ("Ana Lima Prado indicou", 0.589),
        ("Ano Lima", 0.579),
    ],
)
def test_words_that_agree_give_this_confidence(title: str, confidence: float | None) -> None:
    found = match_few([title], [ANA])[0].candidates
    assert bool(found) == (confidence is not None)
    if confidence is not None:
        assert found[0][1] == pytest.approx(confidence, abs=0.0006)


@pytest.mark.parametrize(
    ("title", "name", "share"),
    [
        ("Amanda", "Amanda", 1.0),
        ("Marcelo", "Marcela", 0.0),
        ("Lima Marcelo", "Marcela Lima", 0.5),
        ("Margarida", "Margaritax", 0.0),
        ("Bruna", "Bruno", 0.0),
        ("Ana Zeca", "Ana Lima", 0.5),
        ("📱", "Ana Lima", 0.0),
    ],
)
def test_a_slip_in_a_long_word_agrees(title: str, name: str, share: float) -> None:
    assert word_agreement(title, name) == share


@pytest.mark.parametrize(
    ("name", "title", "confidence", "reason"),
    [
        ("Elaine Fontes", "Elaine de Fontes", 0.964, "words_agree"),
        ("Fabio Almeida da Cruz", "Fabia Almeida da Cruz", 0.589, "gender_differs"),
        ("Marcelo Lima", "Marcela Lima", 0.579, "gender_differs"),
        ("Marcos Vieira Prado", "Mãe do Marcos Vieira Prado", 0.589, "relation"),
        ("Marcos Vieira Prado", "Amigo do Marcos Vieira", 0.579, "relation"),
        ("Casa &amp; Cia", "Casa & Cia", 0.964, "words_agree"),
        ("Casa Ltda", "Casa & Cia", 0.142, "words_missed"),
        ("José Gomes Souza", "J. Gomes Souza", 0.69, "words_missed"),
    ],
)
def test_another_person_is_proposed_and_the_reason_said(
    name: str, title: str, confidence: float, reason: str
) -> None:
    ((_, posterior, features),) = match_few([title], [ContactName(1, name, "")])[0].candidates
    assert posterior == pytest.approx(confidence, abs=0.0006)
    assert features[-1].name == reason


def test_the_best_of_two_spellings_is_first_and_the_other_gender_second() -> None:
    names = [ContactName(1, "Thalita Quevedo Paz", ""), ContactName(2, "Talita de Quevedo Pas", "")]
    assert [c[0] for c in match_few(["Thalita de Quevedo Paz"], names)[0].candidates] == [1, 2]
    names = [ContactName(1, "Marcelo Lima Prado", ""), ContactName(2, "Marcela Lima Prado", "")]
    assert [c[0] for c in match_few(["Marcela Lima Prado"], names)[0].candidates] == [2, 1]


def test_namesakes_compete_and_five_are_listed() -> None:
    names = [ContactName(number, "Ana Lima", "") for number in range(1, 8)]
    candidates = match_few(["Ana Lima"], names)[0].candidates
    assert [candidate[0] for candidate in candidates] == [1, 2, 3, 4, 5]
    assert candidates[0][1] == pytest.approx(0.142, abs=0.0006)


@pytest.mark.parametrize(("contacts", "by_rules"), [(59, True), (60, False)])
def test_the_rules_end_where_a_model_can_be_fitted(contacts: int, by_rules: bool) -> None:
    rows = [
        ContactRow(n, f"Ana {chr(97 + n % 26)}ima{chr(97 + n // 26)}", "", "", "") for n in range(contacts)
    ]
    decision = link_titles(Tables(rows), [TitleRow("Ana bimaa", None)], policy=Policy())[0]
    evidence = decision.contact.candidates[0].evidence
    assert any(feature.name == "words_agree" for feature in evidence) == by_rules

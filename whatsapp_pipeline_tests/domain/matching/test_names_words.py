"""Reading names and titles into words, and words into what they may stand for."""

from __future__ import annotations

import numpy as np
import pytest

from whatsapp_pipeline.domain.matching.names import ContactName
from whatsapp_pipeline.domain.matching.names.cleaning import clean_contact, clean_title
from whatsapp_pipeline.domain.matching.names.index import ContactTable
from whatsapp_pipeline.domain.matching.names.phonetic import phonetic_key
from whatsapp_pipeline.domain.matching.names.similarity import Likeness, Vocabulary
from whatsapp_pipeline.domain.matching.names.simulation import simulate_titles


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("Sr. João da Silva Jr", ("joao", "silva", "junior")),
        ("DONA MARIA 📱", ("maria",)),
        ("#4433 Zé", ("ze",)),
        ("Ana O.S. 123", ("ana",)),
        ("maria machado sá O.S. 7181", ("maria", "machado", "sa")),
        ("Padaria Central S/A", ("padaria", "central")),
        ("Mercearia Souza LTDA ME", ("mercearia", "souza")),
        ("J. P. Souza", ("j", "p", "souza")),
        ("da", ("da",)),
        ("📱", ()),
    ],
)
def test_titles_are_reduced_to_names(title: str, words: tuple[str, ...]) -> None:
    cleaned = clean_title(title)
    assert tuple(w for w, weak in zip(cleaned.words, cleaned.weak, strict=True) if not weak) == words


def test_words_about_devices_are_kept_as_weak_ones() -> None:
    cleaned = clean_title("Ana Fonte notebook dell l3150")
    assert dict(zip(cleaned.words, cleaned.weak, strict=True)) == {
        "ana": False,
        "fonte": True,
        "notebook": True,
        "dell": True,
        "l3150": True,
    }


def test_a_contact_loses_its_document_and_keeps_its_particles() -> None:
    cleaned = clean_contact("12.345.678 JOÃO DA SILVA ME")
    assert cleaned.words == ("joao", "silva")
    assert cleaned.particles == ("", "da")
    assert (cleaned.legal, cleaned.is_company) == ("me", True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("thiago", "tiago"),
        ("luiz", "luis"),
        ("wagner", "vagner"),
        ("souza", "sousa"),
        ("kaua", "caua"),
        ("felipe", "filipe"),
        ("manoel", "manuel"),
        ("matheus", "mateus"),
        ("jessica", "gessica"),
        ("sophia", "sofia"),
        ("stephani", "estefani"),
        ("christiane", "cristiane"),
        ("queiroz", "keiros"),
    ],
)
def test_what_sounds_alike_has_one_key(one: str, other: str) -> None:
    assert phonetic_key(one) == phonetic_key(other)


@pytest.mark.parametrize(("one", "other"), [("marcia", "marcio"), ("paula", "paulo"), ("silva", "silveira")])
def test_what_sounds_different_has_two_keys(one: str, other: str) -> None:
    assert phonetic_key(one) != phonetic_key(other)


def test_each_kind_of_likeness_is_told_apart() -> None:
    words = ["sebastiao", "rafael", "thiago", "carlos", "fernandes", "maria"]
    vocabulary = Vocabulary(words, [5] * len(words))

    def kind(written: str, word: str) -> Likeness:
        return vocabulary.alike(written).get(vocabulary.number[word], Likeness.NONE)

    assert kind("maria", "maria") is Likeness.EXACT
    assert kind("tiago", "thiago") is Likeness.SOUND
    assert kind("sebastaio", "sebastiao") is Likeness.TYPO
    assert kind("tiao", "sebastiao") is Likeness.NICKNAME
    assert kind("carlinhos", "carlos") is Likeness.NICKNAME
    assert kind("ferna", "fernandes") is Likeness.CUT
    assert kind("pernamdes", "fernandes") is Likeness.FAR
    assert kind("zulmira", "maria") is Likeness.NONE


def test_given_names_that_go_together_are_found_in_the_table() -> None:
    surnames = ("Silva", "Souza", "Lima", "Costa", "Ramos", "Dias", "Rocha", "Moura", "Alves", "Nunes")
    contacts = [ContactName(i, f"Vitor Hugo {name}", "") for i, name in enumerate(surnames)]
    contacts += [ContactName(20 + i, f"Vitor {name} Prado", "") for i, name in enumerate(surnames)]
    table = ContactTable(contacts)
    assert table.called_by_two[: len(surnames)].all()
    assert not table.called_by_two[len(surnames) :].any()
    assert np.array_equal(table.family[: len(surnames)], np.full(len(surnames), 2))


def test_simulated_titles_follow_the_seed_and_know_their_contact() -> None:
    contacts = [ContactName(i, f"Maria {name}", "") for i, name in enumerate(("Silva", "Souza", "Prado"))]
    table = ContactTable(contacts)
    one, again, other = (simulate_titles(table, contacts, contacts[:1], 50, 0.2, seed) for seed in (1, 1, 2))
    assert one == again != other
    assert {title.id_contato for title in one} == {None, 0, 1, 2}


@pytest.mark.parametrize(
    ("name", "words", "legal"),
    [
        ("Casa &amp; Cia", ("casa", "cia"), ""),
        ("Silva e Cia Ltda", ("silva", "cia"), "ltda"),
        ("Silva Prado & Cia", ("silva", "prado"), "cia"),
        ("Silva Ltda ME", ("silva",), "ltda me"),
    ],
)
def test_cia_is_a_word_where_only_one_other_is_left(name: str, words: tuple[str, ...], legal: str) -> None:
    for cleaned in (clean_contact(name), clean_title(name.replace("&amp;", "&"))):
        assert (cleaned.words, cleaned.legal, cleaned.is_company) == (words, legal, True)

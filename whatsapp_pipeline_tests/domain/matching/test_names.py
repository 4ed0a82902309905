"""What matching by name promises, on small tables of invented people."""

# ruff: noqa: SIM905  lists of names

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from whatsapp_pipeline.domain.matching.names import (
    ContactName,
    NameIndex,
    NameMatch,
    NameModel,
    fit_name_model,
)
from whatsapp_pipeline.domain.matching.names.name_model import MODEL_VERSION
from whatsapp_pipeline.domain.matching.naming import as_evidence

pytestmark = pytest.mark.slow

GIVEN = tuple(
    "Maria José Ana João Antônio Francisco Carlos Paulo Pedro Lucas Marcos Gabriel Rafael Daniel Marcelo "
    "Bruno Eduardo Felipe Rodrigo Fernanda Patrícia Juliana Camila Letícia Mariana Beatriz Cláudia".split()
)
FAMILY = tuple(
    "Silva Santos Oliveira Souza Ferreira Alves Pereira Lima Gomes Ribeiro Carvalho Costa Martins Araújo "
    "Almeida Barbosa Rocha Dias Nascimento Moreira Nunes Marques Machado Mendes Freitas Cardoso".split()
)

NAMESAKES = (901, 902, 903)
EXTRA = [
    ContactName(901, "Ricardo Tavares", ""),
    ContactName(902, "RICARDO TAVARES", ""),
    ContactName(903, "Ricardo Tavares", ""),
    ContactName(910, "Guilherme Zschornack", ""),
    ContactName(911, "Sebastião Quaresma", ""),
    ContactName(912, "Thiago Wanderley Siqueira", ""),
    ContactName(913, "JOANA BITTENCOURT 12345678901", ""),
    ContactName(914, "TECNO BEL COMERCIO LTDA ME", "Padaria Flor do Campo"),
    ContactName(915, "Aurora Sá", ""),
    ContactName(916, "Roberto Fontoura Júnior", ""),
    ContactName(917, "Roberto Fontoura", ""),
]


def _table(size: int, seed: int = 7) -> list[ContactName]:
    rng = random.Random(seed)
    people = []
    for number in range(1, size + 1):
        words = [rng.choice(GIVEN), *rng.sample(FAMILY, rng.choice((1, 2, 2, 3)))]
        people.append(ContactName(number, " ".join(words), ""))
    return people


@pytest.fixture(scope="module")
def contacts() -> list[ContactName]:
    return _table(500) + EXTRA


@pytest.fixture(scope="module")
def model(contacts: list[ContactName]) -> NameModel:
    return fit_name_model(contacts, seed=3, titles=1800)


@pytest.fixture(scope="module")
def index(contacts: list[ContactName], model: NameModel) -> NameIndex:
    return NameIndex(contacts, model)


def _match(index: NameIndex, title: str) -> NameMatch:
    return index.match([title])[0]


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("Guilherme Zschornack", 910),
        ("gui zschornack notebook dell", 910),  # a nickname and a device
        ("Guilherme Zschronack", 910),  # two letters swapped
        ("Sr. Tião Quaresma - OS 30123 📱 (2)", 911),
        ("Tiago Vanderlei Siqueira", 912),  # the same sounds
        ("Thiago W. Siqueira", 912),
        ("thiagowanderley", 912),  # written as one
        ("Joana Bittencourt tv samsung", 913),
        ("padaria flor do campo", 914),
        ("Tecno Bel Comércio", 914),
        ("aurora sá", 915),
    ],
)
def test_a_rare_name_is_found_however_it_is_written(index: NameIndex, title: str, number: int) -> None:
    match = _match(index, title)
    assert match.candidates[0].id_contato == number
    assert match.candidates[0].posterior > 0.6


def test_equal_candidates_share_the_mass(index: NameIndex) -> None:
    match = _match(index, "Ricardo Tavares")
    first_three = match.candidates[:3]
    assert {candidate.id_contato for candidate in first_three} == set(NAMESAKES)
    assert first_three[0].posterior == pytest.approx(first_three[2].posterior)
    assert 0.2 < first_three[0].posterior < 0.34


def test_a_generation_decides_between_father_and_son(index: NameIndex) -> None:
    assert _match(index, "Roberto Fontoura Jr").candidates[0].id_contato == 916
    assert _match(index, "Roberto Fontoura").candidates[0].id_contato == 917


def test_a_stranger_is_nobody(index: NameIndex) -> None:
    for title in ("Wolfgang Kreutzfeldt", "Ingrid Papadopoulos celular"):
        match = _match(index, title)
        assert match.p_none > 0.9


@pytest.mark.parametrize("title", ["", "📱", "iphone 11", "(2)", "OS 30123", "·", "da", "1"])
def test_a_title_without_a_name_links_nobody(index: NameIndex, title: str) -> None:
    match = _match(index, title)
    assert all(candidate.posterior < 0.5 for candidate in match.candidates)


def test_posteriors_are_probabilities_and_sorted(index: NameIndex) -> None:
    for match in index.match(["Maria Silva", "José Santos note", "Ana", "Wolfgang Kreutzfeldt"]):
        shown = [candidate.posterior for candidate in match.candidates]
        assert len(shown) <= 5
        assert all(left >= right for left, right in pairwise(shown))
        assert 0.0 <= match.p_none <= 1.0
        assert match.p_none + sum(shown) <= 1.0 + 1e-6


def test_the_explanation_adds_up(index: NameIndex) -> None:
    candidate = _match(index, "Zé Silva notebook").candidates[0]
    total = sum(feature.value * feature.weight for feature in candidate.features)
    assert total == pytest.approx(candidate.score, abs=1e-3)
    assert all(feature.words and "{" not in feature.words for feature in candidate.features)


def test_more_chats_without_a_contact_mean_less_confidence(index: NameIndex) -> None:
    few = index.match(["Maria Oliveira"], prior_none=0.05)[0]
    many = index.match(["Maria Oliveira"], prior_none=0.7)[0]
    assert few.p_none < many.p_none
    assert few.candidates[0].posterior > many.candidates[0].posterior


def test_a_title_s_answer_does_not_depend_on_the_others(index: NameIndex) -> None:
    titles = [f"{given} {family}" for given in GIVEN[:20] for family in FAMILY[:20]]
    together = index.match(titles)
    for position in (0, 123, 399):
        alone = index.match([titles[position]])[0]
        assert alone.p_none == pytest.approx(together[position].p_none, abs=1e-5)
    assert index.match([]) == []


def test_the_model_survives_json(contacts: list[ContactName], model: NameModel) -> None:
    again = NameModel.from_json(model.to_json())
    assert again == model
    titles = ["Maria Silva", "gui zschornack"]
    before, after = (NameIndex(contacts, each).match(titles) for each in (model, again))
    assert [match.p_none for match in before] == [match.p_none for match in after]
    with pytest.raises(ValueError, match="refit"):
        NameModel.from_json(model.to_json().replace(f'"version": {MODEL_VERSION}', '"version": 0'))


def test_the_same_seed_gives_the_same_model() -> None:
    table = _table(120)
    assert fit_name_model(table, seed=5, titles=300) == fit_name_model(table, seed=5, titles=300)


def test_calibration_is_sane_on_a_small_table(model: NameModel) -> None:
    assert model.calibration_error < 0.06
    assert sum(band.count for band in model.reliability) > 400
    sure = [band for band in model.reliability if band.low >= 0.95]
    assert sum(band.count for band in sure) > 60
    right = sum(band.observed * band.count for band in sure) / sum(band.count for band in sure)
    assert right >= 0.96


def test_decisions_of_people_move_the_weights(contacts: list[ContactName]) -> None:
    # Somebody says again and again that a word unknown to the table names nobody.
    stranger = [(f"{given} Zschornack", None) for given in GIVEN]
    plain = fit_name_model(contacts, seed=3, titles=500)
    taught = fit_name_model(contacts, seed=3, titles=500, examples=stranger)
    assert taught.examples == len(stranger)
    before, after = (NameIndex(contacts, each).match(["Paulo Zschornack"])[0] for each in (plain, taught))
    assert after.p_none > before.p_none


@pytest.mark.parametrize(
    "table", [[], [ContactName(1, "", "")], [ContactName(1, "Maria Silva", "")], _table(3)]
)
def test_tiny_tables_do_no_harm(table: list[ContactName]) -> None:
    index = NameIndex(table, fit_name_model(table, titles=200))
    for match in index.match(["Maria Silva", "Wolfgang Kreutzfeldt", ""]):
        assert 0.0 <= match.p_none <= 1.0


def _best(match: NameMatch) -> tuple[int | None, float]:
    return (
        (match.candidates[0].id_contato, match.candidates[0].posterior) if match.candidates else (None, 0.0)
    )


@pytest.mark.parametrize(
    "title",
    [
        "Mãe do Thiago Wanderley Siqueira",
        "amiga da Thiago Wanderley Siqueira",
        "Thiago Wanderley Siqueira indicou",
        "indicação do Thiago Wanderley Siqueira",
        "esposa Thiago Wanderley Siqueira",
        "Tiaga Wanderley Siqueira",
    ],
)
def test_a_relative_is_proposed_and_never_linked(index: NameIndex, title: str) -> None:
    contact, posterior = _best(index.match([title])[0])
    assert contact == 912
    assert 0.5 <= posterior <= 0.6


@pytest.mark.parametrize(
    ("title", "name", "words"),
    [
        ("Mãe do Thiago Wanderley Siqueira", "relation", '"mae"'),
        ("Thiago Wanderley Siqueira indicou", "relation", '"indicou"'),
        ("Tiaga Wanderley Siqueira", "gender_differs", "other gender"),
    ],
)
def test_a_relative_is_proposed_with_the_reason(index: NameIndex, title: str, name: str, words: str) -> None:
    _, posterior, features = as_evidence(index.match([title])[0]).candidates[0]
    reason = next(feature for feature in features if feature.name == name)
    assert words in reason.words
    assert reason.weight < (-5 if name == "relation" else 0)
    plain = as_evidence(index.match(["Thiago Wanderley Siqueira"])[0]).candidates[0]
    assert plain[1] > posterior
    assert not {"relation", "gender_differs"} & {feature.name for feature in plain[2]}


# Titles that were linked wrongly, or not at all, by earlier models; each name is in the register once.
SEEN = (
    "Elaine Fontes",
    "Thalita Quevedo Paz",
    "Talita de Quevedo Pas",
    "Fabio Almeida da Cruz",
    "Marcos Vieira Prado",
    "Casa &amp; Cia",
    "José Gomes Souza",
)


@pytest.mark.parametrize(
    ("title", "name", "at_least", "below"),
    [
        ("Elaine de Fontes", "Elaine Fontes", 0.95, 1),
        ("Thalita de Quevedo Paz", "Thalita Quevedo Paz", 0.5, 1),
        ("Fabia Almeida da Cruz", "Fabio Almeida da Cruz", 0.5, 0.95),
        ("Mãe do Marcos Vieira Prado", "Marcos Vieira Prado", 0.5, 0.95),
        ("Marcos Vieira Prado indicou", "Marcos Vieira Prado", 0.5, 0.95),
        ("Casa & Cia", "Casa &amp; Cia", 0.95, 1),
        ("casa e cia ltda", "Casa &amp; Cia", 0.95, 1),
        ("J. Gomes Souza", "José Gomes Souza", 0.5, 0.95),
    ],
)
def test_titles_that_were_linked_wrongly(
    contacts: list[ContactName], model: NameModel, title: str, name: str, at_least: float, below: float
) -> None:
    added = [ContactName(5000 + number, seen, "") for number, seen in enumerate(SEEN)]
    contact, posterior = _best(NameIndex([*contacts, *added], model).match([title])[0])
    assert contact == 5000 + SEEN.index(name)
    assert at_least <= posterior < below


def test_a_title_that_names_its_writer_and_a_relative_is_about_the_writer(index: NameIndex) -> None:
    alone, with_relative = index.match(
        ["Guilherme Zschornack", "Guilherme Zschornack primo do Thiago Wanderley"]
    )
    assert _best(with_relative) == _best(alone)
    assert _best(alone)[1] >= 0.95


@pytest.mark.parametrize("title", ["Tia Thiago Wanderley Siqueira", "Amigo Thiago Wanderley Siqueira"])
def test_a_form_of_address_is_no_relation(index: NameIndex, title: str) -> None:
    contact, posterior = _best(index.match([title])[0])
    assert contact == 912
    assert posterior >= 0.95


@pytest.mark.parametrize("title", ["Thiago de Wanderley Siqueira", "Thiago Wanderley da Siqueira"])
def test_a_particle_that_the_register_lacks_is_no_veto(index: NameIndex, title: str) -> None:
    contact, posterior = _best(index.match([title])[0])
    assert contact == 912
    assert posterior >= 0.95


def test_an_initial_for_the_given_name_is_shared_with_everybody_who_has_it(
    contacts: list[ContactName],
) -> None:
    namesakes = [ContactName(950, "José Gomes Souza", ""), ContactName(951, "Joana Gomes Souza", "")]
    table = contacts + namesakes
    match = NameIndex(table, fit_name_model(table, seed=3, titles=1800)).match(["J. Gomes Souza"])[0]
    assert {candidate.id_contato for candidate in match.candidates[:2]} == {950, 951}
    assert match.candidates[0].posterior < 0.95


def test_html_entities_of_the_register_are_read(contacts: list[ContactName]) -> None:
    table = [*contacts, ContactName(960, "Quitanda &amp; Cia", "")]
    contact, posterior = _best(
        NameIndex(table, fit_name_model(table, seed=3, titles=1800)).match(["Quitanda & Cia"])[0]
    )
    assert contact == 960
    assert posterior >= 0.95


def test_no_weight_grows_into_a_veto(model: NameModel) -> None:
    for name in ("particles_added", "particles_changed", "particles_missed"):
        assert -2.5 <= model.weights[name] <= 0.5, name


def test_a_particle_says_no_more_than_its_bound() -> None:
    """In this table each person has particles by chance, so the fit alone would make much of them."""
    rng = random.Random(8)
    table = [
        ContactName(
            n, f"{rng.choice(GIVEN)} {rng.choice(('da', 'de', 'do', 'dos'))} {rng.choice(FAMILY)}", ""
        )
        for n in range(1, 401)
    ]
    weights = fit_name_model(table, seed=3, titles=2400).weights
    assert weights["particles_same"] == pytest.approx(0.6)
    assert weights["particles_changed"] >= -0.2

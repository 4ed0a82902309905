"""Regression bars on labelled sentences: commitments, moods, topics, intake lines.

The rules were tuned on every set here, and the authors of the rules wrote the sentences in `data/own`. The
sets show that a change makes nothing worse. They do not show how well new sentences are read: quote accuracy
only from a set on which nobody tuned the rules.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from whatsapp_pipeline.domain.summaries.sentiment import SentimentReader, sentiment_label
from whatsapp_pipeline.domain.summaries.text_reading import MessageReader
from whatsapp_pipeline_tests.truth.insight_accuracy import (
    commitments_accuracy,
    intake_negatives,
    macro_f1,
    mood_accuracy,
    topics_accuracy,
)

DATA = Path(__file__).parent / "data"
KINDS = (
    "price_quoted",
    "deadline_promised",
    "warranty_given",
    "quote_approved",
    "quote_refused",
    "pickup_agreed",
    "payment_announced",
)


@pytest.mark.parametrize("kind", KINDS)
def test_commitments_are_found_and_others_are_not(kind: str) -> None:
    kinds, values = commitments_accuracy(DATA / "commitments.tsv")
    for measured in (kinds, values):
        assert measured.measures[kind].precision >= 0.95
        assert measured.measures[kind].recall >= 0.80


@pytest.mark.parametrize("kind", KINDS)
def test_commitments_of_the_second_set_are_found_and_others_are_not(kind: str) -> None:
    kinds, values = commitments_accuracy(DATA / "second" / "commitments.tsv")
    assert kinds.measures[kind].precision >= 0.95
    assert kinds.measures[kind].recall >= 0.90
    # Four dates of this set count a national holiday as a working day.
    assert values.measures[kind].precision >= 0.90
    assert values.measures[kind].recall >= 0.85


@pytest.mark.parametrize("kind", KINDS)
def test_commitments_of_the_third_set_are_found_and_others_are_not(kind: str) -> None:
    kinds, values = commitments_accuracy(DATA / "third" / "commitments.tsv")
    for measured in (kinds, values):
        assert measured.measures[kind].precision >= 0.95
        assert measured.measures[kind].recall >= 0.90


@pytest.mark.parametrize("kind", KINDS)
def test_commitments_of_the_fourth_set_are_found_and_others_are_not(kind: str) -> None:
    kinds, values = commitments_accuracy(DATA / "fourth" / "commitments.tsv")
    for measured in (kinds, values):
        assert measured.measures[kind].precision >= 0.95
        assert measured.measures[kind].recall >= 0.88


def test_moods_of_the_fourth_set() -> None:
    measures = mood_accuracy(DATA / "fourth" / "mood.jsonl").measures
    assert measures["negative"].precision >= 0.93
    assert measures["negative"].recall >= 0.90
    assert measures["urgent"].f1 >= 0.85


def test_topics_of_the_fourth_set() -> None:
    accuracy = topics_accuracy(DATA / "fourth" / "topics.tsv")
    assert macro_f1(accuracy) >= 0.84
    assert accuracy.measures["reclamação"].recall >= 0.75


@pytest.mark.parametrize("kind", KINDS)
def test_commitments_in_our_own_words_are_found_and_others_are_not(kind: str) -> None:
    kinds, _ = commitments_accuracy(DATA / "own" / "commitments.tsv")
    assert kinds.measures[kind].precision >= 0.95
    assert kinds.measures[kind].recall >= 0.95


def test_moods_in_our_own_words() -> None:
    measures = mood_accuracy(DATA / "own" / "mood.jsonl").measures
    assert measures["negative"].precision >= 0.95
    assert measures["negative"].recall >= 0.95


def test_urgency_in_our_own_words() -> None:
    reader = MessageReader()
    with (DATA / "own" / "urgency.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    wrong = [row["text"] for row in rows if reader.read(row["text"]).urgent is not (row["urgent"] == "yes")]
    assert len(rows) >= 100
    assert len(wrong) <= 3, wrong


def test_topics_in_our_own_words() -> None:
    accuracy = topics_accuracy(DATA / "own" / "topics.tsv")
    assert macro_f1(accuracy) >= 0.90
    assert accuracy.measures["reclamação"].recall >= 0.95


def test_topics_of_the_third_set() -> None:
    accuracy = topics_accuracy(DATA / "third" / "topics.tsv")
    assert macro_f1(accuracy) >= 0.90
    assert accuracy.measures["reclamação"].recall >= 0.85


def test_the_customers_called_negative_are_and_most_of_the_negative_are_found() -> None:
    measures = mood_accuracy(DATA / "mood.jsonl").measures
    assert measures["negative"].precision >= 0.85
    assert measures["negative"].recall >= 0.80
    assert measures["urgent"].f1 >= 0.85
    assert measures["problem"].f1 >= 0.75


def test_topics_are_those_that_another_hand_named() -> None:
    accuracy = topics_accuracy(DATA / "topics.tsv")
    assert macro_f1(accuracy) >= 0.82
    assert accuracy.measures["reclamação"].recall >= 0.70


def test_moods_of_the_second_set() -> None:
    measures = mood_accuracy(DATA / "second" / "mood.jsonl").measures
    assert measures["negative"].precision >= 0.90
    assert measures["negative"].recall >= 0.90
    assert measures["urgent"].f1 >= 0.90
    assert measures["problem"].f1 >= 0.80


def test_moods_of_the_third_set() -> None:
    measures = mood_accuracy(DATA / "third" / "mood.jsonl").measures
    assert measures["negative"].precision >= 0.90
    assert measures["negative"].recall >= 0.90
    assert measures["urgent"].f1 >= 0.90


@pytest.mark.parametrize(
    ("text", "urgent"),
    [
        ("preciso dele pra já, tenho prova amanhã", True),
        ("a clínica tá parada, corre aqui", True),
        ("sem urgência, quando der", False),
        ("não é urgente, mas quando fica pronto?", False),
    ],
)
def test_a_denied_urgency_is_none(text: str, *, urgent: bool) -> None:
    assert MessageReader().read(text).urgent is urgent


def test_topics_of_the_second_set() -> None:
    accuracy = topics_accuracy(DATA / "second" / "topics.tsv")
    assert macro_f1(accuracy) >= 0.90
    assert accuracy.measures["reclamação"].recall >= 0.85


@pytest.mark.parametrize(
    ("text", "topic", "other"),
    [
        ("fica em R$ 350", "orçamento", "horário e endereço"),
        ("onde vocês ficam?", "horário e endereço", "orçamento"),
        ("Deus lhe pague", "elogio", "pagamento"),
        ("vou pagar na retirada", "pagamento", "elogio"),
        ("tô sendo feita de boba por vocês", "reclamação", "elogio"),
        ("parabéns pela demora viu", "reclamação", "elogio"),
        ("a garantia cobre se molhar?", "garantia", "defeito"),
        ("parabéns pelo trabalho, o notebook ficou excelente", "elogio", "dados"),
    ],
)
def test_topics_that_were_taken_for_another(text: str, topic: str, other: str) -> None:
    topics = MessageReader().read(text).topics
    assert topic in topics
    assert other not in topics


def test_a_plain_request_for_repair_is_no_bad_mood() -> None:
    assert len(intake_negatives(DATA / "intake.txt")) <= 1
    assert len(intake_negatives(DATA / "second" / "intake.txt")) <= 1
    assert len(intake_negatives(DATA / "third" / "intake.txt")) <= 1


def test_the_moods_that_were_read_wrongly() -> None:
    with (DATA / "mood_cases.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            wanted = set(row["mood"].split(" or "))
            assert sentiment_label(SentimentReader().read(row["message"]).score) in wanted, row["message"]
            assert sentiment_label(MessageReader().read(row["message"]).score) in wanted, row["message"]


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("não, não gostei", "negative"),
        ("presta não", "negative"),
        ("ficou bom não?", "neutral"),
        ("nunca fui tão mal atendida", "negative"),
        ("não podia ser melhor", "positive"),
        ("parabéns, hein, três semanas pra trocar uma bateria", "negative"),
        ("parabéns hein, ficou perfeito", "positive"),
        ("ótimo atendimento, só que não", "negative"),
        ("vocês quebraram minha tela!", "negative"),
        ("a tela quebrou", "neutral"),
        ("vocês não vão me responder?", "negative"),
        ("vocês não fazem orçamento por aqui?", "neutral"),
        ("o som está ruim", "neutral"),
        ("o atendimento foi ruim", "negative"),
        ("a outra loja foi péssima comigo", "neutral"),
        ("quanto tempo demora?", "neutral"),
        ("que demora", "negative"),
        ("se ficar bom eu indico vocês", "neutral"),
        ("perfeito", "neutral"),
        ("ficou perfeito", "positive"),
    ],
)
def test_mood_is_towards_the_shop(text: str, mood: str) -> None:
    assert sentiment_label(MessageReader().read(text).score) == mood


@pytest.mark.parametrize(
    "text",
    [
        "o serviço de segunda ficou pronto?",
        "vocês fizeram o serviço de quinta?",
        "o conserto de terça ficou bom?",
        "a peça de segunda chegou?",
        "meu notebook está cheio de poeira, precisa de limpeza",
        "o teclado está sujo de graxa",
        "nem precisava ter se incomodado, obrigada",
        "nem precisava ter trazido",
        "quero meu notebook de volta quando ficar pronto",
        "quero meu celular de volta na sexta",
        "o notebook está lá parado, posso levar amanhã?",
        "a tv está aí parada?",
        "aqui não dá sinal",
        "aqui não dá pra ouvir",
        "assim fica complicado de achar a rua",
        "assim fica difícil?",
        "faz um mês que estou com ele",
        "faz duas semanas que levei na outra loja",
        "há dois meses com meu celular novo",
        "já foram dois dias de uso",
        "o mínimo era 100?",
        "o mínimo seria 100, né",
        "que loja é essa?",
        "que serviço é esse?",
        "não era para hoje, era amanhã",
        "combinamos sexta e hoje é quinta, né",
        "queria levar para quem entende",
        "vou levar pra quem entende de som",
        "me passa um valor e depois eu vejo",
        "o prazo da garantia já venceu?",
        "assim não dá pra ver a tela",
        "sério que vocês consertam isso?",
        "vocês vão ter que abrir ele?",
        "vou escrever pelo instagram, posso falar pela internet?",
        "sofri um roubo e levaram meu celular",
        "busquei ontem e não abri ainda",
        "está tudo sujo por dentro, dá pra limpar?",
        "sempre amanhã de manhã é melhor",
        "não quero desconto, quero só o conserto",
        "ninguém da família quer consertar",
        "não estava assim quando comprei",
        "quem mandou o orçamento?",
        "toda vez que ligo ele trava",
        "não é a primeira vez que a tela quebra",
        "sem a tampa e sem o parafuso",
        "devia ter levado antes",
        "não dá mais pra usar, a tela apagou",
        "cansei desse celular, só trava",
    ],
)
def test_words_of_complaint_without_the_shop_complain_of_nothing(text: str) -> None:
    assert sentiment_label(MessageReader().read(text).score) == "neutral"


@pytest.mark.parametrize(
    "text",
    [
        "que serviço de quinta",
        "vocês fizeram um serviço de segunda",
        "serviço de quinta categoria",
        "devolveram cheio de poeira",
        "entregaram o notebook cheio de cola",
        "nem precisava ter levado aí",
        "quero meu notebook de volta agora",
        "meu notebook está aí parado há um mês",
        "assim fica difícil",
        "assim fica difícil confiar em vocês",
        "faz um mês que está aí e nada",
        "faz dois meses que deixei meu notebook com vocês",
        "vocês estão há dois meses com meu notebook",
        "já são quinze dias",
        "o mínimo era avisar",
        "o mínimo que se espera é respeito",
        "que loja é essa, ninguém responde",
        "que serviço é esse!",
        "não era pra ontem?",
        "não era para hoje?",
        "vocês combinaram sexta e hoje já é segunda",
        "vou levar pra quem sabe",
        "me cobraram um valor e depois outro",
        "o prazo já venceu",
        "assim não dá",
        "sério que vocês ainda não fizeram",
        "vocês vão ter que pagar",
        "vou escrever no instagram o que vocês fizeram",
        "busquei ontem e já parou",
        "peguei hoje e não funciona",
        "quem autorizou vocês a abrirem?",
        "toda vez vocês inventam uma desculpa",
        "sem o dinheiro e sem o aparelho",
        "não é a primeira vez que vocês atrasam",
        "tá tudo torto",
        "cansei disso, vocês só enrolam",
    ],
)
def test_the_same_words_about_the_shop_complain(text: str) -> None:
    assert sentiment_label(MessageReader().read(text).score) == "negative"


@pytest.mark.parametrize(
    ("text", "problem", "urgent"),
    [
        ("meu notebook não liga", True, False),
        ("preciso do celular pra hoje", False, True),
        ("a tela quebrou, é urgente", True, True),
        ("que falta de respeito", False, False),
    ],
)
def test_problem_and_urgency_are_no_mood(text: str, *, problem: bool, urgent: bool) -> None:
    reading = MessageReader().read(text)
    assert (reading.problem, reading.urgent) == (problem, urgent)

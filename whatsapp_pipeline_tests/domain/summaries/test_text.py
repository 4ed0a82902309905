"""The sentences."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_pipeline.domain.commitments.rules import read_commitments
from whatsapp_pipeline.domain.commitments.status import Commitment, Said, national_holidays, settle
from whatsapp_pipeline.domain.summaries.text import Facts, OrderFact, compose
from whatsapp_pipeline.domain.summaries.wording import say_duration

FACTS = Facts(
    messages=3,
    customer=2,
    staff=1,
    conversations=1,
    first_at=datetime(2025, 1, 5, 10),
    last_at=datetime(2025, 1, 6, 9),
    first_ref="chat:1",
    last_ref="chat:3",
    last_speaker="customer",
    frequency="rare",
    topics=[],
    terms=[],
    sentiment="neutral",
    mood=None,
    mood_change=None,
    mood_ref=None,
    reply_median=None,
    reply_p90=None,
    reply_median_business=None,
    reply_refs=[],
    orders=[],
    waiting_since=None,
    waiting_ref=None,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "menos de 1 min"),
        (59, "menos de 1 min"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400, "1 dia"),
        (187_200, "2 dias e 4 h"),
    ],
)
def test_durations(seconds: int, words: str) -> None:
    assert say_duration(seconds) == words


def committed(text: str, side: str, number: int = 2, day: int = 5) -> list[Commitment]:
    said = [
        Said(f"chat:{number}", datetime(2025, 1, day, 11), one, None)
        for one in read_commitments(text)
        if one.side == side
    ]
    return settle(said, {}, national_holidays(None))


optional = {
    "case": [{"kind": "topic", "name": "prazo", "evidence": "chat:2"}],
    "commitments": committed("fica 350, pronto amanhã", "staff"),
    "mood": 0.4,
    "reply_median": 300,
    "waiting_since": datetime(2025, 1, 6, 9),
    "orders": [
        {
            "id": 7,
            "number": "30123",
            "status": "6",
            "equipment": None,
            "opened": "2025-01-05",
            "closed": None,
            "evidence": "chat:1",
            "open": True,
        }
    ],
}
evidence: dict[str, dict[str, Any]] = {
    "mood": {"mood_ref": "chat:2", "sentiment": "positive"},
    "reply_median": {
        "replies": 5,
        "reply_p90": 900,
        "reply_median_business": 300,
        "reply_refs": ["chat:1", "chat:2"],
    },
    "waiting_since": {"waiting_ref": "chat:3"},
}


@given(st.sets(st.sampled_from(sorted(optional))))
def test_three_to_six_sentences_each_with_evidence(chosen: set[str]) -> None:
    values: dict[str, Any] = {name: optional[name] for name in chosen}
    for name in chosen:
        values |= evidence.get(name, {})
    claims = compose(FACTS._replace(**values))
    assert 3 <= len(claims) <= 6
    assert all(claim["messages"] or claim["orders"] for claim in claims)
    assert all(claim["text"].endswith(".") for claim in claims)
    assert ("Em aberto" in claims[-1]["text"]) == bool(chosen & {"waiting_since", "orders", "commitments"})


def _texts(**values: Any) -> dict[str, str]:
    return {claim["kind"]: claim["text"] for claim in compose(FACTS._replace(**values))}


def _terms(**kinds: list[str]) -> list[dict[str, str]]:
    return [
        {"kind": kind, "name": name, "evidence": "chat:1"} for kind, names in kinds.items() for name in names
    ]


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (
            _terms(device=["notebook"], symptom=["não liga", "faz barulho"]),
            "O cliente escreveu sobre um notebook que não liga e faz barulho.",
        ),
        (_terms(symptom=["não liga"]), "O cliente escreveu sobre um aparelho que não liga."),
        (
            _terms(device=["impressora", "televisão"], symptom=["não liga"]),
            "O cliente escreveu sobre uma impressora e uma televisão e descreveu um defeito.",
        ),
        (
            _terms(device=["celular"], topic=["orçamento", "prazo"]),
            "O cliente escreveu sobre um celular; falou sobre o orçamento e o prazo.",
        ),
        (_terms(topic=["orçamento"]), "O cliente falou sobre o orçamento."),
        # Praise and complaints have a sentence of their own.
        (
            _terms(device=["celular"], topic=["elogio", "prazo"]),
            "O cliente escreveu sobre um celular; falou sobre o prazo.",
        ),
        (
            _terms(
                device=["celular"], symptom=["caiu", "está com a tela quebrada", "está com a bateria ruim"]
            ),
            "O cliente escreveu sobre um celular que está com a tela quebrada, com a bateria ruim e caiu.",
        ),
    ],
)
def test_the_first_sentence_says_what_is_wrong_with_what(terms: list[dict[str, str]], text: str) -> None:
    assert _texts(case=terms)["matter"] == text


def _order(number: int) -> OrderFact:
    return OrderFact(
        id=number,
        number=str(number),
        status="1",
        equipment=None,
        opened="2025-01-05",
        closed=None,
        evidence="chat:1",
        open=True,
    )


def test_what_is_open_names_the_order_or_counts_them() -> None:
    assert (
        _texts(orders=[_order(30415)])["open"]
        == "Em aberto: falta encerrar a OS 30415, aberta em 05/01/2025."
    )
    assert (
        _texts(orders=[_order(1), _order(2)])["open"]
        == "Em aberto: falta encerrar 2 ordens, a mais antiga de 05/01/2025."
    )


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (14, "A loja passou orçamento de R$ 350,00 em 19/01/2025 e prometeu o serviço para 06/01/2025."),
        (15, "A loja passou orçamento de R$ 350,00 em 20/01/2025."),
    ],
)
def test_what_was_offered_weeks_before_the_last_offer_is_left_out(days: int, text: str) -> None:
    old, (quote,) = committed("fica pronto amanhã", "staff"), committed("fica 350", "staff")
    at = quote.said.at + timedelta(days=days)
    later = replace(quote, said=quote.said._replace(at=at))
    assert _texts(commitments=[*old, later], last_at=at)["offer"] == text


def _repair(*said: tuple[int, str, str, int | None], closed: dict[int, date] | None = None) -> str:
    """Return the sentence of the offer for messages of days from 1 January on: day, side, text, order."""
    mentions = [
        Said(f"chat:{number}", datetime(2025, 1, 1, 10) + timedelta(days=day), one, order)
        for number, (day, side, text, order) in enumerate(said)
        for one in read_commitments(text)
        if one.side == side
    ]
    made = settle(mentions, closed or {}, national_holidays(None))
    return _texts(commitments=made, last_at=max(one.said.at for one in made))["offer"]


QUOTED = (4, "staff", "fica 350 com 90 dias de garantia", None)
APPROVED = (5, "customer", "pode fazer", None)
NAMED = "A loja passou orçamento de R$ 350,00 em 05/01/2025, prometeu"


def test_a_repair_that_takes_weeks_keeps_its_approved_quote() -> None:
    later = (25, "staff", "fica pronto amanhã", None)
    assert _repair(QUOTED, APPROVED, later) == (
        f"{NAMED} o serviço para 27/01/2025 e deu garantia de 90 dias."
    )
    assert "350" not in _repair(QUOTED, later)
    # The approved work was done, or the answer is about another order.
    promised = (6, "staff", "fica pronto amanhã", None)
    assert "350" in _repair(QUOTED, APPROVED, promised, later)
    assert "350" not in _repair(QUOTED, APPROVED, promised, (7, "staff", "ficou pronto", None), later)
    first, second, same = (*QUOTED[:3], 1), (*later[:3], 2), (*later[:3], 1)
    assert "350" not in _repair(first, APPROVED, second)
    assert "350" in _repair(first, APPROVED, same)


def test_a_promise_whose_day_is_not_known_names_none() -> None:
    at = datetime(2025, 1, 5, 19)
    (mention,) = (one for one in read_commitments("até as 10h fica pronto") if one.side == "staff")
    made = settle([Said("chat:1", at, mention, None)], {}, national_holidays(None))
    texts = _texts(commitments=made, last_at=at)
    assert texts["offer"] == "A loja prometeu o serviço sem dizer o dia."
    assert texts["open"] == "Em aberto: falta confirmar o serviço prometido."
    late = [*made, *committed("a garantia é de 90 dias", "staff", day=6)]
    assert _texts(commitments=late)["offer"] == (
        "A loja prometeu o serviço sem dizer o dia e deu garantia de 90 dias."
    )


def test_a_payment_is_announced_in_plain_words() -> None:
    texts = _texts(commitments=committed("fiz o pix agora", "customer"))
    assert texts["decision"] == "O cliente avisou sobre o pagamento em 05/01/2025."


def test_an_approval_without_a_price_is_of_the_service() -> None:
    texts = _texts(commitments=committed("pode fazer", "customer"))
    assert texts["decision"] == "O cliente aprovou o serviço em 05/01/2025."


def test_a_deadline_waits_for_the_answer_to_its_quote() -> None:
    offered = committed("fica 350 ou 480, pronto amanhã às 15h", "staff")
    assert (
        "falta a resposta do cliente aos orçamentos de R$ 350,00 e R$ 480,00."
        in _texts(commitments=offered)["open"]
    )
    assert "falta confirmar" not in _texts(commitments=offered)["open"]


def test_a_later_quote_does_not_hide_the_deadline_of_approved_work() -> None:
    said = [
        *committed("fica pronto sexta", "staff", day=6),
        *committed("a película fica 30", "staff", 5, day=7),
    ]
    assert "falta confirmar o serviço prometido para 10/01/2025" in _texts(commitments=said)["open"]


@pytest.mark.parametrize(
    ("earlier", "words"),
    [("fica 350", "ficou de passar na loja em"), ("fica pronto amanhã", "ficou de buscar o aparelho em")],
)
def test_who_comes_before_anything_was_decided_may_bring_the_device(earlier: str, words: str) -> None:
    said = [*committed(earlier, "staff"), *committed("passo aí amanhã", "customer")]
    assert words in _texts(commitments=said)["decision"]


def test_the_case_is_told_from_offer_to_what_is_open() -> None:
    said = [*committed("fica R$ 1.350,00 com 90 dias de garantia, pronto amanhã às 15h", "staff")]
    texts = _texts(commitments=said, waiting_since=datetime(2025, 1, 6, 9), waiting_ref="chat:3")
    assert texts["offer"] == (
        "A loja passou orçamento de R$ 1.350,00 em 05/01/2025, prometeu o serviço para 06/01/2025 às 15:00"
        " e deu garantia de 90 dias."
    )
    assert "decision" not in texts
    assert texts["open"] == (
        "Em aberto: a loja deve uma resposta ao cliente desde 06/01/2025 e falta a resposta do cliente ao"
        " orçamento de R$ 1.350,00."
    )


def test_a_decision_answers_the_quote() -> None:
    said = [
        Said("chat:1", datetime(2025, 1, 5, 10), read_commitments("fica 350")[0], None),
        Said("chat:2", datetime(2025, 1, 5, 11), read_commitments("não vou fazer")[0], None),
    ]
    texts = _texts(commitments=settle(said, {}, national_holidays(None)))
    assert texts["decision"] == "O cliente recusou o orçamento em 05/01/2025."
    assert texts["open"] == "Nada em aberto."


def test_a_price_after_the_decision_does_not_reopen_it() -> None:
    said = [
        Said("chat:1", datetime(2025, 1, 5, 10), read_commitments("passo aí depois do almoço")[0], 7),
        Said("chat:2", datetime(2025, 1, 5, 15), read_commitments("pode fazer")[0], 7),
        Said("chat:3", datetime(2025, 1, 8, 11), read_commitments("ficou em R$ 360,00")[0], 7),
    ]
    closed = {7: datetime(2025, 1, 8).date()}
    texts = _texts(commitments=settle(said, closed, national_holidays(None)))
    assert texts["decision"] == (
        "O cliente aprovou o serviço em 05/01/2025 e ficou de passar na loja em 05/01/2025."
    )
    assert texts["open"] == "Nada em aberto."


@pytest.mark.parametrize(
    ("replies", "text"),
    [
        (4, None),
        (5, "A equipe costuma responder em 5 min."),
        (10, "A equipe costuma responder em 5 min, e em 9 de cada 10 vezes em até 15 min."),
    ],
)
def test_a_figure_of_few_replies_is_not_shown(replies: int, text: str | None) -> None:
    values = {"replies": replies, "reply_median": 300, "reply_p90": 900, "reply_refs": ["chat:1"]}
    assert _texts(**values).get("replies") == text


def test_a_neutral_mood_is_not_worth_a_sentence() -> None:
    assert "sentiment" not in _texts(mood=0.1, mood_ref="chat:1")
    texts = _texts(mood=-0.5, mood_ref="chat:1", sentiment="negative", mood_change=-0.3)
    assert texts["sentiment"] == (
        "O cliente mostrou insatisfação com a loja; a última conversa foi pior que as anteriores."
    )

"""The sentences."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.rules import read_commitments
from whatsapp_pipeline.domain.commitments.status import (
    Commitment,
    Followed,
    Said,
    follow,
    national_holidays,
    settle,
)
from whatsapp_pipeline.domain.summaries.text import Facts, OrderFact, compose
from whatsapp_pipeline.domain.summaries.text_reading import MessageReader
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
    "case": [{"kind": "topic", "name": "prazo", "evidence": "chat:2", "messages": 2}],
    "followed": Followed(committed("fica 350, pronto amanhã", "staff")),
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
    "followed": {"last_customer_at": datetime(2025, 1, 5, 10)},
}


@given(st.sets(st.sampled_from(sorted(optional))))
def test_one_to_six_sentences_each_with_evidence(chosen: set[str]) -> None:
    values: dict[str, Any] = {name: optional[name] for name in chosen}
    for name in chosen:
        values |= evidence.get(name, {})
    claims = compose(FACTS._replace(**values))
    # Of who only wrote, nothing more is known than when.
    assert 1 <= len(claims) <= 6
    assert all(claim["messages"] or claim["orders"] for claim in claims)
    assert all(claim["text"].endswith(".") for claim in claims)
    assert ("Em aberto" in claims[-1]["text"]) == bool(chosen & {"orders", "followed"})


ASKED = Said("chat:3", datetime(2025, 1, 6, 9), Mention("said_asks", "customer", 0, 9), None)


ASKED_IN = frozenset({"chat:1"})


def _texts(**values: Any) -> dict[str, str]:
    if "commitments" in values:
        asks = values.pop("asks", None)
        values["followed"] = Followed(values.pop("commitments"), asks=asks, questions=ASKED_IN)
    return {claim["kind"]: claim["text"] for claim in compose(FACTS._replace(**values))}


def _terms(**kinds: list[str]) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "name": name, "evidence": "chat:1", "messages": 2}
        for kind, names in kinds.items()
        for name in names
    ]


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (
            _terms(device=["notebook"], symptom=["não liga", "faz barulho"]),
            "O cliente escreveu sobre um notebook que não liga e faz barulho.",
        ),
        (_terms(symptom=["não liga"]), "O cliente relatou um problema: não liga."),
        (
            _terms(device=["impressora", "televisão"], symptom=["não liga"]),
            "O cliente escreveu sobre uma impressora e uma televisão com defeito.",
        ),
        (
            _terms(device=["celular"], topic=["orçamento", "prazo"]),
            "O cliente escreveu sobre um celular e perguntou sobre o preço e o prazo.",
        ),
        (_terms(topic=["orçamento"]), "O cliente perguntou sobre o preço."),
        # Praise and complaints have a sentence of their own.
        (
            _terms(device=["celular"], topic=["elogio", "prazo"]),
            "O cliente escreveu sobre um celular e perguntou sobre o prazo.",
        ),
        (
            _terms(
                device=["celular"], symptom=["caiu", "está com a tela quebrada", "está com a bateria ruim"]
            ),
            "O cliente escreveu sobre um celular com a tela quebrada e com a bateria ruim, que caiu.",
        ),
    ],
)
def test_the_first_sentence_says_what_is_wrong_with_what(terms: list[dict[str, str]], text: str) -> None:
    assert _texts(case=terms, followed=Followed([], questions=ASKED_IN, asks=ASKED))["matter"] == text


def test_a_topic_that_nobody_asked_about_makes_no_sentence() -> None:
    assert "matter" not in _texts(case=_terms(topic=["prazo", "retirada/entrega"]))


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
    assert _texts(orders=[_order(30415)])["open"] == "Em aberto: falta encerrar a OS 30415, aberta em 05/01."
    assert (
        _texts(orders=[_order(1), _order(2)])["open"]
        == "Em aberto: falta encerrar 2 ordens, a mais antiga de 05/01."
    )


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (14, "A loja informou o valor de R$ 350,00 em 19/01 e deu prazo de 20 dias em 05/01."),
        (15, "A loja informou o valor de R$ 350,00 em 20/01."),
    ],
)
def test_what_was_offered_weeks_before_the_last_offer_is_left_out(days: int, text: str) -> None:
    old, (quote,) = committed("fica pronto em 20 dias", "staff"), committed("fica 350", "staff")
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
NAMED = "A loja informou o valor de R$ 350,00 em 05/01, prometeu"


def test_a_repair_that_takes_weeks_keeps_its_approved_quote() -> None:
    later = (25, "staff", "fica pronto amanhã", None)
    assert _repair(QUOTED, APPROVED, later) == (f"{NAMED} o serviço para 27/01 e deu garantia de 90 dias.")
    assert "350" not in _repair(QUOTED, later)
    # The approved work was done, or the answer is about another order.
    promised = (6, "staff", "fica pronto amanhã", None)
    assert "350" in _repair(QUOTED, APPROVED, promised, later)
    assert "350" not in _repair(QUOTED, APPROVED, promised, (7, "staff", "ficou pronto", None), later)
    first, second, same = (*QUOTED[:3], 1), (*later[:3], 2), (*later[:3], 1)
    assert "350" not in _repair(first, APPROVED, second)
    assert "350" in _repair(first, APPROVED, same)


def test_a_promise_whose_day_is_not_known_is_left_out() -> None:
    at = datetime(2025, 1, 5, 19)
    (mention,) = (one for one in read_commitments("até as 10h fica pronto") if one.side == "staff")
    made = settle([Said("chat:1", at, mention, None)], {}, national_holidays(None))
    texts = _texts(commitments=made, last_at=at)
    assert not texts.keys() & {"offer", "open"}


def test_a_payment_is_announced_in_plain_words() -> None:
    texts = _texts(commitments=committed("fiz o pix agora", "customer"))
    assert texts["decision"] == "O cliente informou em 05/01 que fez um pagamento."


def test_an_approval_without_a_price_is_of_the_service() -> None:
    approved = committed("pode fazer", "customer")
    assert "decision" not in _texts(commitments=approved)  # it may be about anything
    begun = [*approved, *committed("fica pronto amanhã", "staff", 3, day=6)]
    assert _texts(commitments=begun)["decision"] == "O cliente aprovou o serviço em 05/01."


def test_a_deadline_waits_for_the_answer_to_its_quote() -> None:
    offered = committed("fica 350 ou 480, pronto amanhã às 15h", "staff")
    texts = _texts(commitments=offered)
    assert "falta a resposta do cliente aos valores informados." in texts["open"]
    assert "falta a loja avisar" not in texts["open"]
    # What the customer wrote last may be an answer that is not understood.
    at = datetime(2025, 1, 6, 9)
    later = _texts(commitments=offered, last_customer_at=at, waiting_since=at, waiting_ref="chat:3")
    assert "open" not in later


def test_a_later_quote_does_not_hide_the_deadline_of_approved_work() -> None:
    said = [
        *committed("fica pronto sexta", "staff", day=6),
        *committed("a película fica 30", "staff", 5, day=7),
    ]
    assert (
        "falta a loja avisar quando o serviço prometido para 10/01 ficar pronto"
        in _texts(commitments=said)["open"]
    )


@pytest.mark.parametrize(
    ("earlier", "words"),
    [
        ("fica 350", "ficou de passar na loja em"),
        ("fica pronto amanhã", "ficou de passar na loja em"),
    ],
)
def test_who_comes_before_anything_was_decided_may_bring_the_device(earlier: str, words: str) -> None:
    said = [*committed(earlier, "staff"), *committed("passo aí amanhã", "customer")]
    assert words in _texts(commitments=said, last_at=datetime(2025, 1, 5, 12))["decision"]


def test_the_case_is_told_from_offer_to_what_is_open() -> None:
    said = [*committed("fica R$ 1.350,00 com 90 dias de garantia, pronto amanhã às 15h", "staff")]
    texts = _texts(commitments=said, waiting_since=datetime(2025, 1, 6, 9), waiting_ref="chat:3", asks=ASKED)
    assert texts["offer"] == (
        "A loja informou o valor de R$ 1.350,00 em 05/01, prometeu o serviço para 06/01 às 15:00"
        " e deu garantia de 90 dias."
    )
    assert "decision" not in texts
    assert texts["open"] == (
        "Em aberto: a loja deve uma resposta ao cliente desde 06/01 e falta a resposta do cliente ao"
        " orçamento de R$ 1.350,00."
    )


def test_a_decision_answers_the_quote() -> None:
    said = [
        Said("chat:1", datetime(2025, 1, 5, 10), read_commitments("fica 350")[0], None),
        Said("chat:2", datetime(2025, 1, 5, 11), read_commitments("não vou fazer")[0], None),
    ]
    texts = _texts(commitments=settle(said, {}, national_holidays(None)))
    assert texts["decision"] == "O cliente recusou o orçamento em 05/01."
    assert "open" not in texts  # the device may have to be collected


def test_a_price_after_the_decision_does_not_reopen_it() -> None:
    said = [
        Said("chat:1", datetime(2025, 1, 5, 10), read_commitments("passo aí depois do almoço")[0], 7),
        Said("chat:2", datetime(2025, 1, 5, 15), read_commitments("pode fazer")[0], 7),
        Said("chat:3", datetime(2025, 1, 8, 11), read_commitments("ficou em R$ 360,00")[0], 7),
    ]
    closed = {7: datetime(2025, 1, 8).date()}
    texts = _texts(commitments=settle(said, closed, national_holidays(None)))
    # The order was closed after the day of the pick-up, so the pick-up is no news.
    assert texts["decision"] == "O cliente aprovou o serviço em 05/01."
    assert "open" not in texts


def _case(*said: tuple[int, str, str], orders: int = 0) -> dict[str, str]:
    """Return the sentences about messages of days from 1 January on: day, side, text; each an hour later."""
    mentions = [
        Said(f"chat:{number}", datetime(2025, 1, 1, 8) + timedelta(days=day, hours=number), one, None)
        for number, (day, side, text) in enumerate(said)
        for one in read_commitments(text)
        if one.side == side
    ]
    last_at = datetime(2025, 1, 1, 8) + timedelta(days=said[-1][0], hours=len(said) - 1)
    followed = follow(mentions, {}, national_holidays(None))
    linked = [_order(number) for number in range(orders)]
    written = {
        side: datetime(2025, 1, 1, 8) + timedelta(days=day, hours=number)
        for number, (day, side, _) in enumerate(said)
    }
    return _texts(
        followed=followed,
        last_at=last_at,
        orders=linked,
        last_staff_at=written.get("staff"),
        last_customer_at=written.get("customer"),
    )


def test_a_payment_answers_its_quote() -> None:
    texts = _case((0, "staff", "a troca ficou em 260"), (0, "customer", "ok já fiz o pix"))
    assert "open" not in texts


def test_a_price_for_work_that_is_ready_waits_for_no_answer_but_for_the_pick_up() -> None:
    texts = _case((0, "staff", "o micro-ondas está pronto, ficou em 210"))
    assert texts["open"] == "Em aberto: falta o cliente buscar o item."
    assert texts["offer"] == (
        "A loja avisou em 01/01 que o serviço ficou pronto e informou o valor de R$ 210,00."
    )
    collected = _case(
        (0, "staff", "o micro-ondas está pronto, ficou em 210"), (1, "customer", "peguei, obrigada")
    )
    assert collected["decision"] == "A retirada já foi feita."
    assert collected["open"] == "Nenhuma resposta pendente."


def test_one_part_of_an_offer_is_approved_and_another_refused() -> None:
    offered = (0, "staff", "a impressora sai 120, o celular 180")
    answers = ((0, "customer", "a impressora pode fazer"), (0, "customer", "o celular não compensa"))
    assert "aprovou uma parte do orçamento e recusou outra em" in _case(offered, *answers)["decision"]
    # Of one price, one of the two was misread.
    assert "decision" not in _case((0, "staff", "fica 120"), *answers)


def test_a_refusal_that_was_taken_back_is_told_with_the_approval() -> None:
    said = (
        (0, "staff", "fica 690"),
        (0, "customer", "não vou fazer"),
        (7, "customer", "pode trocar a tela sim"),
    )
    assert _case(*said)["decision"] == ("O cliente aprovou em 08/01 o orçamento que tinha recusado em 01/01.")


def test_a_refusal_without_a_price_needs_an_order_that_was_turned_down() -> None:
    made = committed("pode descartar então", "customer")
    assert "decision" not in _texts(commitments=made)
    assert _texts(commitments=made, orders=[{**_order(7), "status": "4", "open": False}])["decision"] == (
        "O cliente desistiu do conserto em 05/01."
    )


def test_an_approval_of_several_prices_is_not_said() -> None:
    offered = (0, "staff", "a placa nova sai 450, o reparo 280")
    assert "decision" not in _case(offered, (0, "customer", "pode fazer"))


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("conserto de fonte fica entre 200 e 300", "valores aproximados de R$ 200,00 a R$ 300,00"),
        ("a partir de 420 reais, depende da peça", "um valor aproximado de R$ 420,00"),
        ("fonte nova 450 reais + 100 de mão de obra", "o valor de R$ 550,00"),
        ("fica 350", "o valor de R$ 350,00"),
    ],
)
def test_a_rough_price_is_called_so_and_parts_are_added(text: str, offered: str) -> None:
    assert _case((0, "staff", text))["offer"] == f"A loja informou {offered} em 01/01."


def test_two_prices_of_one_message_are_not_called_a_quote() -> None:
    said = _case((0, "staff", "R$ 130 com backup, 100 sem"))
    assert said["offer"] == "A loja informou valores de R$ 130,00 e R$ 100,00 em 01/01."


def test_prices_of_two_messages_in_a_row_are_not_called_a_quote() -> None:
    first, second = (
        (0, "staff", "a impressora sai 120 reais"),
        (0, "staff", "o celular é troca de conector, 180"),
    )
    assert "informou valores de R$ 120,00 e R$ 180,00" in _case(first, second)["offer"]


def test_a_span_begins_with_the_approval() -> None:
    quote, answer = (0, "staff", "a tela fica 690, prazo de 5 dias úteis"), (0, "customer", "pode fazer")
    assert "deu prazo de 5 dias úteis" in _case(quote)["offer"]
    approved = _case(quote, answer, (0, "staff", "5 dias úteis"))
    assert "deu prazo de 5 dias úteis" in approved["offer"]
    assert "08/01" not in str(approved)


def test_a_delay_names_the_day_before() -> None:
    promised = (0, "staff", "na sexta ela fica pronta")
    later = (1, "staff", "a transportadora atrasou. Fica pronta dia 15")
    assert _case(promised, later)["offer"] == "A loja adiou o serviço de 03/01 para 15/01."
    assert "prometeu o serviço para 15/01" in _case(promised, (1, "staff", "Fica pronta dia 15"))["offer"]


def test_each_device_has_its_day() -> None:
    texts = _case((0, "staff", "o notebook sai na sexta e a impressora na terça"), orders=2)
    assert texts["offer"] == "A loja prometeu os serviços para 03/01 e 07/01."
    assert (
        "falta a loja avisar quando os serviços prometidos para 03/01 e 07/01 ficarem prontos"
        in texts["open"]
    )


def test_the_customer_brings_the_device_or_puts_off_coming() -> None:
    quote, brings = (0, "staff", "fica 100"), (0, "customer", "vou levar segunda")
    assert _case(quote, brings)["decision"] == "O cliente ficou de levar o item em 06/01."
    assert _case(quote, brings)["open"] == "Em aberto: falta o cliente levar o item."
    assert "decision" not in _case(quote, brings, (5, "staff", "bom dia"))  # what became of it is not known
    next_week = _case(quote, (0, "customer", "semana que vem eu levo"))
    assert next_week["decision"] == "O cliente ficou de levar o item até 10/01."
    moved = _case(
        (0, "customer", "passo sexta pra buscar"), (2, "customer", "não consegui ir hoje, vou amanhã")
    )
    assert moved["decision"] == "O cliente ficou de passar na loja em 04/01."


def test_a_device_is_no_longer_to_be_brought_once_an_order_was_opened() -> None:
    quote, brings = (0, "staff", "fica 100"), (0, "customer", "vou levar segunda")  # 1 January
    mentions = [
        Said(f"chat:{number}", datetime(2025, 1, 1, 8 + number), one, None)
        for number, (_, side, text) in enumerate((quote, brings))
        for one in read_commitments(text)
        if one.side == side
    ]
    for opened, waits in (("2024-12-31", True), ("2025-01-01", False), ("2025-01-06", False), (None, True)):
        texts = _texts(
            followed=follow(mentions, {}, national_holidays(None)),
            last_at=datetime(2025, 1, 1, 9),
            orders=[{**_order(7), "opened": opened}],
        )
        assert ("falta o cliente levar o aparelho" in texts["open"]) is waits


def test_a_device_that_was_collected_and_is_brought_again_is_not_collected() -> None:
    collected = (0, "customer", "já peguei, obrigada")
    assert _case(collected)["decision"] == "A retirada já foi feita."
    assert _case(collected, (2, "customer", "vou levar segunda"))["decision"] == (
        "O cliente ficou de levar o item em 06/01."
    )


def test_a_price_soon_after_ready_work_is_no_open_offer() -> None:
    ready, price = (0, "staff", "seu notebook está pronto"), (0, "staff", "fica 350")
    assert "falta a resposta" in _case(price)["open"]
    assert "open" not in _case(ready, price)
    week = (7, "staff", "fica 350")  # 7 days and an hour later
    assert "falta a resposta" in _case(ready, week)["open"]
    followed = follow(
        [
            Said(f"chat:{order}", datetime(2025, 1, order, 8), one, order)
            for order, (_, _, text) in ((5, ready), (6, price))
            for one in read_commitments(text)
            if one.side == "staff"
        ],
        {},
        national_holidays(None),
    )
    assert "falta a resposta" in _texts(followed=followed)["open"]  # of another order


def test_a_price_that_asks_for_consent_waits_for_the_answer() -> None:
    assert (
        "falta a resposta do cliente ao orçamento de R$ 350,00"
        in (_case((0, "staff", "a troca da tela ficou em 350, posso fazer?"))["open"])
    )


def test_who_wrote_to_the_wrong_number_wrote_of_nothing_else() -> None:
    terms = _terms(device=["celular"], topic=["agendamento", "engano"])
    assert _texts(case=terms)["matter"] == "A conversa foi por engano."
    # Somebody with an order, a quote or a fault did not write to the wrong shop.
    alone = _terms(topic=["engano"])
    assert "engano" not in str(_texts(case=alone, orders=[_order(7)]))
    assert "engano" not in str(_texts(case=alone, commitments=committed("fica 350", "staff")))
    assert _texts(case=[*alone, *_terms(symptom=["não liga"])])["matter"] == (
        "O cliente relatou um problema: não liga."
    )


@pytest.mark.parametrize(
    ("text", "mistaken"),
    [
        ("desculpa, número errado", True),
        ("opa, mandei pro número errado", True),
        ("mandei por engano", True),
        ("desculpa, mandei o número errado da OS", False),
        ("desculpa, enviei o número errado", False),
    ],
)
def test_a_number_that_was_sent_wrongly_is_no_wrong_number(text: str, *, mistaken: bool) -> None:
    assert ("engano" in MessageReader().read(text).topics) is mistaken


def test_faults_of_two_devices_of_a_kind_are_not_put_on_one() -> None:
    terms = _terms(device=["televisão"], symptom=["não liga", "caiu", "são vários"])
    assert _texts(case=terms)["matter"] == "O cliente escreveu sobre televisões com defeito."


def test_a_fee_or_a_total_waits_for_no_decision() -> None:
    fee = _case((0, "staff", "a avaliação custa 50 reais"))
    assert fee["offer"] == "A loja informou uma taxa de R$ 50,00 em 01/01."
    assert "open" not in fee
    assert "open" not in _case((0, "staff", "total 140"))
    # Beside the price of the work, a fee is left out.
    refused = (0, "staff", "o menor que consigo é 240"), (0, "staff", "a avaliação é 40")
    assert _case(*refused)["offer"] == "A loja informou o valor de R$ 240,00 em 01/01."


@pytest.mark.parametrize(
    ("said", "is_awaited"),
    [
        ([], True),
        ([(0, "customer", "vou pensar e te aviso")], True),
        ([(0, "customer", "hum, entendi")], False),  # it may be an answer
        ([(0, "customer", "vou pensar"), (1, "customer", "e aí")], False),
        ([(1, "staff", "bom dia, conseguiu ver?")], True),
    ],
)
def test_only_a_silent_or_undecided_customer_owes_an_answer(
    said: list[tuple[int, str, str]], *, is_awaited: bool
) -> None:
    texts = _case((0, "staff", "fica 350"), *said)
    assert ("falta a resposta do cliente ao orçamento" in texts.get("open", "")) is is_awaited


def test_only_words_that_ask_are_owed_an_answer() -> None:
    waiting = {"waiting_since": datetime(2025, 1, 6, 9), "waiting_ref": "chat:3"}
    owed = "Em aberto: a loja deve uma resposta ao cliente desde 06/01."
    assert _texts(commitments=[], asks=ASKED, **waiting)["open"] == owed
    # "Rua das Flores 88" may need an answer or not.
    assert "open" not in _texts(**waiting)
    earlier = ASKED._replace(at=datetime(2025, 1, 6, 8))
    assert "open" not in _texts(commitments=[], asks=earlier, **waiting)
    said = _terms(topic=["prazo"])
    told = {"commitments": committed("a avaliação custa 50 reais", "staff"), "case": said}
    assert "open" not in _texts(**waiting, **told)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("e aí a tv?", True),
        ("preciso de uma posição", True),
        ("vocês são um absurdo", True),
        ("pode fazer", False),  # the work waits, but not an answer
        ("meu notebook não liga", True),
        ("Rua das Flores 88, sobrado azul", False),
        ("vou esperar minha filha chegar pra decidir", False),
        ("ok 17h30", False),
        ("queria agradecer, ficou ótimo", False),
        ("vou aí amanhã, me confirma o valor", True),
        ("levo aí que horas", True),
        ("passo aí, me informa o endereço", True),
        ("busco amanhã, me passa o endereço", True),
        ("passo aí amanhã", False),
        ("meu filho passa aí amanhã", False),
        ("vou ver que dia dá e levo", False),
        ("que dia posso buscar", True),
        ("passo aí qualquer hora, que dia 5 recebo", False),
    ],
)
def test_what_surely_asks_for_an_answer(text: str, *, asks: bool) -> None:
    kinds = {one.kind for one in MessageReader().read(text).commitments}
    assert ("said_asks" in kinds) is asks


@pytest.mark.parametrize(
    ("text", "closes"),
    [
        ("vou aí amanhã", True),
        ("vou aí amanhã, me confirma o valor", False),
        ("levo amanhã", True),
        ("levo aí que horas", False),
        ("vou ver que dia dá e levo", True),
        ("busco amanhã, me diz o valor", False),
    ],
)
def test_who_announces_a_visit_and_asks_for_a_fact_waits(text: str, *, closes: bool) -> None:
    assert MessageReader().read(text).closes is closes


def test_what_the_shop_wrote_on_the_day_may_say_that_it_is_ready() -> None:
    promised = (0, "staff", "fica pronto na sexta")  # the 3rd
    assert "falta a loja avisar" in _case(promised, (1, "staff", "bom dia"), orders=1)["open"]
    assert "falta a loja avisar" not in _case(promised, (2, "staff", "tudo certo por aqui"), orders=1)["open"]


def test_a_topic_of_one_message_is_named_only_where_nothing_else_is_known() -> None:
    terms = [{**_terms(topic=["garantia"])[0], "messages": 1}]
    asked = Followed([], questions=ASKED_IN, asks=ASKED)
    assert _texts(case=terms, followed=asked)["matter"] == "O cliente perguntou sobre a garantia."
    assert "matter" not in _texts(case=terms, commitments=committed("fica 350", "staff"))


def test_the_news_that_work_is_ready_grows_old() -> None:
    ready, later = (0, "staff", "seu notebook está pronto"), "passo amanhã pra pegar"
    assert "falta o cliente buscar" in _case(ready, (2, "customer", later))["open"]
    assert "falta o cliente buscar" not in _case(ready, (4, "customer", later)).get("open", "")
    # What else was written may say that it was collected.
    for side, text in (("customer", "tô chegando"), ("staff", "valeu!")):
        assert "falta o cliente buscar" not in _case(ready, (0, side, text)).get("open", "")


def test_what_was_refused_is_not_ready_but_to_be_fetched() -> None:
    refused = _case(
        (0, "staff", "fica 900"), (1, "customer", "não vou fazer"), (1, "staff", "ok, pode buscar")
    )
    assert refused["offer"] == "A loja informou o valor de R$ 900,00 em 01/01."


def test_a_deadline_after_something_else_is_none() -> None:
    waits = _case((0, "staff", "fica 270, pronto em 2 dias depois que a peça chegar"))
    assert waits["offer"] == "A loja informou o valor de R$ 270,00 em 01/01."
    fetched = _case((0, "staff", "buscamos por 40"), (0, "customer", "fechado"))
    assert fetched["offer"] == "A loja informou uma taxa de R$ 40,00 em 01/01."
    assert "decision" not in fetched


def test_a_warranty_of_another_offer_is_left_out() -> None:
    new = (0, "staff", "motor novo fica 1.350, com 1 ano de garantia")
    assert "com 1 ano de garantia" in _case(new)["offer"]
    assert "garantia" not in _case(new, (0, "customer", "e usado?"), (0, "staff", "usado sai 700"))["offer"]


def test_a_visit_that_is_agreed_approves_no_quote() -> None:
    visit = (0, "staff", "a visita fica 100")
    assert "decision" not in _case(visit, (0, "customer", "fechado"))


def test_a_fault_beside_a_complaint_and_no_device_is_put_on_none() -> None:
    terms = _terms(symptom=["vaza"], topic=["reclamação"])
    assert "matter" not in _texts(case=terms)


@pytest.mark.parametrize(
    ("replies", "conversations", "text"),
    [
        (4, 5, None),
        (5, 5, "A equipe costuma responder em 5 min."),
        (10, 5, "A equipe costuma responder em 5 min, e em 9 de cada 10 vezes em até 15 min."),
        (10, 4, None),
    ],
)
def test_a_figure_of_few_replies_or_conversations_is_not_shown(
    replies: int, conversations: int, text: str | None
) -> None:
    values = {
        "replies": replies,
        "conversations": conversations,
        "reply_median": 300,
        "reply_p90": 900,
        "reply_refs": ["chat:1"],
    }
    assert _texts(**values).get("replies") == text


def test_a_neutral_mood_is_not_worth_a_sentence() -> None:
    assert "sentiment" not in _texts(mood=0.1, mood_ref="chat:1")


@pytest.mark.parametrize(
    ("text", "mood", "said"),
    [
        ("vocês são demais, recomendo", "positive", "satisfação"),
        ("ninguém me respondeu, que descaso", "negative", "insatisfação"),
        # A mood without clear words to the shop.
        ("boa! manda o pix", "positive", None),
        ("sábado de manhã vou com certeza", "positive", None),
        ("a nota ainda não chegou", "negative", None),
        ("vou ter que desmarcar, surgiu uma viagem", "negative", None),
        ("ninguém da outra loja resolveu", "negative", None),
        # The words are of the other sign than the mood.
        ("vocês são demais, recomendo", "negative", None),
    ],
)
def test_a_mood_is_said_only_with_clear_words_to_the_shop(text: str, mood: str, said: str | None) -> None:
    remarks: dict[str, Said] = {
        one.kind: Said("chat:2", datetime(2025, 1, 6, 8), one, None)
        for one in MessageReader().read(text).commitments
    }
    value = 0.5 if mood == "positive" else -0.5
    texts = _texts(mood=value, mood_ref="chat:1", sentiment=mood, followed=Followed([], remarks=remarks))
    assert texts.get("sentiment") == (f"O cliente mostrou {said} com a loja." if said else None)

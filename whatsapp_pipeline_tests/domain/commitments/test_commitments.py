"""Commitments: reading messages, resolving dates, and what becomes of a promise."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_pipeline.domain.commitments.amounts import prices
from whatsapp_pipeline.domain.commitments.clauses import plain, sentences
from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.rules import read_commitments
from whatsapp_pipeline.domain.commitments.status import Commitment, Said, follow, national_holidays, settle
from whatsapp_pipeline.domain.commitments.when import add_business_days, resolve_day
from whatsapp_pipeline.domain.summaries.patterns import fold_in_place

HOLIDAYS = national_holidays(None)
TUESDAY = datetime(2025, 3, 4, 10, 0)


@pytest.mark.parametrize(
    ("code", "day", "at"),
    [
        ("t0", date(2025, 3, 4), None),
        ("t1@15:00", date(2025, 3, 5), time(15)),
        ("w1", date(2025, 3, 11), None),  # a Tuesday said on a Tuesday is the next one
        ("w4", date(2025, 3, 7), None),
        ("w4n", date(2025, 3, 14), None),
        ("W0", date(2025, 3, 7), None),
        ("W1", date(2025, 3, 14), None),
        ("M0", date(2025, 3, 31), None),
        ("d10", date(2025, 3, 14), None),
        ("h2", date(2025, 3, 4), time(12)),
        ("h48", date(2025, 3, 6), None),
        ("D3", date(2025, 4, 3), None),
        ("D20/3", date(2025, 3, 20), None),
        ("D2/1", date(2026, 1, 2), None),
        ("c@10:00", date(2025, 3, 4), time(10)),
        ("c@18:00", date(2025, 3, 4), time(18)),
        ("c@09:59", None, None),  # past when the message was sent
        ("t0@09:00", date(2025, 3, 4), time(9)),  # "hoje" names the day
    ],
)
def test_a_date_means_a_day_after_the_message(code: str, day: date | None, at: time | None) -> None:
    assert resolve_day(code, TUESDAY, HOLIDAYS) == (day, at)


def test_business_days_leave_out_weekends_and_holidays() -> None:
    assert add_business_days(date(2025, 4, 17), 1, HOLIDAYS) == date(2025, 4, 22)  # Good Friday, Tiradentes
    assert add_business_days(date(2025, 3, 7), 3, HOLIDAYS) == date(2025, 3, 12)


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("mil e duzentos reais", "1200 reais"),
        ("dois mil trezentos e quarenta", "2340"),
        ("uma hora", "1 hora"),
        ("um celular", "um celular"),
        ("vc q sabe", "voce que sabe"),
    ],
)
def test_a_clause_is_spelled_plainly(written: str, spelled: str) -> None:
    assert plain(fold_in_place(written)) == spelled


@pytest.mark.parametrize(
    ("clause", "amounts"),
    [
        ("fica em r$ 1.250,00", ["1250.00"]),
        ("de 400 consigo por 370", ["370"]),
        ("nao fica 350", []),
        ("ssd de 240gb", []),
        ("rua boa vista 1250", []),
        ("no mercado livre sai 300", []),
        ("50 reais de desconto", []),
        ("sua os e a 30415", []),
    ],
)
def test_a_price_is_an_amount_that_the_shop_asks(clause: str, amounts: list[str]) -> None:
    assert [one.value for one in prices(clause)] == [Decimal(amount) for amount in amounts]


@given(st.text(max_size=200))
def test_any_text_is_cut_into_places_of_it(text: str) -> None:
    for sentence in sentences(text):
        for clause in sentence.clauses:
            assert 0 <= clause.start < clause.end <= len(text)
    for mention in read_commitments(text):
        assert 0 <= mention.start < mention.end <= len(text)


def _kinds(text: str, side: str) -> list[str]:
    return [one.kind for one in read_commitments(text) if one.side == side]


@pytest.mark.parametrize(
    ("side", "text", "kinds"),
    [
        ("staff", "fica 350, pode ser?", ["price_quoted"]),
        ("staff", "fica 350?", []),
        ("staff", "fica pronto amanhã", ["deadline_promised"]),
        ("staff", "não fica pronto amanhã", ["said_late"]),
        ("customer", "fica pronto amanhã", []),
        ("staff", "se você aprovar, fica pronto amanhã", []),
        ("customer", "pode fazer", ["quote_approved"]),
        ("customer", "pode fazer?", []),
        ("customer", "pode fazer um desconto", []),
        ("customer", "se ficar 200, pode fazer", []),
        ("staff", "pode fazer", []),
        ("customer", "paguei agora", ["payment_announced"]),
        ("customer", "não paguei ainda", []),
        ("customer", "não vou fazer, busco amanhã", ["quote_refused", "pickup_agreed"]),
    ],
)
def test_who_says_it_and_how_decides(side: str, text: str, kinds: list[str]) -> None:
    assert _kinds(text, side) == kinds


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("estou sem dinheiro hoje, pago sexta", False),
        ("tô sem grana agora", False),
        ("esse mês estou sem dinheiro", False),
        ("estou sem dinheiro", True),
        ("hoje não tenho como", False),
        ("agora não tenho como", False),
        ("agora não tenho como pagar", False),
        ("não tenho como pagar isso hoje", False),
        ("não tenho como", True),
        ("não tenho como pagar isso", True),
        ("pode devolver o carregador junto", False),
        ("por favor devolva o carregador", False),
        ("pode devolver sem pressa", False),
        ("pode devolver", True),
        ("pode devolver assim", True),
        ("pode devolver o aparelho sem conserto", True),
        ("pode devolver ele sem mexer", True),
        ("só devolve então", True),
    ],
)
def test_a_decision_put_off_or_an_accessory_sent_back_refuses_nothing(text: str, *, refused: bool) -> None:
    assert ("quote_refused" in _kinds(text, "customer")) is refused


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("a tv do meu tio não quer ligar mais", False),
        ("a tv do meu tio não quer mais", False),
        ("o micro-ondas da minha sogra não quer esquentar", False),
        ("a impressora do escritório não quer puxar papel", False),
        ("minha esposa disse que a TV não quer funcionar", False),
        ("o notebook da minha filha não quer ligar", False),
        ("o celular do meu filho não quer mais carregar", False),
        ("o computador da empresa não quer nem ligar", False),
        ("a tv não quis ligar", False),
        ("o celular não aceita o chip", False),
        ("meu marido não quer que eu espere", False),
        ("meu marido não quer esperar até sexta", False),
        ("minha filha não quer ficar sem o celular", False),
        ("minha esposa não quer trocar de celular agora", False),
        ("minha esposa não quer", True),
        ("minha mulher não quer mais", True),
        ("meu esposo não quer não", True),
        ("meu pai disse que não quer consertar", True),
        ("a empresa não quer gastar com isso", True),
        ("meu marido falou que não quer pagar tudo isso", True),
        ("o seguro não quer pagar o conserto", True),
        ("meu filho não quer mandar arrumar", True),
        ("meu pai não quer trocar a placa", True),
        ("minha filha não quer mais o conserto", True),
        ("a porta da geladeira da minha mãe não quer fechar", False),
        ("meu marido não quer fechar", True),
        ("o cliente não quer fazer", True),
        ("minha esposa não quer que arrume", True),
        ("minha irmã não quer dar continuidade", True),
        ("meu marido não aceitou", True),
    ],
)
def test_a_faulty_device_refuses_nothing(text: str, *, refused: bool) -> None:
    assert ("quote_refused" in _kinds(text, "customer")) is refused


@pytest.mark.parametrize(
    ("text", "pays"),
    [
        ("fiz um teste e deu sinal na tv", False),
        ("deixei ligado e continua sem sinal", False),
        ("meu filho fez um teste e o sinal caiu", False),
        ("fiz o teste e deu diferença", False),
        ("fez uma diferença enorme, obrigada", False),
        ("meu filho fez a diferença", False),
        ("fizeram um valor justo", False),
        ("passei o resto do dia sem internet", False),
        ("passei a metade do dia sem luz", False),
        ("levei a metade das peças", False),
        ("levei o restante do dia pra achar", False),
        ("mando o resto das fotos depois", False),
        ("dou o resto das peças depois", False),
        ("fiz o restante do serviço", False),
        ("deixei o resto em casa", False),
        ("dei entrada na garantia da fábrica", False),
        ("vou dar entrada na garantia", False),
        ("deixei a entrada da água aberta", False),
        ("deixei a porta de entrada aberta", False),
        ("deixei entrada de 110", False),
        ("a outra parte do carregador está aqui", False),
        ("a segunda parte do vídeo está cortada", False),
        ("mandei a outra metade do cabo", False),
        ("passei o valor pro meu marido e ele vai ver", False),
        ("mandou o valor por email", False),
        ("mando o valor da nota", False),
        ("mandei o doc por email", False),
        ("vou fazer o doc do carro amanhã", False),
        ("meu marido mandou o doc", False),
        ("levo o doc amanhã", False),
        ("dou um sinal quando chegar", False),
        ("me dá o valor", False),
        ("mandei o sinal", True),
        ("fiz o pix do sinal", True),
        ("dei 100 de sinal", True),
        ("dou o sinal amanhã", True),
        ("deixei uma entrada de 200", True),
        ("vou dar entrada de 100", True),
        ("dei a entrada com a moça do balcão", True),
        ("dei um sinal pra garantir a peça", True),
        ("passei o valor no pix", True),
        ("já passei o valor pro senhor", True),
        ("mandei o valor do conserto", True),
        ("foi enviado o valor de R$ 640,00", True),
        ("meu marido vai mandar o valor", True),
        ("mandei a metade agora", True),
        ("adianto metade", True),
        ("levo o restante na retirada", True),
        ("passo o resto quando buscar", True),
        ("o resto eu pago na retirada", True),
        ("faço a diferença no pix", True),
        ("quitei o saldo", True),
        ("primeira parte do pagamento já foi", True),
        ("a outra parte no pix", True),
        ("segunda parte do valor mando amanhã", True),
        ("fiz um doc", True),
        ("vou fazer o doc amanhã", True),
    ],
)
def test_words_that_also_mean_money_pay_only_beside_words_of_payment(text: str, *, pays: bool) -> None:
    assert ("payment_announced" in _kinds(text, "customer")) is pays


@pytest.mark.parametrize(
    ("text", "approved"),
    [
        ("fecha as 18h", False),
        ("ok fecha as 18h", False),
        ("sim fecha as 6", False),
        ("fecha as 5 da tarde", False),
        ("fecha as seis", False),
        ("fecha a 1h", False),
        ("fecha ao meio dia", False),
        ("fecha a loja as 18h", False),
        ("fecha o portão", False),
        ("fecha o serviço", True),
        ("ok fecha as duas telas", True),
        ("fecha os dois", True),
        ("sim fecha a troca", True),
        ("beleza fecha tudo", True),
        ("fecha essa", True),
    ],
)
def test_a_closing_time_approves_nothing(text: str, *, approved: bool) -> None:
    assert ("quote_approved" in _kinds(text, "customer")) is approved


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("até as 18h fica pronto", "c@18:00"),
        ("fica pronto às 18:30", "c@18:30"),
        ("lá pelas 17h30 fica pronto", "c@17:30"),
        ("antes das 9h eu termino", "c@09:00"),
        ("até as 16 horas fica pronto", "c@16:00"),
        ("até meio dia fica pronto", "c@12:00"),
        ("hoje até as 18h fica pronto", "t0@18:00"),
        ("as 2 telas ficam prontas", None),
        ("as 2 ficam prontas", None),
        ("as 2 ficam prontas, a loja abre 8h", None),
        ("vou entregar as 3 da senhora", None),
        ("as telas da loja das 9h ficam prontas", None),
    ],
)
def test_a_time_of_day_needs_an_hour_by_which_something_is_done(text: str, due: str | None) -> None:
    found = [one.due for one in read_commitments(text) if one.kind == "deadline_promised"]
    assert found == ([due] if due else [])


@pytest.mark.parametrize(
    ("text", "dues"),
    [
        ("o notebook sai na segunda e a impressora na terça", ["w0", "w1"]),
        ("notebook pronto terça, impressora hoje", ["w1", "t0"]),
        ("fica pronto na quinta e a loja fecha na sexta", ["w3"]),
        ("vou deixar pronto pra você pegar na sexta", ["w4"]),
        ("10 dias corridos a partir de hoje", ["d10"]),
        ("terça agora entrego as duas", ["w1"]),
        ("fica pronto em 2 dias depois que a peça chegar", []),
        ("a previsão do tempo é chuva amanhã", []),
        ("o prazo pra reclamar é 7 dias", []),
    ],
)
def test_each_device_has_its_deadline(text: str, dues: list[str]) -> None:
    found = [one.due for one in read_commitments(text) if one.kind == "deadline_promised"]
    assert found == dues


def test_the_time_of_a_promise_is_that_of_the_work_and_not_of_bringing_the_device() -> None:
    found = [one.due for one in read_commitments("pode trazer amanhã às 9h, fica pronto às 17h") if one.due]
    assert found == ["t1@17:00"]


@pytest.mark.parametrize(
    ("text", "closed", "outcome"),
    [
        ("fica pronto hoje", 4, "kept"),
        ("fica pronto hoje", 6, "broken"),
        # It counts from when the device is brought, so a later date does not show that it was broken.
        ("em 40 minutos fica pronto", 4, "kept"),
        ("em 2 horas fica pronto", 4, "kept"),
        ("em 48 horas fica pronto", 5, "kept"),
        ("em 40 minutos fica pronto", 6, "superseded"),
        ("em 2 horas fica pronto", 6, "superseded"),
    ],
)
def test_an_order_closed_later_breaks_no_promise_of_minutes(text: str, closed: int, outcome: str) -> None:
    (made,) = settle(_said(1, 4, text, "staff", order=5), {5: date(2025, 3, closed)}, HOLIDAYS)
    assert made.outcome == outcome


@pytest.mark.parametrize(
    ("text", "collected"),
    [
        ("peguei, obrigada", True),
        ("busquei agora, ficou perfeita", True),
        ("já retirei", True),
        ("não peguei ainda", False),
        ("peguei chuva no caminho", False),
        ("acabei de buscar", True),
        ("acabei de pegar o celular", True),
        ("acabei de pegar chuva", False),
        # The answer to "entrega ou retirada?".
        ("Buscar", False),
        ("Retirar", False),
        ("ok, pegar", False),
        ("sim retirar", False),
        ("busquei na internet", False),
        ("meu notebook já está comigo", True),
        ("o notebook ainda está comigo", False),
        ("o dinheiro já está comigo", False),
        ("minha esposa pegou ontem", True),
        ("ele pegou o notebook", True),
        # It works again.
        ("meu celular pegou", False),
        ("minha tv pegou agora", False),
        ("minha moto pegou", False),
    ],
)
def test_what_the_customer_collected(text: str, *, collected: bool) -> None:
    kinds = {one.kind for one in read_commitments(text) if one.side == "customer"}
    assert ("said_collected" in kinds) is collected


@pytest.mark.parametrize(
    ("text", "collected"),
    [
        ("foi entregue ao cliente", True),
        ("entregue ao seu motoboy", True),
        ("ele já retirou", True),
        ("recebi seu notebook, já está comigo pra avaliar", False),
        ("peguei seu notebook agora pra olhar", False),
        ("entregue ao técnico", False),
        ("seu aparelho foi entregue ao laboratório hoje", False),
        ("entregue para a transportadora", False),
        ("foi entregue aos correios", False),
        ("entregue ao motoboy", False),
    ],
)
def test_what_the_staff_hand_to_each_other_is_not_collected(text: str, *, collected: bool) -> None:
    assert ("said_collected" in _kinds(text, "staff")) is collected


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("fica 450 reais + 100 de mão de obra", ["450+100"]),
        ("fica 900 mais 200 da memória", ["900+200"]),
        ("fica 900 com ssd mais 16gb de memória", ["900"]),
        ("fica 900 mais 32 de ram", ["900"]),
        ("fica 900 mais 10 parcelas", ["900"]),
        ("fica 300 mais 18 vezes", ["300"]),
        ("fica 350 reais até 30 de novembro", ["350"]),
    ],
)
def test_only_money_is_added_to_a_price(text: str, amounts: list[str]) -> None:
    found = [one.amount for one in read_commitments(text) if one.kind == "price_quoted"]
    assert found == [sum(map(Decimal, amount.split("+"))) for amount in amounts]


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("a visita fica 100", "fee"),
        ("busca e entrega fica 40", "fee"),
        ("o orçamento com visita fica 80", "fee"),
        ("fica 80 a visita", "fee"),
        ("o conserto com busca e entrega fica 280", None),
        ("conserto e entrega fica 300", None),
        ("fica 350 frete incluso", None),
        ("fica 350 a 400", "rough"),
        ("fica 350 até 1.200 reais", "rough"),
        ("350 reais até 10x", None),
        ("fica 350 até 18h", None),
        ("350 reais até 30/11", None),
        ("a troca da tela ficou em 350", "total"),
        ("a troca da tela ficou em 350, posso fazer?", None),
        ("a troca da tela ficou em 350. Aguardo sua autorização", None),
        ("ficou pronto, deu 350, pode ser no pix?", "total"),
        ("ficou em 350, vai pagar no cartão?", "total"),
        ("oi, tudo bem? ficou em 350", "total"),
    ],
)
def test_what_sort_of_price_it_is(text: str, sort: str | None) -> None:
    assert [one.sort for one in read_commitments(text) if one.kind == "price_quoted"][:1] == [sort]


@pytest.mark.parametrize(
    ("text", "brings"),
    [
        ("vou levar meu notebook amanhã", True),
        ("levo amanhã", True),
        ("levo o carregador e o notebook amanhã", True),
        ("amanhã levo o celular da minha mãe", True),
        ("vou levar minha mãe no médico amanhã", False),
        ("amanhã levo a nota fiscal", False),
        ("levo na segunda o cabo", False),
        ("amanhã levo o carregador do notebook", False),
        ("deixo a senha aí amanhã", False),
        ("levo o documento amanhã", False),
    ],
)
def test_who_brings_something_else_brings_no_device(text: str, *, brings: bool) -> None:
    assert ("said_bringing" in _kinds(text, "customer")) is brings


@pytest.mark.parametrize(
    ("text", "comes"),
    [
        ("não deu pra ir hoje, passo amanhã", True),
        ("não deu pra ir hoje, passo amanhã?", False),
        ("que dia posso buscar", False),
        ("não deu pra ir hoje, se der vou amanhã", False),
    ],
)
def test_who_asks_for_another_day_has_not_agreed_on_it(text: str, *, comes: bool) -> None:
    assert ("pickup_agreed" in _kinds(text, "customer")) is comes


@pytest.mark.parametrize(
    ("text", "fetches"),
    [
        ("o motoboy passa aí amanhã pra retirar", True),
        ("nossa equipe retira na quarta", True),
        ("o técnico passa aí hoje às 15h", False),  # a visit
        ("nossa equipe passa aí quinta pra avaliar", False),
    ],
)
def test_a_visit_is_no_pick_up(text: str, *, fetches: bool) -> None:
    kinds = {one.kind for one in read_commitments(text) if one.side == "staff"}
    assert ("pickup_agreed" in kinds) is fetches


def test_a_time_of_day_that_was_past_gives_no_due_date() -> None:
    (mention,) = (one for one in read_commitments("até as 10h fica pronto") if one.side == "staff")
    morning, evening = (Said("chat:1", datetime(2025, 3, 4, hour), mention, None) for hour in (8, 19))
    (early,) = settle([morning], {}, HOLIDAYS)
    (late,) = settle([evening], {}, HOLIDAYS)
    assert (early.due_on, early.due_time) == (date(2025, 3, 4), time(10))
    assert (late.due_on, late.due_time) == (None, None)
    ready = _said(2, 5, "ficou pronto", "staff")  # the next morning
    assert settle([evening, *ready], {}, HOLIDAYS)[0].outcome == "kept"


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("Se der eu passo quarta. Combinado", None),
        ("Se der, passo quarta. Combinado", None),
        ("Se eu receber eu passo quarta. Combinado", None),
        ("Se ficar pronto eu passo quarta, combinado", None),
        ("Eu passo quarta para pegar? Combinado", "w2"),
        ("Eu passo quarta para pegar. Combinado", "w2"),
    ],
)
def test_a_condition_agrees_to_no_pick_up(text: str, due: str | None) -> None:
    found = [one.due for one in read_commitments(text) if one.side == "customer"]
    assert found == ([due] if due else [])


def _said(number: int, day: int, text: str, side: str, order: int | None = None) -> list[Said]:
    at = datetime(2025, 3, day, 10)
    return [Said(f"chat:{number}", at, one, order) for one in read_commitments(text) if one.side == side]


def _outcomes(made: list[Commitment]) -> list[tuple[str, str | None, str | None]]:
    return [(one.said.mention.kind, one.outcome, one.outcome_ref) for one in made]


def test_a_quote_is_answered_by_the_next_decision() -> None:
    said = [
        *_said(1, 3, "a tela fica 350", "staff"),
        *_said(2, 4, "muito caro, não vou fazer", "customer"),
        *_said(3, 10, "consigo por 300", "staff"),
        *_said(4, 11, "pode fazer", "customer"),
    ]
    assert _outcomes(settle(said, {}, HOLIDAYS)) == [
        ("price_quoted", "refused", "chat:2"),
        ("quote_refused", "superseded", "chat:4"),
        ("price_quoted", "approved", "chat:4"),
        ("quote_approved", None, None),
    ]


@pytest.mark.parametrize(
    ("ready_order", "price_order", "outcome"),
    [(5, 5, "approved"), (None, None, None), (5, None, None), (None, 5, None), (5, 6, None)],
)
def test_a_price_after_ready_work_is_its_bill_only_for_the_same_order(
    ready_order: int | None, price_order: int | None, outcome: str | None
) -> None:
    said = [
        *_said(1, 3, "seu notebook está pronto", "staff", ready_order),
        *_said(2, 5, "a tela do outro fica 350", "staff", price_order),
    ]
    assert settle(said, {}, HOLIDAYS)[0].outcome == outcome
    assert settle(_said(1, 3, "está pronto, fica 350", "staff"), {}, HOLIDAYS)[0].outcome == "approved"


def test_opposite_answers_to_two_prices_leave_open_which_one_was_approved() -> None:
    said = [
        *_said(1, 3, "a impressora sai 120, o celular 180", "staff"),
        *_said(2, 4, "a impressora pode fazer", "customer"),
    ]
    assert [one.outcome for one in settle(said, {}, HOLIDAYS)] == ["approved", "approved", None]
    both = [*said, *_said(3, 4, "o celular não compensa", "customer")]
    assert [one.outcome for one in settle(both, {}, HOLIDAYS)] == [None, None, None, None]


def test_work_that_is_ready_again_is_no_longer_collected() -> None:
    said = [*_said(1, 3, "ficou pronto", "staff", 5), *_said(2, 4, "já peguei", "customer", 5)]
    collected = follow(said, {}, HOLIDAYS)
    assert collected.ready is None
    assert collected.collected is not None
    again = follow([*said, *_said(3, 9, "ficou pronto", "staff", 5)], {}, HOLIDAYS)
    assert again.ready is not None
    assert again.collected is None
    other = follow([*said, *_said(3, 9, "ficou pronto", "staff", 6)], {}, HOLIDAYS)
    assert other.collected is not None


def test_a_quote_of_another_day_takes_the_place_of_the_one_before() -> None:
    said = [*_said(1, 3, "fica 350", "staff"), *_said(2, 10, "fica 300", "staff")]
    assert _outcomes(settle(said, {}, HOLIDAYS)) == [
        ("price_quoted", "superseded", "chat:2"),
        ("price_quoted", None, None),
    ]


@pytest.mark.parametrize(("day", "outcome"), [(6, "kept"), (7, "kept"), (8, "broken")])
def test_a_deadline_is_kept_until_its_day(day: int, outcome: str) -> None:
    said = [
        *_said(1, 4, "fica pronto sexta", "staff"),  # the 7th
        *_said(2, day, "seu aparelho já está pronto", "staff"),
    ]
    assert _outcomes(settle(said, {}, HOLIDAYS)) == [("deadline_promised", outcome, "chat:2")]


def test_a_refusal_ends_the_deadline_of_the_work() -> None:
    said = [
        *_said(1, 4, "a tela fica 350", "staff"),
        *_said(2, 4, "fica pronto sexta", "staff"),
        *_said(3, 5, "não vou fazer", "customer"),
    ]
    assert _outcomes(settle(said, {}, HOLIDAYS)) == [
        ("price_quoted", "refused", "chat:3"),
        ("deadline_promised", "superseded", "chat:3"),
        ("quote_refused", None, None),
    ]


@pytest.mark.parametrize(("day", "outcome"), [(6, "kept"), (7, "kept"), (8, None)])
def test_who_has_the_device_in_time_shows_that_the_deadline_was_kept(day: int, outcome: str | None) -> None:
    said = [
        *_said(1, 4, "fica pronto sexta", "staff"),  # the 7th
        *_said(2, day, "peguei, obrigada", "customer"),
    ]
    shown = "chat:2" if outcome else None
    assert _outcomes(settle(said, {}, HOLIDAYS)) == [("deadline_promised", outcome, shown)]


def test_only_evidence_breaks_a_promise() -> None:
    said = _said(1, 4, "fica pronto sexta", "staff", order=5)
    assert settle(said, {}, HOLIDAYS)[0].outcome is None
    kept, broken = (settle(said, {5: date(2025, 3, day)}, HOLIDAYS)[0] for day in (7, 9))
    assert (kept.outcome, kept.outcome_order) == ("kept", 5)
    assert (broken.outcome, broken.outcome_order) == ("broken", 5)
    assert settle(said, {6: date(2025, 3, 9)}, HOLIDAYS)[0].outcome is None  # another order's date


def test_an_order_shows_what_became_of_its_quote() -> None:
    said = _said(1, 4, "fica 350, pronto sexta", "staff", order=5)
    assert [one.outcome for one in settle(said, {5: date(2025, 3, 9)}, HOLIDAYS)] == ["approved", "broken"]
    assert [one.outcome for one in settle(said, {5: date(2025, 3, 3)}, HOLIDAYS)] == [None, None]  # before
    assert [one.outcome for one in settle(said, {}, HOLIDAYS, {5})] == ["refused", "superseded"]
    assert [one.outcome for one in settle(said, {}, HOLIDAYS, {6})] == [None, None]
    answered = [*said, *_said(2, 5, "pode fazer", "customer", order=5)]
    assert settle(answered, {}, HOLIDAYS, {5})[0].outcome == "approved"  # what was said stands


def test_the_pick_up_of_an_order_that_was_turned_down_stays_open() -> None:
    said = [
        *_said(1, 4, "fica 350, pronto sexta", "staff", order=5),
        *_said(2, 5, "não vou fazer, busco sexta", "customer", order=5),
    ]
    made = settle(said, {}, HOLIDAYS, {5})
    assert [(one.said.mention.kind, one.outcome) for one in made] == [
        ("price_quoted", "refused"),
        ("deadline_promised", "superseded"),
        ("quote_refused", None),
        ("pickup_agreed", None),
    ]
    assert made[-1].due_on == date(2025, 3, 7)
    assert settle(said, {5: date(2025, 3, 6)}, HOLIDAYS, {5})[-1].outcome is None


def test_a_promise_about_another_order_is_another_promise() -> None:
    said = [
        *_said(1, 4, "fica pronto sexta", "staff", order=5),
        *_said(2, 5, "fica pronto amanhã", "staff", order=6),
        *_said(3, 6, "ficou pronto", "staff", order=6),
    ]
    assert _outcomes(settle(said, {}, HOLIDAYS)) == [
        ("deadline_promised", None, None),
        ("deadline_promised", "kept", "chat:3"),
    ]


def test_a_payment_is_kept_when_the_staff_confirm_it() -> None:
    said = [
        *_said(1, 4, "faço o pix amanhã", "customer"),
        *_said(2, 5, "recebemos seu pagamento, obrigado", "staff"),
    ]
    made = settle(said, {}, HOLIDAYS)
    assert _outcomes(made) == [("payment_announced", "kept", "chat:2")]
    assert made[0].due_on == date(2025, 3, 5)
    assert isinstance(made[0].said.mention, Mention)

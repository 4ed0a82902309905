"""Whole conversations of each kind that was once read wrongly, and the sentences they give."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest

from whatsapp_pipeline.domain.commitments.status import Said, follow, national_holidays
from whatsapp_pipeline.domain.summaries.matter_text import CaseTerm
from whatsapp_pipeline.domain.summaries.text import Facts, compose
from whatsapp_pipeline.domain.summaries.text_reading import MessageReader, Reading

START = datetime(2025, 3, 3, 9)  # a Monday
SIDES = {"C": "customer", "L": "staff"}


@cache
def reader() -> MessageReader:
    """The reader of the packaged rules."""
    return MessageReader()


def _terms(read: list[tuple[str, Reading]]) -> list[CaseTerm]:
    """Count what the customer's messages name, as the database does."""
    kinds = (("device", "equipment"), ("symptom", "symptoms"), ("topic", "topics"))
    counts: Counter[tuple[str, str]] = Counter()
    latest: dict[tuple[str, str], str] = {}
    for ref, reading in read:
        for kind, field in kinds:
            for name in getattr(reading, field):
                counts[kind, name] += 1
                latest[kind, name] = ref
    return [
        CaseTerm(kind=kind, name=name, evidence=latest[kind, name], messages=number)
        for (kind, name), number in counts.most_common()
    ]


def sentences(*lines: str) -> dict[str, str]:
    """Return the sentences about a conversation by kind.

    A line is the day, the side (C: customer, L: shop) and the text: `0C meu celular não liga`. Messages of a
    day are three minutes apart.
    """
    said: list[Said] = []
    read: list[tuple[str, Reading]] = []
    last: dict[str, datetime] = {}
    at = START
    for number, line in enumerate(lines, start=1):
        day, side, text = line[0], SIDES[line[1]], line[3:]
        at = START + timedelta(days=int(day), minutes=3 * number)
        ref, reading = f"chat:{number}", reader().read(text)
        last[side] = at
        said += [Said(ref, at, one, None) for one in reading.commitments if one.side == side]
        if side == "customer":
            read.append((ref, reading))
    facts: dict[str, Any] = dict.fromkeys(Facts._fields)
    facts |= Facts._field_defaults
    facts |= {
        "messages": len(lines),
        "customer": len(read),
        "staff": len(lines) - len(read),
        "conversations": 1,
        "first_at": START,
        "last_at": at,
        "first_ref": "chat:1",
        "last_ref": f"chat:{len(lines)}",
        "last_speaker": SIDES[lines[-1][1]],
        "frequency": "rare",
        "topics": [],
        "terms": [],
        "sentiment": "neutral",
        "reply_refs": [],
        "orders": [],
        "case": _terms(read),
        "followed": follow(said, {}, national_holidays(None)),
        "last_staff_at": last.get("staff"),
        "last_customer_at": last.get("customer"),
    }
    return {claim["kind"]: claim["text"] for claim in compose(Facts(**facts))}


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            (
                "0C oi, o bolo de sábado fica pronto que horas?",
                "0L Aqui é uma assistência técnica, não é padaria",
            ),
            "A conversa foi por engano.",
        ),
        (
            ("0C Boa tarde, vocês estão contratando?", "0L No momento não"),
            "Quem escreveu não é cliente: procurava emprego na loja.",
        ),
        (
            (
                "0C Bom dia, aqui é a Joana da distribuidora Norte",
                "0C estamos com promoção de baterias",
                "0L Obrigado, semana que vem eu peço",
            ),
            "Quem escreveu não é cliente: o contato é comercial.",
        ),
        (
            ("0C Conheça nosso plano de consultoria", "0L Não temos interesse, obrigado"),
            "Quem escreveu não é cliente: o contato é comercial.",
        ),
    ],
)
def test_who_is_no_customer_gets_one_sentence(lines: tuple[str, ...], text: str) -> None:
    found = sentences(*lines)
    assert found.keys() == {"matter"}
    assert found["matter"] == text


def test_a_customer_who_mentions_a_job_or_an_offer_stays_a_customer() -> None:
    found = sentences("0C meu notebook não liga e meu currículo está nele", "0L a fonte fica 180")
    assert found["matter"] == "O cliente escreveu sobre um notebook que não liga."
    assert found["offer"] == "A loja informou o valor de R$ 180,00 em 03/03."


@pytest.mark.parametrize(
    ("text", "matter"),
    [
        ("a câmera frontal do meu celular ficou embaçada", "O cliente escreveu sobre um celular."),
        ("as câmeras do galpão pararam", "O cliente escreveu sobre câmeras de segurança."),
        ("vocês arrumam tela de redmi note 11?", "O cliente escreveu sobre um celular."),
        ("o controle da tv sumiu", "O cliente escreveu sobre um controle remoto."),
        ("tenho 3 impressoras paradas", "O cliente escreveu sobre impressoras."),
        ("fiquei sem carro hoje", None),
        ("a geladeira não gela, só o freezer", "O cliente escreveu sobre uma geladeira que não gela."),
        (
            "vocês vendem carregador de notebook?",
            "O cliente procurou um produto para comprar.",
        ),
        ("queria a nota fiscal de abril", "O cliente pediu a nota fiscal."),
        ("vocês fazem manutenção de notebooks?", "O cliente escreveu sobre notebooks."),
        (
            "até que horas vocês atendem no sábado?",
            "O cliente perguntou sobre o horário da loja.",
        ),
        ("que horas minha mãe chega?", None),
    ],
)
def test_the_device_is_the_one_that_the_customer_means(text: str, matter: str | None) -> None:
    assert sentences(f"0C {text}").get("matter") == matter


def test_a_service_that_the_shop_does_not_offer() -> None:
    found = sentences("0C vocês afinam piano?", "0L não fazemos, só eletrônicos")
    assert found["matter"] == "O cliente perguntou por um serviço que a loja não faz."
    closed = sentences("0C vocês afinam piano?", "0L não fazemos aos sábados, sábado é folga")
    assert closed["matter"] == "O cliente escreveu sobre um piano."


def test_what_is_unknown_is_said_only_of_audio_and_media() -> None:
    assert sentences("0C oi", "0L oi").keys() == {"contact"}


def test_a_purchase_of_long_ago_is_not_the_matter() -> None:
    bought, now = "0C vocês vendem carregador?", "9C queria saber do meu tablet"
    assert sentences(bought, now)["matter"] == "O cliente escreveu sobre um tablet."


def test_the_shop_may_have_written_to_the_wrong_number() -> None:
    found = sentences("0L seu drone ficou em R$ 520", "0C não tenho drone", "0L desculpe, número errado")
    assert found.keys() == {"matter"}


def test_the_device_of_the_message_with_the_fault_is_the_one_with_the_fault() -> None:
    found = sentences("0C o celular ficou ótimo", "0C agora o tablet não carrega")
    assert found["matter"] == "O cliente escreveu sobre um tablet que não carrega."


def test_a_corrected_device_is_the_only_one() -> None:
    found = sentences("0C quanto custa formatar um computador?", "0C aliás, na verdade é um tablet")
    assert found["matter"] == "O cliente escreveu sobre um tablet."


def test_the_shop_names_the_device_where_the_customer_does_not() -> None:
    found = sentences("0L Seu aspirador ficou pronto", "0C obrigada")
    assert found["matter"] == "A conversa é sobre um aspirador."


@pytest.mark.parametrize(
    ("lines", "offer"),
    [
        # What ready work costs is no quote.
        (
            ("0L seu ventilador está pronto", "0C quanto ficou?", "0L são 90 reais"),
            "A loja avisou em 03/03 que o serviço ficou pronto e informou o valor de R$ 90,00.",
        ),
        (
            ("0L o conserto da tv de R$ 410 ainda está em aberto",),
            "A loja informou o valor de R$ 410,00 em 03/03.",
        ),
        (
            ("0L o pagamento ficou pendente, R$ 145",),
            "A loja informou o valor de R$ 145,00 em 03/03.",
        ),
        (
            ("0L sensor trocado, 260 com a visita",),
            "A loja informou o valor de R$ 260,00 em 03/03.",
        ),
        (
            ("0L a limpeza fica 120", "1L prontinho, pode retirar até 18h"),
            "A loja informou o valor de R$ 120,00 em 03/03 e avisou em 04/03 que o serviço ficou pronto.",
        ),
        (("0L ssd 240 instalado sai R$ 290",), "A loja informou o valor de R$ 290,00 em 03/03."),
        (("0L trocamos a fonte, 190",), "A loja informou o valor de R$ 190,00 em 03/03."),
        (("0L podemos devolver o sinal hoje",), None),
        # "Pode buscar" of a device that nobody repaired.
        (("0L achamos o cabo, pode buscar",), None),
        # A lower price or a sum takes the place of the prices before it.
        (
            ("0L a tela fica 400, pra você faço 360",),
            "A loja informou o valor de R$ 360,00 em 03/03.",
        ),
        (
            ("0L a revisão sai 150 cada, as duas 270",),
            "A loja informou o valor de R$ 270,00 em 03/03.",
        ),
        (
            ("0L é a bomba, 140 a peça e 70 a mão de obra",),
            "A loja informou o valor de R$ 210,00 em 03/03.",
        ),
        (
            ("0L a limpeza fica 90 cada",),
            "A loja informou o valor de R$ 90,00 por unidade em 03/03.",
        ),
        # The customer names the price, and the shop agrees to it.
        (
            ("0L fica 300", "0C faz 260?", "0L faço sim"),
            "A loja aceitou o valor de R$ 260,00 em 03/03.",
        ),
        (
            ("0L fica 300", "0C faz 260?", "0L não consigo, desculpa"),
            "A loja informou o valor de R$ 300,00 em 03/03.",
        ),
        # A fee for looking at the device, beside the quote and without it.
        (
            ("0L fazemos visita, R$ 85, abate do conserto",),
            "A loja informou uma taxa de R$ 85,00 em 03/03.",
        ),
        (
            ("0L o conserto fica 500", "0C meu pai achou muito", "3L a avaliação é R$ 45"),
            "A loja informou o valor de R$ 500,00 em 03/03.",
        ),
        # The shop buys, or says that a repair does not pay.
        (("0L compramos sim, podemos dar 120 nela",), None),
        (
            ("0L infelizmente não compensa, um painel custa 1.800",),
            "A loja disse em 03/03 que o conserto não compensa.",
        ),
        (
            ("0L o braço fica 290", "0C paralelo tem?", "0L não compensa, quebra fácil"),
            "A loja informou o valor de R$ 290,00 em 03/03.",
        ),
        (
            ("0C vocês vendem carregador de tablet?", "0L temos por 80 reais"),
            "A loja informou o preço de R$ 80,00 em 03/03.",
        ),
        (
            ("0L a placa fica 320, o teclado não tem jeito",),
            "A loja informou o valor de R$ 320,00 em 03/03.",
        ),
        # A part that arrives and a delivery are no deadlines of the work.
        (("0L pedi hoje. Chega em 5 dias úteis",), None),
        (
            ("0L a impressora está pronta", "0C entregam?", "0L entregamos amanhã de manhã"),
            "A loja avisou em 03/03 que o serviço ficou pronto.",
        ),
        (
            ("0L fica pronto quarta", "2L está pronto, pode vir"),
            "A loja avisou em 05/03, no prazo, que o serviço ficou pronto.",
        ),
        (
            ("0L fica pronto quarta", "4L está pronto, pode vir"),
            "A loja avisou em 07/03, depois do prazo de 05/03, que o serviço ficou pronto.",
        ),
    ],
)
def test_what_the_shop_offered(lines: tuple[str, ...], offer: str | None) -> None:
    assert sentences(*lines).get("offer") == offer


@pytest.mark.parametrize(
    ("lines", "decision"),
    [
        # The latest decision wins.
        (
            ("0L fica 430", "0C muito caro, não vou fazer", "3C pensei melhor"),
            None,
        ),
        (
            ("0L fica 430", "0C não vou fazer", "2C decidi fazer"),
            "O cliente aprovou em 05/03 o orçamento que tinha recusado em 03/03.",
        ),
        (
            ("0L fica 430", "0C pode fazer", "2C cancela, por favor"),
            "O cliente cancelou em 05/03 o que estava combinado.",
        ),
        (("0L fica 430", "0C não vou fazer", "2L fica pronto amanhã"), None),
        # One of two devices.
        (
            ("0L o tablet fica 200, o fone 90", "0C faz só o tablet"),
            "O cliente aprovou uma parte do orçamento em 03/03.",
        ),
        (("0L o tablet fica 200, o fone 90", "0C o fone não compensa"), None),
        # "Fechado" agrees to a visit, a payment or a day as well.
        (("0L a instalação sai entre 900 e 1200", "0C fechado", "0L até sexta"), None),
        (("0L o tablet está pronto", "0C vou fazer agora"), None),
        # Who is to pay has not paid.
        (("0L fica 430", "0C vou falar com meu irmão, é ele que paga"), None),
        (("0C compensa arrumar? paguei 90 nele",), None),
        # A day that was put off holds no more.
        (("0L está pronto", "0C busco amanhã", "1C hoje não consigo ir"), None),
        (("0L está pronto", "0C busco amanhã", "1C remarquei aqui, outro dia eu vou"), None),
        # Collected: of this repair, and by somebody.
        (("0C peguei minha tv mês passado e ela parou de novo",), None),
        (("0L o rádio está pronto", "1L entregue, obrigado"), "O aparelho já foi entregue."),
        (("0L o rádio está pronto", "1C já busquei"), "O aparelho já foi retirado."),
        (("0C buscamos a lavadora sexta e ela não centrifuga",), None),
    ],
)
def test_what_the_customer_decided(lines: tuple[str, ...], decision: str | None) -> None:
    assert sentences(*lines).get("decision") == decision


def test_days_of_one_sentence_are_said_once() -> None:
    found = sentences("0L fica 120", "0C pode fazer, levo hoje", "0C já fiz o pix")
    assert found["decision"] == (
        "O cliente aprovou o orçamento em 03/03, informou que fez um pagamento"
        " e ficou de levar o item no mesmo dia."
    )


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("quero sim, passo hoje pegar", False),
        ("nunca mais volto aí", False),
        ("quero saber do meu rádio", True),
        ("levo quando for no centro", False),
    ],
)
def test_who_announces_or_leaves_is_owed_no_answer(text: str, *, asks: bool) -> None:
    assert ("said_asks" in {one.kind for one in reader().read(text).commitments}) is asks


def _closes(*lines: str) -> bool:
    return sentences(*lines).get("open") == "Nenhuma resposta pendente."


@pytest.mark.parametrize(
    "lines",
    [
        ("0C vocês atendem no sábado?", "0L Até as 13h", "0C obrigado"),
        ("0C arrumam piano?", "0L Infelizmente não fazemos", "0C ok, valeu"),
        ("0C meu rádio não liga", "0L fica 190", "0C não vou fazer, obrigado", "0L por nada"),
        ("0L o rádio está pronto, ficou em 190", "1C peguei, obrigada"),
        ("0L serviço concluído, ficou em 190", "0C fiz o pix, segue comprovante", "0C obrigado"),
    ],
)
def test_nothing_is_open_where_the_case_is_over_by_evidence(lines: tuple[str, ...]) -> None:
    assert _closes(*lines)


@pytest.mark.parametrize(
    "lines",
    [
        ("0C vocês atendem no sábado?", "0L Até as 13h"),  # nobody said goodbye
        ("0C arrumam piano?", "0L Vou confirmar com o técnico e te falo", "0C ok, valeu"),
        ("0C arrumam piano?", "0L Arrumamos, pode trazer", "0C ok, valeu"),
        ("0C meu rádio não liga", "0L a visita é 90", "0C vou falar com meu pai e te aviso", "0L aguardo"),
        ("0C meu rádio não liga", "0L fica 190", "0C não vou fazer, busco amanhã, obrigado"),
        ("0C meu rádio não liga", "0L fica 190", "0C não vou fazer", "0L pode retirar", "0C obrigado"),
        ("0L o rádio está pronto, ficou em 190", "1C peguei, obrigada", "1C a tampa soltou", "1L traz aqui"),
        ("0L serviço concluído, ficou em 190", "0C vou pagar amanhã, obrigado"),
    ],
)
def test_nothing_is_not_called_open_where_something_may_be_to_come(lines: tuple[str, ...]) -> None:
    assert not _closes(*lines)


def test_no_sentence_tells_the_reader_to_look_at_the_last_message() -> None:
    found = sentences("0C moro na Rua das Flores 88")
    assert "Confira" not in " ".join(found.values())


@pytest.mark.parametrize(
    ("text", "is_said"),
    [
        ("já paguei no pix", True),
        ("segue o comprovante", True),
        ("pix feito", True),
        ("transferi agora", True),
        ("pago na retirada no cartão", False),
        ("vou pagar os 190 amanhã", False),
        ("faço o pix depois", False),
        ("te mando o pix sexta", False),
    ],
)
def test_only_a_payment_that_was_made_is_said(text: str, *, is_said: bool) -> None:
    found = sentences("0L o rádio está pronto, ficou em 190", f"0C {text}").get("decision", "")
    assert ("que fez um pagamento" in found) is is_said
    assert "pagar" not in found


def test_a_payment_that_the_shop_confirmed_was_made() -> None:
    lines = "0L o rádio está pronto, ficou em 190", "0C vou fazer o pix", "0L pix recebido"
    assert sentences(*lines)["decision"] == "O cliente fez um pagamento, confirmado pela loja."


def test_what_the_shop_fetches_is_only_called_a_device_where_one_is_named() -> None:
    fetched = "1L Passamos pra pegar amanhã com o porteiro"
    device = sentences("0C minha geladeira não gela", fetched)
    assert device["offer"] == "A loja ficou de buscar o aparelho em 05/03."
    assert "offer" not in sentences("0C o rapaz esqueceu a trena aqui, na visita da geladeira", fetched)
    assert "offer" not in sentences("0C tenho uns documentos pra vocês", fetched)


def test_who_buys_something_collects_no_device() -> None:
    lines = "0C vocês vendem cabo de rede?", "0L Temos, fica 40", "0C passo aí pra pegar"
    assert sentences(*lines)["decision"] == "O cliente ficou de passar na loja."


def test_three_devices_or_more_are_not_mixed_up() -> None:
    found = sentences(
        "0C tenho uma tv que não liga, um ventilador com barulho e um liquidificador queimado",
        "0C e o liquidificador vaza",
    )
    assert found["matter"] == "O cliente escreveu sobre vários aparelhos."
    two = sentences("0C a tv não liga", "0C e o ventilador também")
    assert "aparelhos" not in two["matter"]


@pytest.mark.parametrize(
    ("text", "matter"),
    [
        ("onde fica a loja?", "O cliente perguntou sobre o endereço da loja."),
        (
            "que horas vocês fecham? e onde fica a loja?",
            "O cliente perguntou sobre o horário e o endereço da loja.",
        ),
        ("preciso do recibo", "O cliente pediu um recibo."),
        ("acesse o link e regularize seu cpf", "Quem escreveu não é cliente: a mensagem parece um golpe."),
        ("meu pc reinicia do nada", "O cliente escreveu sobre um computador que reinicia do nada."),
        ("a bateria está viciada", "O cliente relatou um problema: bateria ruim."),
    ],
)
def test_only_what_was_said_is_named(text: str, matter: str) -> None:
    assert sentences(f"0C {text}")["matter"] == matter


def test_a_lone_message_is_no_conversation() -> None:
    assert sentences("0C bom dia")["contact"] == "Houve só uma mensagem, do cliente, em 03/03/2025."


@pytest.mark.parametrize(
    ("lines", "offer", "decision"),
    [
        # Alternatives, another product, an extra: nothing says which price holds.
        (
            ("0L recondicionar fica 300", "0C e nova?", "0L uma nova sai por 700", "0C não vou fazer"),
            "A loja informou o valor de R$ 300,00 em 03/03.",
            None,
        ),
        (
            ("0L a limpeza fica 150", "1L precisa trocar a lente também, fica 340", "1C não vou trocar"),
            "A loja informou valores de R$ 150,00 e R$ 340,00 entre 03/03 e 04/03.",
            None,
        ),
        (
            ("0L fica 620 com retirada em casa", "0C e se eu levar?", "0L 550", "0C pode fazer"),
            "A loja informou valores de R$ 620,00 e R$ 550,00 em 03/03.",
            None,
        ),
        (
            ("0L o rádio fica 100, a tv 200", "0L o forno fica 300, o tablet 400"),
            "A loja informou valores de R$ 200,00, R$ 300,00 e R$ 400,00 em 03/03.",
            None,
        ),
        (
            (
                "0L limpeza feita, mas a lente quebrou, fica 340",
                "0C a lente deixa assim",
                "0L ok, pode retirar, 150",
            ),
            "A loja informou valores de R$ 340,00 e R$ 150,00 em 03/03.",
            None,
        ),
        (
            ("0L motor queimado, 310. Novo custa 420", "0C vocês vendem?", "0L à vista faço 399"),
            "A loja informou valores de R$ 310,00 e R$ 399,00 em 03/03.",
            None,
        ),
        # The lowered price, the one agreed to, and the bill.
        (
            ("0L fica 480", "0C não faz por 400?", "0L consigo por 440", "0C pode fazer"),
            "A loja informou o valor de R$ 440,00 em 03/03.",
            "O cliente aprovou o orçamento em 03/03.",
        ),
        (
            ("0L a original fica 480, a paralela 300", "0C pode fazer a de 300"),
            "A loja informou o valor de R$ 300,00 em 03/03.",
            "O cliente aprovou o orçamento em 03/03.",
        ),
        (
            ("0L fica 250", "0C pode fazer", "2L o rádio está pronto, ficou em 300"),
            "A loja avisou em 05/03 que o serviço ficou pronto e informou o valor de R$ 300,00.",
            "O cliente aprovou o orçamento em 03/03.",
        ),
        (
            ("0L fica 250", "0C pode fazer", "2L o rádio está pronto", "2L a capa sai por 30"),
            "A loja informou valores de R$ 250,00 e R$ 30,00 entre 03/03 e 05/03"
            " e avisou em 05/03 que o serviço ficou pronto.",
            "O cliente aprovou o orçamento em 03/03.",
        ),
    ],
)
def test_of_several_amounts_none_is_called_the_quote_unless_it_was_settled(
    lines: tuple[str, ...], offer: str, decision: str | None
) -> None:
    found = sentences(*lines)
    assert found["offer"] == offer
    assert found.get("decision") == decision


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("vou fazer lá então, obrigado", "recusou"),
        ("vou consertar em outra loja", "recusou"),
        ("fechei na outra loja", ""),
        ("vou levar em outro lugar", "recusou"),
        ("vou fazer sim", "aprovou"),
    ],
)
def test_an_approval_is_a_yes_to_the_shop(text: str, decision: str) -> None:
    found = sentences("0L a troca fica 520", f"0C {text}").get("decision", "")
    assert decision in found
    assert bool(found) is bool(decision)


@pytest.mark.parametrize(
    "text",
    [
        "te dou resposta até sexta",
        "vou levar para a diretoria e retorno até sexta",
        "vou falar com o fornecedor e até sexta te dou retorno",
        "rádio pronto e testado 2h sem desligar",
        "pronto e testado por 30 minutos",
    ],
)
def test_an_answer_and_a_test_are_no_promised_work(text: str) -> None:
    found = sentences("0C meu rádio não liga", f"0L {text}")
    assert "prometeu" not in found.get("offer", "")
    assert "prometido" not in found.get("open", "")


def test_a_time_that_nobody_wrote_is_not_said() -> None:
    found = sentences("0C meu rádio não liga", "0L em 2 horas fica pronto", "0C ok")
    assert ":" not in found["offer"]
    written = sentences("0C meu rádio não liga", "0L fica pronto amanhã às 15h", "0C ok")
    assert written["offer"] == "A loja prometeu o serviço para 04/03 às 15:00."


def test_after_clear_news_pode_buscar_is_of_something_else() -> None:
    lines = ("0L fica 300", "0C pode fazer", "2L o rádio está pronto", "3L a fonte ficou aqui, pode buscar")
    assert "avisou em 05/03 que o serviço ficou pronto" in sentences(*lines)["offer"]


@pytest.mark.parametrize(
    ("text", "matter"),
    [
        ("a trava da porta do carro não funciona", "O cliente escreveu sobre um carro."),
        ("o ar condicionado molhou até o tapete", "O cliente escreveu sobre um ar-condicionado."),
        ("meu filho molhou o celular", "O cliente escreveu sobre um celular que molhou."),
        ("o celular trava muito", "O cliente escreveu sobre um celular que trava."),
    ],
)
def test_what_is_beside_the_device_is_no_fault_of_it(text: str, matter: str) -> None:
    assert sentences(f"0C {text}")["matter"] == matter


@pytest.mark.parametrize(
    ("said", "waived"),
    [
        ("não vamos cobrar a visita", True),
        ("desta vez não cobramos a visita", True),
        ("mando outro técnico sem cobrar a visita", True),
        ("a visita fica por nossa conta", True),
        ("a visita é cortesia", True),
        ("vai ser de graça", True),
        ("não cobramos a visita se fizer o serviço", False),
        ("o técnico vai amanhã", False),
    ],
)
def test_a_fee_that_was_waived_is_not_said_as_valid(said: str, *, waived: bool) -> None:
    found = sentences("0C minha geladeira não gela", "0L a visita custa 90 reais", f"2L {said}")
    assert ("uma taxa de R$ 90,00" not in found.get("offer", "")) is waived
    if "cobra" in said and waived:
        assert found["offer"] == "A loja disse em 05/03 que não vai cobrar a visita."


@pytest.mark.parametrize(
    "said",
    [
        "o ralo estava entupido, a sujeira foi retirada",
        "a moeda já foi retirada da bomba",
        "a peça já foi retirada e testada",
        "o motor foi retirado para limpeza",
        "a nota fiscal já foi entregue na portaria",
        "o parafuso preso foi retirado",
    ],
)
def test_what_was_taken_out_or_handed_over_is_not_the_device(said: str) -> None:
    found = sentences("0C minha lavadora não centrifuga", "0L a troca da bomba fica 310", f"2L {said}")
    assert "já foi" not in found.get("decision", "")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Dona Irene já retirou, obrigado", "O aparelho já foi retirado."),
        ("Murilo, o Caio acabou de levar", "O aparelho já foi retirado."),
        ("o aparelho já foi retirado hoje", "O aparelho já foi retirado."),
        ("o notebook foi entregue ontem", "O aparelho já foi entregue."),
        ("o técnico acabou de levar para a bancada", None),
    ],
)
def test_who_collected_the_device(said: str, text: str | None) -> None:
    found = sentences("0C meu notebook não liga", "0L a fonte fica 180", "1L está pronto", f"2L {said}")
    assert found.get("decision") == text


@pytest.mark.parametrize(
    ("later", "in_time"),
    [
        ("a peça veio errada, fica pra sexta sem falta", False),
        ("infelizmente atrasou, entrego na sexta", False),
        ("o fornecedor adiou, fica pronto só na sexta", False),
        ("fica pronto na sexta", False),
    ],
)
def test_in_time_is_said_only_of_the_first_deadline(later: str, *, in_time: bool) -> None:
    found = sentences(
        "0C meu notebook não liga",
        "0L a fonte fica 180",
        "0C pode fazer",
        "0L fica pronto na quarta",
        f"2L {later}",
        "4L o notebook está pronto",
    )
    assert (", no prazo," in found["offer"]) is in_time
    assert "depois do primeiro prazo, 05/03," in found["offer"]


def test_a_deadline_that_only_its_delay_shows_is_not_called_kept() -> None:
    found = sentences(
        "0C meu carro está patinando",
        "0L a embreagem fica 900",
        "0C pode fazer",
        "2L a peça veio errada, fica pra sexta sem falta",
        "4L carro pronto, pode vir",
    )
    assert "prazo" not in found["offer"]


@pytest.mark.parametrize(
    ("text", "matter"),
    [
        ("troca a lente do óculos? trabalho o dia todo no computador", "O cliente escreveu sobre óculos."),
        ("minha tv está sem som, vi pelo celular", "O cliente escreveu sobre uma televisão sem som."),
        (
            "o fogão fica do lado da geladeira e não acende",
            "O cliente escreveu sobre um fogão que não acende.",
        ),
        (
            "minha caixa de som não conecta no bluetooth",
            "O cliente escreveu sobre uma caixa de som que não conecta ao Bluetooth.",
        ),
        ("o notebook não conecta no wifi", "O cliente escreveu sobre um notebook que não conecta à rede."),
        ("preciso afinar um piano de armário", "O cliente escreveu sobre um piano."),
        ("perdi a chave do meu onix", "O cliente escreveu sobre uma chave."),
        ("minha cg 160 tá morrendo quando para no farol", "O cliente escreveu sobre uma moto que morre."),
        ("tô sentindo cheiro de gás no fogão", "O cliente escreveu sobre um fogão com cheiro de gás."),
        ("trocam a bateria do moto g60?", "O cliente escreveu sobre um celular."),
    ],
)
def test_the_matter_is_what_the_customer_brings(text: str, matter: str) -> None:
    assert sentences(f"0C {text}")["matter"] == matter


def test_how_long_a_part_lasts_is_no_question_about_the_deadline() -> None:
    found = sentences("0C o fogão vaza", "1C essa mangueira dura quanto tempo?", "1C qual a validade dela?")
    assert "prazo" not in found["matter"]


@pytest.mark.parametrize(
    ("said", "decision"),
    [
        (
            "vou ter que cancelar, não liberaram as chaves",
            "O cliente cancelou em 05/03 o que estava combinado.",
        ),
        ("podem cancelar o serviço", "O cliente desistiu do serviço em 05/03."),
        ("desisto, obrigado", "O cliente desistiu do serviço em 05/03."),
        ("preciso remarcar, surgiu um imprevisto", None),
        ("achei por 100 em outro lugar, vou fazer com eles", "O cliente recusou o orçamento em 05/03."),
        ("vou arrumar com um conhecido", "O cliente recusou o orçamento em 05/03."),
        ("fechei com outro técnico", "O cliente recusou o orçamento em 05/03."),
        ("pode fazer, meu marido busca", "O cliente aprovou o orçamento em 05/03."),
    ],
)
def test_a_postponement_is_no_refusal_and_a_refusal_no_approval(said: str, decision: str | None) -> None:
    found = sentences("0C montam guarda-roupa?", "0L os dois serviços ficam 220", f"2C {said}")
    decided = found.get("decision", "").split(" e combinou")[0]
    assert decided.removesuffix(".") == (decision or "").removesuffix(".")


@pytest.mark.parametrize(
    "said",
    [
        "com 5 meses ela ainda está na garantia do fabricante",
        "ela tem 1 ano de garantia da marca",
        "se comprou há 5 meses está na garantia",
        "a garantia de fábrica é de 12 meses",
    ],
)
def test_the_maker_s_warranty_is_not_the_shop_s(said: str) -> None:
    assert "garantia" not in sentences("0C minha batedeira parou", f"0L {said}").get("offer", "")


def test_one_of_two_devices_is_ready() -> None:
    lines = ("0C meu tablet não carrega e meu celular também", "0L o tablet fica 150, o celular 170")
    found = sentences(*lines, "1L Tablet pronto!")
    assert found["offer"].endswith("avisou em 04/03 que havia serviço pronto.")
    both = sentences(*lines, "1L ficaram prontos, pode buscar")
    assert both["offer"].endswith("avisou em 04/03 que os serviços ficaram prontos.")


def test_a_visit_of_the_customer_is_no_pick_up() -> None:
    found = sentences(
        "0C perdi a chave do carro", "0L a cópia sai 250", "0C quero sim, passo ai semana que vem"
    )
    assert "retirada" not in found["decision"]


@pytest.mark.parametrize(
    "said", ["aff tá bom", "fazer o que", "espero que seja verdade", "tomara", "entendi ok"]
)
def test_resignation_asks_for_no_answer(said: str) -> None:
    assert not any(one.kind == "said_asks" for one in reader().read(said).commitments)


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        ("fiz o pix dos 480", " de R$ 480,00"),
        ("paguei os 480 agora", " de R$ 480,00"),
        ("mandei o pix de 240", " de R$ 240,00"),  # half of it
        ("transferi os 480", " de R$ 480,00"),
        ("fiz o pix de 77", ""),  # nobody asked for it
        ("pix feito", ""),
    ],
)
def test_the_amount_of_a_payment_is_one_that_the_shop_asked_for(said: str, amount: str) -> None:
    found = sentences("0C a tela trincou", "0L a tela fica R$ 480,00", f"2C {said}")
    assert f"fez um pagamento{amount}." in found["decision"]


def test_what_is_offered_beside_ready_work_is_neither_its_price_nor_its_refusal() -> None:
    found = sentences(
        "0C meu violão descolou",
        "0L fica 180",
        "0C pode fazer",
        "2L o violão está pronto",
        "3L tenho uma guitarra à venda por 500 se quiser",
        "3C não quero, obrigado",
    )
    assert "500" not in found["offer"]
    assert "recusou" not in found.get("decision", "")


def test_faults_of_two_things_are_put_on_neither() -> None:
    found = sentences("0C tenho uma tv sem imagem e um forninho sem força, não liga")
    assert found["matter"] == "O cliente escreveu sobre uma televisão."


@pytest.mark.parametrize(
    ("lines", "offer"),
    [
        # A count of things after a price is no part of it.
        (("0L a fonte fica R$ 150 uma unidade",), "A loja informou o valor de R$ 150,00 em 03/03."),
        # An estimate ends with the price after the device was looked at.
        (
            ("0L fica por volta de R$ 420, só testando", "2L testamos, é o painel, R$ 1.900"),
            "A loja informou o valor de R$ 1.900,00 em 05/03.",
        ),
        # A fee that is named again is no other price.
        (
            (
                "0L a avaliação custa R$ 70",
                "1L o conserto fica 410",
                "2C quanto devo da avaliação?",
                "2L R$ 70",
            ),
            "A loja informou o valor de R$ 410,00 em 04/03.",
        ),
        # The shop itself said that it missed a day.
        (
            ("0L fica pronto na terça", "2L o laboratório atrasou", "3L fica pronto segunda"),
            "A loja não cumpriu o prazo de 04/03 e prometeu o serviço para 10/03.",
        ),
        # A day that was taken back is not named any more.
        (("0L fica pronto na quinta", "3C posso buscar?", "3L infelizmente só segunda"), None),
    ],
)
def test_the_last_state_of_a_price_and_of_a_day(lines: tuple[str, ...], offer: str | None) -> None:
    assert sentences("0C meu notebook não liga", *lines).get("offer") == offer


def test_an_approval_before_an_open_quote_names_its_amount() -> None:
    found = sentences(
        "0C meu drone não liga",
        "0L a peça fica R$ 980",
        "0C pode pedir a peça",
        "9L chegou e foi instalada. O motor também está ruim, a troca é R$ 190. Podemos trocar?",
    )
    assert found["decision"] == "O cliente aprovou o orçamento de R$ 980,00 em 03/03."
    # On one day, the second price may be the first one with an extra.
    sums = sentences(
        "0L fica R$ 540", "0C pode fazer", "0C e com a coleta?", "0L R$ 600 com a coleta", "0C ok"
    )
    assert "decision" not in sums


@pytest.mark.parametrize(
    ("lines", "matter"),
    [
        # How to reach or find somebody, and what they did meanwhile.
        (("0C moro na Rua das Flores 10, o interfone não funciona, liga no celular",), None),
        (("0C meu celular novo é esse",), None),
        (("0C afinam piano?", "1C Edifício Sol ap 2, o interfone é ruim"), "um piano"),
        # Devices of different messages, of which one may be said in passing.
        (("0C o projetor precisa de lâmpada", "0C trabalho com drone também"), None),
        # The device of the car, and the controller of the console.
        (("0C o ar condicionado do palio não gela",), "um ar-condicionado que não gela"),
        (("0C 2 controles: um de ps5 e um de xbox com drift",), None),
        (("0C deixo 2 máquinas: a motosserra e a roçadeira",), "uma roçadeira e uma motosserra"),
        # A part that the shop names, and what leaks.
        (("0C morre na lenta", "0L o rotor da bomba d'água está gasto, R$ 185"), None),
        (("0C minha sanfona tá vazando ar",), "uma sanfona"),
        (("0C tá travando",), None),
    ],
)
def test_the_matter_is_named_only_where_it_is_certain(lines: tuple[str, ...], matter: str | None) -> None:
    expected = f"O cliente escreveu sobre {matter}." if matter else None
    assert sentences(*lines).get("matter") == expected


def test_hours_asked_for_a_visit_are_not_the_matter() -> None:
    found = sentences(
        "0C a prensa não sobe mais", "0L visita técnica R$ 200", "0C atende no horário de almoço?"
    )
    assert "matter" not in found


@pytest.mark.parametrize(
    ("lines", "offer"),
    [
        # Of listed options none takes the place of another.
        (
            ("0L Duas opções:\n1) arrumar o fole: R$ 680\n2) fazer tudo isso e a afinação: R$ 1.150",),
            "A loja informou valores de R$ 680,00 e R$ 1.150,00 em 03/03.",
        ),
        # A weekday, a discount, the carriage and the fee that the customer asked about.
        (
            ("0L fica 615", "1L o rotor não chegou, fica pra terça 26"),
            "A loja informou o valor de R$ 615,00 em 03/03",
        ),
        (("0L fica 430", "1L tiro 50 reais"), "A loja informou o valor de R$ 430,00 em 03/03."),
        (
            ("0L a troca fica R$ 2.900", "0C me devolve?", "0L o sedex dá R$ 48, mais os 120 do diagnóstico"),
            "A loja informou o valor de R$ 2.900,00 em 03/03.",
        ),
        (
            ("0C quanto é a visita?", "0L R$ 100, peças por fora"),
            "A loja informou uma taxa de R$ 100,00 em 03/03.",
        ),
        # How long a part lasts, a refund and the day of a visit.
        (("0C dura quanto?", "0L umas 2 mil horas"), None),
        (("0L amanhã devolvo os 70 no pix",), None),
        (("0L sexta às 8h, fica pronto no mesmo dia",), None),
        # One thing is ready and another not yet.
        (
            ("0L O violão está pronto. A viola só segunda",),
            None,
        ),
        (("0L Bolsa pronta",), "A loja avisou em 03/03 que o serviço ficou pronto."),
        (("0L teclado pronto Fábio, pode vir",), "A loja avisou em 03/03 que o serviço ficou pronto."),
        (("0L orçamento pronto",), None),
        (("0L vestido pronto sexta",), "A loja prometeu o serviço para 07/03."),
    ],
)
def test_the_shop_said_what_the_sentence_says(lines: tuple[str, ...], offer: str | None) -> None:
    found = sentences(*lines).get("offer")
    assert found == offer if offer is None or offer.endswith(".") else (found or "").startswith(offer)


@pytest.mark.parametrize(
    "lines",
    [
        # Nothing shows that the work was agreed, or the time is that of a visit.
        ("0L fica 200, pronto sexta", "0C hum"),
        ("0C pode fazer", "0L entrego sexta às 8h"),
        # The work is ready, and the day is that of the delivery.
        ("0L fica 200", "0C pode fazer", "1L máquina pronta. Entrego sexta"),
        # The order was cancelled.
        (
            "0L fica 200, pronto quarta",
            "0C pode fazer",
            "1C então cancela e quero meu sinal de volta",
            "1L fica pronto sexta",
        ),
    ],
)
def test_ready_work_is_awaited_only_where_it_was_agreed(lines: tuple[str, ...]) -> None:
    assert "avisar" not in sentences(*lines).get("open", "")


@pytest.mark.parametrize(
    "lines",
    [
        # The price of work that was approved, and a debt.
        ("0L fica 615", "0C pode fazer", "2C e o desconto pelo atraso?", "2L consigo por 565"),
        (
            "0L o rádio está pronto, ficou em 235",
            "1C peguei, posso pagar segunda no pix?",
            "3L ficou pendente o pix de R$ 235",
        ),
    ],
)
def test_an_answer_or_its_absence_is_said_only_with_evidence(lines: tuple[str, ...]) -> None:
    found = sentences(*lines).get("open", "")
    assert "falta a resposta" not in found
    assert "Nenhuma resposta" not in found


@pytest.mark.parametrize(
    "lines",
    [
        ("0L R$ 480", "1C não vou pagar isso", "1C e outra, paguei 310 faz nem duas semanas"),
        ("0L fica pronto em 5 dias", "0C vou pegar na secretaria e mando amanhã"),
        (
            "0L a visita é R$ 150",
            "0C fechado",
            "1L rebobinar fica R$ 890, quarta te entrego instalado",
            "1C ok",
        ),
    ],
)
def test_what_was_paid_before_or_is_fetched_elsewhere_is_no_decision(lines: tuple[str, ...]) -> None:
    found = sentences(*lines).get("decision", "")
    assert "pagamento" not in found
    assert "retirada" not in found
    assert "passar na loja" not in found
    assert "aprovou" not in found


@pytest.mark.parametrize(
    ("lines", "offer"),
    [
        # What the shop pays, an instalment and the parts of a sum are no prices.
        (("0L Pago R$ 300 pelas peças dela",), None),
        (("0L o gerente autorizou devolver os R$ 640",), None),
        (("0L 900 + 150 = 1.050, 3 de R$ 350,00",), "A loja informou o valor de R$ 1.050,00 em 03/03."),
        # A count of things.
        (("0L fica 110", "1L são 78 pedras, conferi"), "A loja informou o valor de R$ 110,00 em 03/03."),
        # The customer wrote the amount.
        (("0L fica 300", "0C faz 270?", "0L faço sim"), "A loja aceitou o valor de R$ 270,00 em 03/03."),
        # A duration beside a warranty, and one more day.
        (("0L em 6 meses a gente troca sem custo",), None),
        (("0L vou precisar de mais um dia",), None),
        (("0L fica 700, prazo 12 dias úteis",), "deu prazo de 12 dias úteis."),
        # A part of the work, or of the things, is ready.
        (("0L Braços prontos. Falta pintar o rosto",), None),
        (("0L As calças já ficaram prontas, o terno amanhã",), None),
        (("0L Pronto! Falta só os 200",), "que o serviço ficou pronto."),
    ],
)
def test_an_amount_a_duration_and_ready_work_are_what_the_words_say(
    lines: tuple[str, ...], offer: str | None
) -> None:
    found = sentences(*lines).get("offer", "")
    assert found.endswith(offer) if offer else not found


@pytest.mark.parametrize(
    "later",
    [
        "1C sexta eu não estou, pode ser sábado?",
        "1L atrasou a peça",
        "1C pode ser depois das 18h de sexta?",
        "1L entrega sexta entre 14h e 17h",
        "5C e aí?",
    ],
)
def test_a_day_is_stated_only_while_nothing_speaks_against_it(later: str) -> None:
    found = sentences("0C meu notebook não liga", "0L fica pronto sexta às 15h", later)
    assert "prometeu o serviço para 07/03 às 15:00" not in found.get("offer", "")
    same = sentences("0C meu notebook não liga", "0L fica pronto sexta às 15h", "0C sexta às 15h então")
    assert same["offer"] == "A loja prometeu o serviço para 07/03 às 15:00."


@pytest.mark.parametrize(
    "later",
    ["4C ainda não saí do trabalho", "4L você não veio hoje", "3C choveu, vou na segunda", "5C oi"],
)
def test_a_visit_is_stated_only_while_it_is_to_come(later: str) -> None:
    lines = ("0L a moto está pronta", "0C passo sexta pra pegar")
    assert "07/03" in sentences(*lines)["decision"]
    assert "07/03" not in sentences(*lines, later).get("decision", "")


@pytest.mark.parametrize(
    ("said", "decision"),
    [
        ("quero uma posição hoje senão vou buscar a máquina do jeito que está", "aprovou"),
        ("ou vocês resolvem ou eu cancelo", "aprovou"),
        ("eita, paguei 700 no relógio", "aprovou"),
        ("paguei 430 no pix", "pagamento"),
        ("pode cancelar, já chamei outro", "cancelou"),
    ],
)
def test_a_threat_is_no_refusal_and_a_purchase_no_payment(said: str, decision: str) -> None:
    found = sentences("0C minha impressora atola", "0L fica 430", "0C pode fazer", f"2C {said}")
    assert decision in found["decision"]
    assert ("cancelou" in found["decision"]) is (decision == "cancelou")
    assert ("pagamento" in found["decision"]) is (decision == "pagamento")
    assert "recusou" not in found["decision"]
    assert "retirada" not in found["decision"]


def test_a_refusal_after_a_cancelled_visit_keeps_the_cancellation() -> None:
    found = sentences(
        "0L a visita é R$ 130, quinta às 8h",
        "3C ninguém apareceu de novo",
        "3C pode cancelar",
        "3L faço de graça amanhã",
        "3C não precisa. Não quero mais",
    )
    assert found["decision"] == "O cliente cancelou em 06/03 o que estava combinado."
    assert "open" not in found


def test_fechado_after_a_day_agrees_to_the_day() -> None:
    lines = "0L resistência R$ 45", "0L posso ir amanhã às 17h", "0C fechado"
    assert "decision" not in sentences("0C meu chuveiro não esquenta", *lines)


@pytest.mark.parametrize(
    ("text", "matter"),
    [
        ("o portão da garagem bate com força e já amassou um carro", None),
        ("e o laudo que eu ia mostrar para o morador do carro da frente?", None),
        ("a multimídia do carro apagou", "um carro"),
        ("sou da Aurora, distribuidora de peças linha branca", None),
        ("tenho um piano e umas teclas não voltam", "um piano"),
        ("o sofá veio, mas o encosto não trava", "um sofá"),
        ("bom dia, minha mala voltou com a roda quebrada", "uma mala"),
    ],
)
def test_a_device_in_passing_and_a_fault_of_something_else_are_not_the_matter(
    text: str, matter: str | None
) -> None:
    expected = f"O cliente escreveu sobre {matter}." if matter else None
    assert sentences(f"0C {text}").get("matter") == expected


@pytest.mark.parametrize(
    ("lines", "step"),
    [
        (("0L te retorno amanhã cedo",), "falta a loja dar o retorno que prometeu em 03/03"),
        (("0L vou verificar com o financeiro",), "falta a loja dar o retorno que prometeu em 03/03"),
        (("0L mando o laudo até amanhã",), "falta a loja enviar o que prometeu em 03/03"),
        (("0L qualquer coisa te aviso",), None),
        (("0L te retorno amanhã", "1L resolvido"), None),
        (
            ("0L instalação na quinta às 10h", "0C ok"),
            "a próxima data que a loja citou é 06/03, às 10:00",
        ),
        (("0L passamos aí quinta entre 14h e 17h", "0C ok"), "a próxima data que a loja citou é 06/03"),
        (("0L instalação na quinta às 10h", "0C quinta não posso"), None),
        (("0L instalação na quinta às 10h", "1C melhor sexta"), None),
        (("0L o boleto vence quinta",), None),
        (("0L quinta fechamos mais cedo",), None),
        (("0L quinta ou sexta?",), None),
    ],
)
def test_the_next_step_that_the_shop_announced(lines: tuple[str, ...], step: str | None) -> None:
    found = sentences("0C bom dia", *lines).get("open")
    assert found == (f"Em aberto: {step}." if step else None)

"""WhatsApp's own exports: header shapes, phrases, dates, senders, by hand."""

# ruff: noqa: E501  # tables of cases read best with a case a line

from __future__ import annotations

import io
from datetime import datetime

import pytest

from whatsapp_pipeline.domain.transcripts import LineKind, Message, ParseOptions, Source, read_many
from whatsapp_pipeline_tests.domain.transcripts.helpers import parse

MARK = "\u200e"


@pytest.mark.parametrize(
    ("header", "expected", "form", "order"),
    [
        ("25/1/2025, 09:05 - ", "2025-01-25 09:05:00", "android", "dmy"),
        ("1/25/25, 3:05 PM - ", "2025-01-25 15:05:00", "android", "mdy"),
        ("1/25/25, 3:05\u202fPM - ", "2025-01-25 15:05:00", "android", "mdy"),
        ("1/25/25, 12:05\u00a0AM - ", "2025-01-25 00:05:00", "android", "mdy"),
        ("25/1/25, 09:05 - ", "2025-01-25 09:05:00", "android", "dmy"),
        ("25/1/25, 12:05 pm - ", "2025-01-25 12:05:00", "android", "dmy"),
        ("[25/1/25, 9:05:07] ", "2025-01-25 09:05:07", "ios", "dmy"),
        ("[25/1/25 9:05:07] ", "2025-01-25 09:05:07", "ios", "dmy"),
        ("25/01/2025 09:05 - ", "2025-01-25 09:05:00", "android", "dmy"),
        ("2025/1/25, 09:05 - ", "2025-01-25 09:05:00", "android", "ymd"),
        ("2025-01-25, 09:05 - ", "2025-01-25 09:05:00", "android", "ymd"),
        ("25.01.25, 09:05 - ", "2025-01-25 09:05:00", "android", "dmy"),
        ("25-01-2025, 09:05 - ", "2025-01-25 09:05:00", "android", "dmy"),
        ("25/01/2025, 09:05 – ", "2025-01-25 09:05:00", "android", "dmy"),
        ("25-Jan-2025 09:05 - ", "2025-01-25 09:05:00", "android", "dmy"),
        ("[25/01/25 09.05.07] ", "2025-01-25 09:05:07", "ios", "dmy"),
        ("[2025-01-25, 3:05:07 PM] ", "2025-01-25 15:05:07", "ios", "ymd"),
        ("25/1/25, 3:05 p. m. - ", "2025-01-25 15:05:00", "android", "dmy"),
        ("25/1/25 3:05 p.\u00a0m. - ", "2025-01-25 15:05:00", "android", "dmy"),
        ("25/1/25, 3:05 a.m. - ", "2025-01-25 03:05:00", "android", "dmy"),
        ("[09:05:07, 25/1/25] ", "2025-01-25 09:05:07", "ios", "dmy"),
        ("٢٥/١/٢٠٢٥، ٠٩:٠٥ - ", "2025-01-25 09:05:00", "android", "dmy"),
        ("[\u200f٢٥\u200f/١\u200f/٢٠٢٥، ٣:٠٥:٠٧ م] ", "2025-01-25 15:05:07", "ios", "dmy"),
        ("25/1/2567 09:05 - ", "2024-01-25 09:05:00", "android", "dmy"),
        ("25/1/67 09:05 - ", "2024-01-25 09:05:00", "android", "dmy"),
        ("R6/1/25 09:05 - ", "2024-01-25 09:05:00", "android", "ymd"),
        (f"{MARK}[25/1/25, 9:05:07] ", "2025-01-25 09:05:07", "ios", "dmy"),
        ("\ufeff25/01/2025 09:05 - ", "2025-01-25 09:05:00", "android", "dmy"),
    ],
)
def test_header_shapes(header: str, expected: str, form: str, order: str) -> None:
    result = parse(f"{header}Maria: oi: tudo\nbem?\n{header}Loja: olá\n")
    assert [message.timestamp for message in result.messages] == [datetime.fromisoformat(expected)] * 2
    assert [(message.sender_name, message.text) for message in result.messages] == [
        ("Maria", "oi: tudo\nbem?"),
        ("Loja", "olá"),
    ]
    assert (result.summaries[0].format, result.summaries[0].date_order) == (form, order)
    assert result.lines == {LineKind.HEADER: 2, LineKind.BODY: 1}


@pytest.mark.parametrize(
    ("dates", "order", "finding"),
    [
        (["01/02/2025", "13/02/2025"], "dmy", None),
        (["01/02/2025", "02/13/2025"], "mdy", None),
        (["01/02/2025", "2025/02/13"], "ymd", None),
        (["13/02/2025", "14/02/2025", "02/15/2025"], "dmy", "mixed_dates"),
        # Sorted with the day first alone: the 3rd of January follows the 2nd, and February both.
        (["02/01/2025", "03/01/2025", "01/02/2025"], "dmy", "date_order_inferred"),
        (["01/02/2025", "01/03/2025", "02/01/2025"], "mdy", "date_order_inferred"),
        (["01/02/2025"], "dmy", "date_order_assumed"),
    ],
)
def test_the_order_of_dates_is_decided_once_a_file(dates: list[str], order: str, finding: str | None) -> None:
    result = parse("".join(f"{date}, 10:00 - Maria: oi\n" for date in dates), ParseOptions(owner=("Maria",)))
    assert result.summaries[0].date_order == order
    assert [kind for kind in result.kinds if "date" in kind and kind != "invalid_date"] == (
        [finding] if finding else []
    )


def test_the_united_states_clock_tells_ambiguous_dates_apart_but_a_language_is_stronger() -> None:
    assert parse("1/2/25, 3:05 PM - Ana: hi\n").summaries[0].date_order == "mdy"
    notice = (
        "1/2/25, 3:05 PM - As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta.\n"
    )
    assert parse(notice + "1/2/25, 3:05 PM - Ana: oi\n").summaries[0].date_order == "dmy"
    assert (
        parse("1/2/25, 3:05 PM - Ana: hi\n", ParseOptions(date_order="dmy")).findings[0].kind
        != "date_order_assumed"
    )


def test_a_header_of_no_true_date_is_text() -> None:
    result = parse("25/01/2025 10:00 - Ana: oi\n31/02/2025 10:00 - Ana: x\n25/01/2025 25:00 - Ana: y\n")
    assert result.texts == ["oi\n31/02/2025 10:00 - Ana: x\n25/01/2025 25:00 - Ana: y"]
    assert [(f.kind, f.line) for f in result.findings if f.kind == "invalid_date"] == [
        ("invalid_date", 2),
        ("invalid_date", 3),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<Mídia oculta>", ("", "media", None)),
        ("<Mídia omitida>", ("", "media", None)),
        ("<Arquivo de mídia oculto>", ("", "media", None)),
        ("<Media omitted>", ("", "media", None)),
        ("<Multimedia omitido>", ("", "media", None)),
        ("<Mídia de visualização única omitida>", ("", "media", None)),
        ("<Mídia de visualização única omitida>\nolha", ("olha", "media", None)),
        ("<View once photo omitted>", ("", "media", None)),
        ("<imagem ocultada>", ("", "image", None)),
        ("veja <a parte omitida>", ("veja <a parte omitida>", "text", None)),
        (f"{MARK}imagem ocultada", ("", "image", None)),
        (f"{MARK}áudio ocultado", ("", "audio", None)),
        (f"{MARK}vídeo omitido", ("", "video", None)),
        (f"{MARK}GIF omitido", ("", "gif", None)),
        (f"{MARK}figurinha omitida", ("", "sticker", None)),
        (f"{MARK}sticker omitted", ("", "sticker", None)),
        (f"contrato.pdf • {MARK}2 páginas {MARK}documento omitido", None),
        (f"{MARK}documento omitido", ("", "document", None)),
        ("Cartão do contato omitido", ("", "contact", None)),
        (f"{MARK}IMG-1.jpg (arquivo anexado)", ("", "image", "IMG-1.jpg")),
        (f"{MARK}IMG-1.jpg (arquivo anexado)\nolha só", ("olha só", "image", "IMG-1.jpg")),
        ("PTT-1.opus (file attached)", ("", "audio", "PTT-1.opus")),
        ("nota.pdf (archivo adjunto)", ("", "document", "nota.pdf")),
        ("Ana.vcf (ficheiro anexado)", ("", "contact", "Ana.vcf")),
        (f"{MARK}<anexado: 01-STICKER.webp>", ("", "sticker", "01-STICKER.webp")),
        (f"olha\n{MARK}<attached: 01-VIDEO.mp4>", ("olha", "video", "01-VIDEO.mp4")),
        ("oi <Mensagem editada>", ("oi", "edited", None)),
        (f"oi {MARK}<This message was edited>", ("oi", "edited", None)),
        ("Mensagem apagada", ("Mensagem apagada", "deleted", None)),
        ("Você apagou esta mensagem", ("Você apagou esta mensagem", "deleted", None)),
        ("This message was deleted", ("This message was deleted", "deleted", None)),
        ("Se eliminó este mensaje.", ("Se eliminó este mensaje.", "deleted", None)),
        (f"{MARK}Chamada de voz perdida", (f"{MARK}Chamada de voz perdida", "call", None)),
        (
            "localização: https://maps.google.com/?q=1,2",
            ("localização: https://maps.google.com/?q=1,2", "location", None),
        ),
        (
            "location: https://maps.google.com/?q=1,2",
            ("location: https://maps.google.com/?q=1,2", "location", None),
        ),
        (
            f"{MARK}ENQUETE:\nOnde?\n{MARK}OPÇÃO: aqui (1 voto)",
            (f"{MARK}ENQUETE:\nOnde?\n{MARK}OPÇÃO: aqui (1 voto)", "poll", None),
        ),
        ("a imagem ocultada dele", ("a imagem ocultada dele", "text", None)),
        ("<oi>", ("<oi>", "text", None)),
        ("Maria saiu", ("Maria saiu", "text", None)),
        ("", ("", "text", None)),
    ],
)
def test_texts(text: str, expected: tuple[str, str, str | None] | None) -> None:
    message = parse(f"25/01/2025 10:00 - Ana: {text}\n").messages[0]
    if expected is not None:
        assert (message.text, message.type, message.attachment_name) == expected
    assert message.sender_name == "Ana"


@pytest.mark.parametrize(
    ("line", "kind", "is_group"),
    [
        ("As mensagens e as ligações são protegidas com a criptografia de ponta a ponta.", "system", False),
        (
            "Messages and calls are end-to-end encrypted. Only people in this chat can read them.",
            "system",
            False,
        ),
        ("As mensagens e as chamadas são encriptadas ponto a ponto.", "system", False),
        ("Los mensajes y las llamadas están cifrados de extremo a extremo.", "system", False),
        ("Maria adicionou João", "system", True),
        ("Maria saiu", "system", True),
        ("Maria removeu João", "system", True),
        ("João entrou usando o link de convite deste grupo", "system", True),
        ('Maria mudou o nome do grupo de "A: b" para "C: d"', "system", True),
        ("Seu código de segurança com Maria mudou. Toque para saber mais.", "system", False),
        (
            "Maria ativou as mensagens temporárias. Novas mensagens desaparecerão em 24 horas.",
            "system",
            False,
        ),
        ("Chamada de voz perdida", "call", False),
        ("Ligação de vídeo perdida às 10:00", "call", False),
        ("algo que ninguém conhece", "system", False),
    ],
)
def test_system_lines_are_kept_as_notifications(line: str, kind: str, is_group: bool) -> None:
    result = parse(f"25/01/2025 10:00 - Ana: oi\n25/01/2025 10:01 - {line}\n25/01/2025 10:02 - Ana: tchau\n")
    assert result.texts == ["oi", line, "tchau"]
    notice = result.messages[1]
    assert (notice.direction, notice.sender_name, notice.type) == ("notification", None, kind)
    assert result.summaries[0].is_group is is_group


def test_ios_marks_its_system_lines_and_names_the_chat_as_their_sender() -> None:
    result = parse(
        f"[25/01/25, 10:00:00] Turma: {MARK}As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta.\n"
        f"[25/01/25, 10:00:01] Turma: {MARK}Maria adicionou João\n"
        "[25/01/25, 10:00:02] Maria: João adicionou um aviso\n"
        f"[25/01/25, 10:00:03] João: {MARK}Ligação de voz perdida\n"
    )
    assert [(m.direction, m.type) for m in result.messages] == [
        ("notification", "system"),
        ("notification", "system"),
        (None, "text"),
        (None, "call"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nota 3.pdf • 2 páginas documento omitido", ("", "document", "Nota 3.pdf")),
        ("segue\nQuote.pdf • 1 page document omitted", ("segue", "document", "Quote.pdf")),
        ("segue a foto\nimagem ocultada", ("segue a foto", "image", None)),
        ("segue a foto\nImagem ocultada.", ("segue a foto", "image", None)),
        (f"Nota • {MARK}2 páginas {MARK}<anexado: 0012-Nota>", ("", "document", "0012-Nota")),
        ("lista: • 2 páginas documento omitido", ("lista: • 2 páginas documento omitido", "text", None)),
        ("segue a foto\na imagem ocultada", ("segue a foto\na imagem ocultada", "text", None)),
        (f"{MARK}oi, tudo bem?", (f"{MARK}oi, tudo bem?", "text", None)),
    ],
)
def test_files_of_an_ios_export_that_lost_marks(text: str, expected: tuple[str, str, str | None]) -> None:
    message = parse(f"[25/01/25, 10:00:00] Ana: oi\n[25/01/25, 10:00:01] Ana: {text}\n").messages[1]
    assert (message.text, message.type, message.attachment_name) == expected


NOTICE = "As mensagens e as ligações são protegidas com a criptografia de ponta a ponta."


@pytest.mark.parametrize(
    ("header", "notice", "text", "kind"),
    [
        ("25/01/2025 10:00 - ", "", "Ligação perdida", "text"),
        ("25/01/2025 10:00 - ", "", "Chamada de voz perdida.", "text"),
        ("25/01/2025 10:00 - ", "", "chamada de vídeo, sem resposta", "text"),
        ("25/01/2025 10:00 - ", "", "Ligação de voz. 2 min", "call"),
        ("25/01/2025 10:00 - ", "", f"{MARK}Ligação de voz perdida", "call"),
        ("[25/01/25, 10:00:00] ", "", "Missed call", "text"),
        ("[25/01/25, 10:00:00] ", "", "Voice call. No answer", "call"),
        ("[25/01/25, 10:00:00] ", f"{MARK}{NOTICE}", "Ligação de voz perdida", "text"),
        ("[25/01/25, 10:00:00] ", f"{MARK}{NOTICE}", "Ligação de voz. 2 min", "text"),
        ("[25/01/25, 10:00:00] ", f"{MARK}{NOTICE}", f"{MARK}Ligação de voz perdida.", "call"),
        ("[25/01/25, 10:00:00] ", NOTICE, "Ligação de voz perdida", "call"),
    ],
)
def test_a_person_who_types_the_name_of_a_call_did_not_call(
    header: str, notice: str, text: str, kind: str
) -> None:
    first = f"{header}Ana: {notice}\n" if notice else ""
    message = parse(f"{first}{header}Ana: {text}\n").messages[-1]
    assert (message.sender_name, message.text, message.type) == ("Ana", text, kind)


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ("Bia:oi, tudo bem", "Bia", "oi, tudo bem"),
        ("Maria da Silva:10 reais", "Maria da Silva", "10 reais"),
        ("🌈 Bia:oi", "🌈 Bia", "oi"),
        ("loja centro:oi", "loja centro", "oi"),
        ("Ana mudou o nome de uma coisa:x", None, "Ana mudou o nome de uma coisa:x"),
        ("Localização:x", None, "Localização:x"),
        ("algo assim:x", None, "algo assim:x"),
        ("Aviso às 10:30", None, "Aviso às 10:30"),
    ],
)
def test_a_name_needs_no_blank_behind_its_colon(line: str, name: str | None, text: str) -> None:
    chat = f"25/01/2025 10:00 - Ana: oi\n25/01/2025 10:01 - {line}\n"
    message = parse(chat, ParseOptions(owner=("Loja Centro",))).messages[-1]
    assert (message.sender_name, message.text) == (name, text)


@pytest.mark.parametrize(
    ("header", "line", "name", "text"),
    [
        ("25/01/2025 10:01 - ", "Ana:nota: 5", "Ana", "nota: 5"),
        ("[25/01/2025, 10:01:00] ", "Ana:nota: 5\nbom", "Ana", "nota: 5\nbom"),
        ("25/01/2025 10:01 - ", "+55 41 99900-0106:obs: ok", None, "obs: ok"),
        ("25/01/2025 10:01 - ", "Ana:Centro:obs: ok", "Ana:Centro", "obs: ok"),
        ("25/01/2025 10:01 - ", "Bia:Norte: oi", "Bia:Norte", "oi"),
    ],
)
def test_a_text_with_a_colon_may_follow_a_name_without_a_blank(
    header: str, line: str, name: str | None, text: str
) -> None:
    options = ParseOptions(owner=("Ana:Centro",))
    message = parse(f"{header}Ana: oi\n{header}{line}\n", options).messages[-1]
    assert (message.sender_name, message.text) == (name, text)


def test_a_file_may_follow_a_name_without_a_blank() -> None:
    header = "[25/01/2025, 10:01:00] "
    result = parse(f"{header}Ana: oi\n{header}Bia:{MARK}<anexado: 00000003-PHOTO-1.jpg>\n")
    message = result.messages[-1]
    assert (message.sender_name, message.type) == ("Bia", "image")
    assert message.attachment_name == "00000003-PHOTO-1.jpg"


def test_a_file_without_any_blank_after_names_is_read() -> None:
    header = "25/01/2025 10:00 - "
    lines = ["dona Lia do mercado 24h:oi", "Ana:oi", "dona Lia do mercado 24h:obs: 5", "Lia do mercado:oi"]
    lines += ["As mensagens temporárias:a", "As mensagens temporárias:b", "dona Lia do mercado 24h:tem?"]
    result = parse("".join(f"{header}{line}\n" for line in lines))
    lia = "dona Lia do mercado 24h"
    assert [(m.sender_name, m.text) for m in result.messages] == [
        (lia, "oi"),
        ("Ana", "oi"),
        (lia, "obs: 5"),
        (None, "Lia do mercado:oi"),
        (None, "As mensagens temporárias:a"),
        (None, "As mensagens temporárias:b"),
        (lia, "tem?"),
    ]


def test_a_notice_may_begin_with_a_name_that_has_a_colon() -> None:
    header = "25/01/2025 10:00 - "
    lines = ["João OS:30123 saiu", "Ana: oi", "João OS:30123 entrou", "Loja:Sul: olá", "Loja:Sul saiu"]
    result = parse("".join(f"{header}{line}\n" for line in lines))
    assert [(m.direction, m.sender_name, m.text) for m in result.messages] == [
        ("notification", None, "João OS:30123 saiu"),
        (None, "Ana", "oi"),
        ("notification", None, "João OS:30123 entrou"),
        (None, "Loja:Sul", "olá"),
        ("notification", None, "Loja:Sul saiu"),
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('Grupo "Obra: Centro" criado por Ana', None),
        ("Ana trocou o apelido para “Ana: loja”", None),
        ('Ana notebook 15": oi', 'Ana notebook 15"'),
        ('"Ana": oi', '"Ana"'),
        ("Ana “Nana”: oi", "Ana “Nana”"),
    ],
)
def test_a_quotation_that_goes_on_after_the_colon_is_no_name(line: str, name: str | None) -> None:
    message = parse(f"25/01/2025 10:00 - Bia: oi\n25/01/2025 10:01 - {line}\n").messages[-1]
    assert (message.sender_name, message.text) == (name, "oi" if name else line)


@pytest.mark.parametrize(("title", "sender"), [("João", "Joa\u0303o"), ("Joa\u0303o", "João")])
def test_accents_may_be_characters_of_their_own(title: str, sender: str) -> None:
    text = f"25/01/2025 10:00 - {sender}: oi\n25/01/2025 10:01 - Ana: olá\n"
    by_title = parse(text, ParseOptions(default_title=f"Conversa do WhatsApp com {title}"))
    by_owner = parse(text, ParseOptions(owner=(title,)))
    assert [message.direction for message in by_title.messages] == ["from", "to"]
    assert [message.direction for message in by_owner.messages] == ["to", "from"]


CHAT = "25/01/2025 10:00 - Maria: oi\n25/01/2025 10:01 - Loja Técnica: olá\n25/01/2025 10:02 - +55 41 99999-0000: e eu\n"


@pytest.mark.parametrize(
    ("options", "directions"),
    [
        (ParseOptions(owner=("Loja Técnica",)), ["from", "to", "from"]),
        (ParseOptions(owner=("loja técnica", "Outra")), ["from", "to", "from"]),
        (ParseOptions(owner=("41 9999-0000",)), ["from", "from", "to"]),
        (ParseOptions(owner=("Quem não fala",)), [None, None, None]),
        (ParseOptions(), [None, None, None]),
        (ParseOptions(default_title="Conversa do WhatsApp com Maria"), ["from", "to", None]),
        (ParseOptions(default_title="WhatsApp Chat - Ninguém"), [None, None, None]),
    ],
)
def test_staff_is_the_owner_or_nobody(options: ParseOptions, directions: list[str | None]) -> None:
    result = parse(CHAT, options)
    assert [message.direction for message in result.messages] == directions
    assert ("direction_unknown" in result.kinds) is (None in directions)


def test_an_unsaved_sender_is_a_phone_and_a_tilde_is_no_name() -> None:
    result = parse("25/01/2025 10:00 - +55 41 99999-0000: oi\n25/01/2025 10:00 - ~\u202fAna: oi\n")
    assert [(m.sender_name, m.sender_phone) for m in result.messages] == [
        (None, "+55 41 99999-0000"),
        ("Ana", None),
    ]
    assert result.summaries[0].header_phones == {"+55 41 99999-0000": 1}


@pytest.mark.parametrize(
    ("written", "name", "phone"),
    [
        ("\u202a+55\u00a041\u00a099999\u20110000\u202c", None, "+55 41 99999-0000"),
        ("+55 41 99999\u22120000", None, "+55 41 99999-0000"),
        ("~\u202f+1 (415) 555-0671", None, "+1 (415) 555-0671"),
        ("98765432109876", None, None),
        ("123.456.789-09", "123.456.789-09", None),
        ("4x4 Auto", "4x4 Auto", None),
    ],
)
def test_a_sender_is_a_phone_a_lid_or_a_name(written: str, name: str | None, phone: str | None) -> None:
    (message,) = parse(f"25/01/2025 10:00 - {written}: oi\n").messages
    assert (message.sender_name, message.sender_phone, message.text) == (name, phone, "oi")


def test_an_owner_is_found_by_a_number_with_any_dash() -> None:
    text = "25/01/2025 10:00 - +55 41 99999\u20110000: oi\n25/01/2025 10:00 - Ana: oi\n"
    result = parse(text, ParseOptions(owner=("+55 41 99999-0000",)))
    assert [m.direction for m in result.messages] == ["to", "from"]


def test_a_pasted_web_transcript_is_text_and_one_of_the_same_shape_is_told_by_its_times() -> None:
    result = parse(
        "[25/01/25, 10:00:00] Ana: veja\n[10:30, 24/01/2025] Bia: oi\n[24/01/25, 09:00:00] Bia: colado\n"
    )
    assert result.texts == ["veja\n[10:30, 24/01/2025] Bia: oi", "colado"]
    assert [(f.kind, f.line) for f in result.findings if f.kind == "out_of_order"] == [("out_of_order", 3)]


def test_what_stands_before_the_first_header_is_an_exception() -> None:
    result = parse("Exportado\n\n25/01/2025 10:00 - Ana: oi\n")
    assert [(m.text, m.line) for m in result.messages] == [("oi", 3)]
    assert result.lines[LineKind.EXCEPTION] == 2


def test_the_format_can_be_forced() -> None:
    text = "25/01/2025 10:00 - Ana: oi\n[25/01/25, 10:00:00] Ana: x\n[25/01/25, 10:00:00] Ana: y\n"
    assert parse(text).summaries[0].format == "ios"
    assert parse(text, ParseOptions(format="android")).summaries[0].format == "android"
    assert parse(text, ParseOptions(format="block")).kinds == ["unknown_format"]


FILES = [
    "25/01/2025 10:00 - Maria: oi\nde novo\n25/01/2025 10:01 - Maria adicionou João\n\n",
    "[1/25/25, 3:05:07 PM] Loja: hi\n[1/26/25, 3:05:07 PM] Maria: bye",
    "Exportado\n25/01/2025 09:00 - Maria: antes\n24/01/2025 09:00 - Maria: depois\n",
    "31/02/2025 10:00 - Ana: x\n",
    "[10:00:00, 25/1/25] Bia: oi\n[10:00:00, 31/2/25] Bia: oi\n",
    "25/01/2025 10:00 - Ana: \x00\n25/01/2025 10:00 - Ana:",
    "1/2/25, 3:05\u202fPM - Loja: oi\n",
]


def test_files_that_are_read_together_do_not_touch_each_other() -> None:
    """Each keeps its own lines, order of dates, senders, findings and end."""
    options = ParseOptions(owner=("Loja",))
    alone = [parse(text, options) for text in FILES]
    (window,) = read_many((Source(io.BytesIO(text.encode()), options) for text in FILES), identities=True)
    assert [opened.source for opened in window.opened] == list(range(len(FILES)))
    messages: list[list[Message]] = [[] for _ in FILES]
    for chat, *fields in window.frame.iter_rows():
        messages[chat].append(Message._make(fields))
    assert messages == [result.messages for result in alone]
    for chat, summary in window.closed:
        assert summary == alone[chat].summaries[0]
        assert sorted(finding for of, finding in window.findings if of == chat) == sorted(
            alone[chat].findings
        )


def test_a_file_writes_its_headers_in_more_than_one_way() -> None:
    result = parse(
        "25/01/2025 10:00 - Ana: a\n25/1/25, 10:01\u202fAM - Ana: b\n٢٥/١/٢٠٢٥، ٠٩:٠٥ - Ana: c\n"
        f"25/01/2025 10:02 - {MARK}Ana saiu\n"
    )
    assert result.texts == ["a", "b", "c", "Ana saiu"]
    assert [message.timestamp.minute for message in result.messages] == [0, 1, 5, 2]


@pytest.mark.parametrize(
    "line", ["Ana", "Ana:\nmais", ":", ": oi", f"{'A' * 121}: oi", "Chamada: perdida\nX: y"]
)
def test_what_is_no_name_and_text_is_kept_whole(line: str) -> None:
    result = parse(f"25/01/2025 10:00 - Ana: oi\n25/01/2025 10:00 - {line}\n25/01/2025 10:01 - Ana:\n")
    names = ["Ana", "Chamada" if line.startswith("Chamada") else None, "Ana"]
    assert [message.sender_name for message in result.messages] == names
    assert result.texts == ["oi", line.removeprefix("Chamada: "), ""]


def test_what_is_no_text_is_mended_wherever_a_file_is_cut() -> None:
    text = b"25/01/2025 10:00 - Ana: \xe9\n25/01/2025\xa010:01 - Ana: a\x00b\n" * 20
    whole = parse(text)
    assert whole.texts == ["é", "a\ufffdb"] * 20
    assert [(f.kind, f.line) for f in whole.findings if f.line] == [
        *(("out_of_order", line) for line in range(3, 41, 2)),
        ("encoding_assumed", 1),
        ("nul_character", 2),
    ]
    cut = parse(text, chunk=100)
    assert (cut.messages, sorted(cut.findings)) == (whole.messages, sorted(whole.findings))


def test_lines_before_the_first_message_may_be_many() -> None:
    text = "31/02/2025 10:00 - Ana: x\n" + "linha\n" * 100 + "25/01/2025 10:00 - Ana: oi\n"
    result = parse(text, chunk=200)
    assert [(m.text, m.line) for m in result.messages] == [("oi", 102)]
    assert [f.detail for f in result.findings if f.kind == "preamble"] == [
        "101 lines before the first message"
    ]


@pytest.mark.slow
def test_a_message_without_end_is_shortened_and_told() -> None:
    result = parse("25/01/2025 10:00 - Ana: oi\n" + "linha\n" * (2 << 20) + "25/01/2025 10:01 - Ana: fim\n")
    assert result.texts[-1] == "fim"
    assert "oversized_message" in result.kinds
    assert result.messages[-1].line == (2 << 20) + 2

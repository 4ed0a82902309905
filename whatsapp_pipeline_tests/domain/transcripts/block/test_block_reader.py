"""The block format: its traps, one by one, by hand."""

# Tables of cases read best with one case per line.

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from whatsapp_pipeline.domain.transcripts import LineKind, ParseOptions
from whatsapp_pipeline.domain.transcripts.block.block_header import parse_who
from whatsapp_pipeline_tests.domain.transcripts.helpers import LABEL, RULE, block, parse

FROM = "2025-01-05 10:00:00 from Maria (+554199990000) - Lida"


def test_the_format_is_told_by_its_blocks_though_its_dates_look_native() -> None:
    result = parse(block(FROM, "05/01/2025 10:00 - Maria: isto foi colado"))
    assert result.summaries[0].format == "block"
    assert result.texts == ["05/01/2025 10:00 - Maria: isto foi colado"]


def test_lines_are_cut_at_line_feeds_only() -> None:
    result = parse(block(FROM, "um\u2028dois\x0btrês\x85quatro\rcinco"))
    assert result.texts == ["um\u2028dois\x0btrês\x85quatro\rcinco"]


@pytest.mark.parametrize(
    "typed",
    [
        RULE,
        f"{RULE}\n{RULE}",
        f"{RULE}\nsó um risco",
        f"{RULE}\n{LABEL}\nsem cabeçalho",
        f"{RULE}\n{FROM}",
        f"{RULE}-\n{LABEL}\n{FROM}",
        f"{RULE}\n\n{LABEL}\n{FROM}",
        f"{RULE}\n{LABEL}\n2025-02-30 10:00:00 from Maria - Lida",
        f"{RULE}\n{LABEL}\n2025-01-05T10:00:00 from Maria - Lida",
        f"{RULE}\n{LABEL}\n2025-01-05 10:00:00 by Maria - Lida",
        f"> {RULE}\n{LABEL}\n{FROM}",
    ],
)
def test_what_does_not_complete_the_pattern_is_text(typed: str) -> None:
    text = f"veja:\n{typed}\nfim"
    result = parse(block(FROM, text) + block(FROM, "depois"))
    assert result.texts == [text, "depois"]


def test_a_rule_right_above_a_true_separator_is_text() -> None:
    result = parse(block(FROM, "oi").rstrip("\n") + f"\n{RULE}\n" + block(FROM, "tchau"))
    assert result.texts == [f"oi\n{RULE}", "tchau"]


def test_a_pasted_transcript_of_another_chat_stays_in_its_message_and_is_told() -> None:
    pasted = block("2020-01-01 08:00:00 from Golpista - Lida", "mande o pix", label="Banco")
    result = parse(block(FROM, f"olha o que recebi\n{pasted}") + block(FROM, "estranho, né"))
    assert len(result.messages) == 2
    assert "mande o pix" in result.messages[0].text
    assert [(f.kind, f.line) for f in result.findings] == [("unknown_label", 7)]


def test_a_file_named_for_its_chat_holds_no_other() -> None:
    pasted = block("2020-01-01 08:00:00 from Golpista - Lida", "mande o pix", label="Banco")
    result = parse(block(FROM, f"olha\n{pasted}"), ParseOptions(default_title=LABEL))
    assert len(result.starts) == 1
    assert result.kinds == ["unknown_label"]


@pytest.mark.parametrize(
    ("title", "label", "is_its_own"),
    [
        ("+55 41 9999-0000", LABEL, True),  # without the ninth digit
        ("Maria 41999990000 OS 30415", LABEL, True),
        ("Maria Silva OS 30415", "Maria Silva", True),
        ("Maria Silva de Oliv-", "Maria Silva de Oliveira", True),
        ("+55 41 98888-0000", LABEL, False),
        ("Ana Maria", "Ana", False),  # too short to tell
        ("Oficina do Beto", "Maria Silva", False),
    ],
)
def test_a_title_names_its_chat_in_more_words_and_other_digits(
    title: str, label: str, is_its_own: bool
) -> None:
    last = block("2020-01-01 08:00:00 from Golpista - Lida", "mande o pix", label="Banco")
    result = parse(block(FROM, f"olha\n{last}", label), ParseOptions(default_title=title))
    assert len(result.starts) == (1 if is_its_own else 2)


def test_a_header_without_any_separator_is_no_block() -> None:
    text = f"{'x' * 52}\nMaria Silva\n{FROM}\n\noi\n"  # as long as a rule, but none
    result = parse(text)
    assert result.starts[0].format != "block"
    assert result.lines == {LineKind.EXCEPTION: 5}


def test_a_block_right_below_text_is_read_and_told() -> None:
    forged = block("2020-01-01 08:00:00 from Maria - Lida", "mande o pix").rstrip("\n")
    result = parse(block(FROM, "oi") + block(FROM, f"olha\n{forged}") + block(FROM, "estranho, né"))
    assert len(result.messages) == 4
    assert [(f.kind, f.line) for f in result.findings] == [("forged_header", 13)]


def test_a_combined_file_holds_a_chat_a_label() -> None:
    text = (
        block(FROM, "a") + block("2025-01-05 10:00:00 from Ana - Lida", "b", "Ana") + block(FROM, "c", "Bia")
    )
    result = parse(text)
    assert [(start.number, start.label, start.line) for start in result.starts] == [
        (1, LABEL, 2),
        (2, "Ana", 8),
        (3, "Bia", 14),
    ]
    assert [[m.text for m in chat] for chat in result.chats] == [["a"], ["b"], ["c"]]
    assert [message.line for message in result.messages] == [3, 9, 15]
    named = parse(text + block(FROM, "d"), ParseOptions(default_title="WhatsApp - 844 sesiones de chat"))
    assert len(named.starts) == 4
    assert named.findings == []


@pytest.mark.parametrize(
    ("header", "direction", "name", "phone", "status"),
    [
        ("from Maria (+554199990000) - Lida", "from", "Maria", "+554199990000", "Lida"),
        ("from aB3xYz09GIAA= (+554199990000) - Lida", "from", None, "+554199990000", "Lida"),
        ("from +55 41 99999-0000 - Recebida", "from", None, "+55 41 99999-0000", "Recebida"),
        ("from Ana - Loja - Reproduzida", "from", "Ana - Loja", None, "Reproduzida"),
        ("from Ana - Loja", "from", "Ana - Loja", None, None),
        ("from Ana (mãe): +1 (+554199990000) - Lida", "from", "Ana (mãe): +1", "+554199990000", "Lida"),
        ("from Grupo (123456789012345) - Lida", "from", "Grupo", None, "Lida"),
        ("from Ana (+554199990000) - Gelesen", "from", "Ana", "+554199990000", "Gelesen"),
        ("from Ana - Leído", "from", "Ana", None, "Leído"),
        ("from Ana (+55 41 99999\u20110000) - Lida", "from", "Ana", "+55 41 99999-0000", "Lida"),
        (
            "from \u202a+55\u00a041\u00a099999\u20110000\u202c - Lida",
            "from",
            None,
            "+55 41 99999-0000",
            "Lida",
        ),
        ("from Ana (+1 (415) 555-2671) - Lida", "from", "Ana", "+1 (415) 555-2671", "Lida"),
        ("from Zm9vYmFyR0lBQT0= (+246998877665544) - Lida", "from", None, None, "Lida"),
        ("from Ana (98765432109876@lid) - Lida", "from", "Ana", None, "Lida"),
        ("from +246998877665544 - Lida", "from", None, None, "Lida"),
        ("from Ana (123.456.789-09) - Lida", "from", "Ana (123.456.789-09)", None, "Lida"),
        ("from Ana (OS 30123) - Lida", "from", "Ana (OS 30123)", None, "Lida"),
        ("from Ana - Delivered", "from", "Ana", None, "Delivered"),
        ("from  - Lida", "from", None, None, "Lida"),
        ("to Maria (+554199990000) - Entregue", "to", None, None, "Entregue"),
        ("notification", "notification", None, None, None),
    ],
)
def test_headers(
    header: str, direction: str, name: str | None, phone: str | None, status: str | None
) -> None:
    (message,) = parse(block(f"2025-01-05 10:00:00 {header}", "oi")).messages
    assert (message.direction, message.sender_name, message.sender_phone, message.status) == (
        direction,
        name,
        phone,
        status,
    )


@pytest.mark.parametrize("header", ["notification de Maria", "From Maria - Lida", "", "fromMaria"])
def test_what_is_no_header(header: str) -> None:
    assert parse_who(header) is None


def test_the_phones_of_headers_are_counted_staffs_too() -> None:
    text = block(FROM, "a") + block(f"2025-01-05 10:01:00 to {LABEL} - Lida", "b") + block(FROM, "c")
    assert parse(text).summaries[0].header_phones == {"+554199990000": 2, LABEL: 1}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("foto.jpg (Imagem)\n123.45 KB", ("", "image", "foto.jpg", "image", 126413, None)),
        (
            "veja isto\n\nfoto.jpg (Imagem)\n1,5 MB",
            ("veja isto", "image", "foto.jpg", "image", 1572864, None),
        ),
        ("PTT-1.opus (Áudio)\n01:02", ("", "audio", "PTT-1.opus", "audio", None, 62)),
        ("00:12", ("", "audio", None, "audio", None, 12)),
        ("1:00:02", ("", "audio", None, "audio", None, 3602)),
        ("nota (1).pdf (Document)\n12 bytes", ("", "document", "nota (1).pdf", "document", 12, None)),
        ("a.webp (Figurinha)", ("", "sticker", "a.webp", "sticker", None, None)),
        ("cartao.vcf (Contato)\n1 KB", ("", "contact", "cartao.vcf", "contact", 1024, None)),
        ("chego às 10\n00:12", ("chego às 10\n00:12", "text", None, None, None, None)),
        ("custa 350", ("custa 350", "text", None, None, None, None)),
        ("oi (tudo bem)", ("oi (tudo bem)", "text", None, None, None, None)),
        ("foto (Imagem) linda", ("foto (Imagem) linda", "text", None, None, None, None)),
        ("", ("", "text", None, None, None, None)),
        ("Esta mensagem foi excluída", ("Esta mensagem foi excluída", "deleted", None, None, None, None)),
        (
            "https://maps.google.com/?q=-25.4,-49.2",
            ("https://maps.google.com/?q=-25.4,-49.2", "location", None, None, None, None),
        ),
    ],
)
def test_bodies(body: str, expected: tuple[object, ...]) -> None:
    (m,) = parse(block(FROM, body)).messages
    assert (
        m.text,
        m.type,
        m.attachment_name,
        m.attachment_kind,
        m.attachment_size,
        m.attachment_duration,
    ) == expected


@pytest.mark.parametrize(
    ("lead", "quote", "original", "ordinal"),
    [
        ("Respondendo para aB3xYz09GIAA=", "Bom dia, meu\nnotebook...", "Bom dia, meu\nnotebook não liga", 1),
        ("Respondendo para aB3xYz09GIAA=", "Bom dia, meu notebook...", "Bom dia, meu\nnotebook não liga", 1),
        ("Replying to você", "oi", "oi", 1),
        ("Respondiendo a Ana, a mãe", "(Imagem)", "foto.jpg (Imagem)\n1 KB", 1),
        ("Respondendo para X", "(Áudio)", "00:12", 1),
        ("Respondendo para X", "outra coisa", "oi", None),
    ],
)
def test_replies(lead: str, quote: str, original: str, ordinal: int | None) -> None:
    body = f"➜ {lead}, 2025-01-05 10:00:00: « {quote} »\n\nSim »\n\nclaro"
    result = parse(block(FROM, original) + block("2025-01-05 10:05:00 to Maria - Lida", body))
    reply = result.messages[1]
    assert reply.text == "Sim »\n\nclaro"
    assert (reply.reply_timestamp, reply.reply_quote, reply.reply_ordinal) == (
        datetime(2025, 1, 5, 10),
        quote,
        ordinal,
    )


@pytest.mark.parametrize(
    ("body", "quote", "text", "ordinal"),
    [
        ("2025-01-05 10:00:00: quanto custa?\n\n100 reais\n\ncada", "quanto custa?", "100 reais\n\ncada", 1),
        ("2025-01-05 10:00:00: quanto\ncusta?\n\n100", "quanto\ncusta?", "100", 1),
        ("2025-01-05 10:00:00: quanto custa? \n \n100", "quanto custa?", "100", 1),
        ("2025-01-05 10:00:00: outra coisa\n\n100", "outra coisa", "100", None),
        # The first time is the quoted message's; what looks like another one is part of the quote.
        ("2025-01-05 10:00:00: oi, 2024-01-05 10:00:00: a\n\n5", "oi, 2024-01-05 10:00:00: a", "5", None),
        ("2025-01-05 10:00:00: quanto custa?\n100", None, None, None),
        ("2025-01-05 10:00:00: quanto custa?", None, None, None),
        ("2025-13-05 10:00:00: quanto custa?\n\n100", None, None, None),
        ("amanhã: quanto custa?\n\n100", None, None, None),
    ],
)
def test_a_quote_may_lack_its_quotation_marks(
    body: str, quote: str | None, text: str | None, ordinal: int | None
) -> None:
    written = f"➜ Respondendo para Ana, {body}"
    result = parse(block(FROM, "quanto custa?") + block("2025-01-05 10:05:00 to Maria - Lida", written))
    reply = result.messages[1]
    assert (reply.reply_quote, reply.text) == (quote, written if text is None else text)
    assert reply.reply_ordinal == ordinal


def test_a_reply_may_hold_only_an_attachment_and_an_arrow_may_be_typed() -> None:
    reply = "➜ Respondendo para X, 2025-01-05 10:00:00: « oi »\n\nfoto.jpg (Imagem)\n1 KB"
    result = parse(block(FROM, "oi") + block(FROM, reply) + block(FROM, "➜ veja « isto »"))
    assert (result.messages[1].text, result.messages[1].type, result.messages[1].reply_ordinal) == (
        "",
        "image",
        1,
    )
    assert result.messages[2].text == "➜ veja « isto »"
    assert result.messages[2].reply_quote is None


@pytest.mark.parametrize(
    ("text", "kind", "is_group"),
    [
        ("Chamada de voz perdida à(s) 10:05", "call", False),
        ("Missed voice call at 10:05", "call", False),
        ("As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta.", "system", False),
        ("+554199990000 é um contato.", "system", False),
        ("Maria adicionou João", "system", True),
        ("María añadió a Juan", "system", True),
        ("algo que ninguém conhece", "system", False),
    ],
)
def test_notifications(text: str, kind: str, is_group: bool) -> None:
    result = parse(block("2025-01-05 10:05:40 notification", text))
    (message,) = result.messages
    assert (message.direction, message.type, message.text, message.sender_name) == (
        "notification",
        kind,
        text,
        None,
    )
    assert result.summaries[0].is_group is is_group


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("\u200eLigação de voz perdida. \u200eToque para retornar a ligação", "call"),
        ("Ligação de voz. 2 min", "call"),
        ("\u200eVocê apagou esta mensagem.", "deleted"),
        ("Ligação perdida", "text"),
        ("Chamada de voz perdida.", "text"),
        ("\u200eRua das Flores 20", "text"),
    ],
)
def test_a_person_who_types_the_name_of_a_call_did_not_call(text: str, kind: str) -> None:
    (message,) = parse(block(FROM, text)).messages
    assert (message.direction, message.text, message.type) == ("from", text, kind)


@pytest.mark.parametrize(
    ("text", "direction", "kind"),
    [
        ("\u200eAna ativou as mensagens temporárias.", "notification", "system"),
        (
            "\u200eAna mudou para um novo número. \u200eToque para enviar uma mensagem",
            "notification",
            "system",
        ),
        ("\u200eAna criou este grupo", "notification", "system"),
        ("\u200eAna ativou a leitura em voz alta da conversa", "from", "text"),
        ("Ana ativou as mensagens temporárias.", "from", "text"),
        ("\u200eEsta mensagem foi apagada.", "from", "deleted"),
    ],
)
def test_a_known_notice_with_the_mark_is_nobodys_words(text: str, direction: str, kind: str) -> None:
    result = parse(block(FROM, "oi") + block(FROM, text) + block(FROM, "tchau"))
    assert [message.direction for message in result.messages] == ["from", direction, "from"]
    message = result.messages[1]
    assert (message.text, message.type) == (text, kind)
    assert (message.sender_name is None) is (direction == "notification")
    assert result.summaries[0].is_group is ("grupo" in text)


def test_a_group_names_its_members() -> None:
    text = block("2025-01-05 10:00:00 from Ana - Lida", "a", "Turma") + block(
        "2025-01-05 10:00:00 from Bia - Lida", "b", "Turma"
    )
    assert parse(text).summaries[0].is_group


def test_files_need_not_be_sorted_and_equal_messages_are_numbered() -> None:
    twice = block(FROM, "ok") + block("2025-01-05 09:00:00 notification", "x") + block(FROM, "ok")
    result = parse(twice + block(FROM.replace("Lida", "Recebida"), "ok") + block(FROM, "ok "))
    assert [message.occurrence for message in result.messages] == [1, 1, 2, 3, 1]
    hashes = [message.body_hash for message in result.messages]
    assert hashes[0] == hashes[2] == hashes[3] != hashes[4]
    assert all(value is not None and -(2**63) <= value < 2**63 for value in hashes)


def test_a_body_hash_never_changes() -> None:
    (message,) = parse(block(FROM, "Bom dia")).messages
    assert message.body_hash == 4007914217787032173


def test_variants_without_label_and_status() -> None:
    text = block("2025-01-05 10:00:00 from Ana", "oi", None) + block(
        "2025-01-05 10:00:01 to Ana", "olá", None
    )
    result = parse(text, ParseOptions(default_title="Ana"))
    assert [(m.direction, m.text, m.status, m.line) for m in result.messages] == [
        ("from", "oi", None, 2),
        ("to", "olá", None, 7),
    ]
    assert result.starts[0].label == "Ana"
    assert LineKind.LABEL not in result.summaries[0].lines


def test_what_stands_before_the_first_block_and_what_is_cut_off_are_exceptions() -> None:
    result = parse("um\n\n" + block(FROM, "oi") + f"{RULE}\n{LABEL}\n2025-0")
    assert result.texts == ["oi"]
    assert [(f.kind, f.line) for f in result.findings] == [("preamble", 1), ("cut_off", 9)]
    assert result.lines[LineKind.EXCEPTION] == 5


def test_lines_that_the_end_of_a_combined_file_cuts_off_belong_to_its_last_chat() -> None:
    text = block(FROM, "oi", label="Ana") + block(FROM, "oi", label="Rita") + f"{RULE}\nRi"
    result = parse(text, ParseOptions(combined=True))
    assert [(f.kind, f.line) for f in result.findings] == [("cut_off", text.count("\n"))]
    assert [summary.findings for summary in result.summaries] == [{}, {"cut_off": 1}]
    assert [summary.line_count for summary in result.summaries] == [6, 8]


@pytest.mark.parametrize(
    ("data", "encoding", "finding"),
    [
        (b"\xef\xbb\xbf" + block(FROM, "não").encode(), "utf-8-sig", None),
        (block(FROM, "não").replace("\n", "\r\n").encode(), "utf-8", None),
        (b"\xff\xfe" + block(FROM, "não").encode("utf-16-le"), "utf-16-le", None),
        (b"\xfe\xff" + block(FROM, "não").encode("utf-16-be"), "utf-16-be", None),
        (block(FROM, "não").encode("windows-1252"), "windows-1252", "encoding_assumed"),
    ],
)
def test_encodings(data: bytes, encoding: str, finding: str | None) -> None:
    result = parse(data)
    assert result.texts == ["não"]
    assert result.summaries[0].encoding == encoding
    assert result.kinds == ([finding] if finding else [])


def test_no_nul_is_left_for_the_database_to_refuse() -> None:
    result = parse(block(FROM, "a\x00b"))
    assert result.texts == ["a\ufffdb"]
    assert [(f.kind, f.line) for f in result.findings] == [("nul_character", 5)]


@pytest.mark.parametrize(
    ("zone", "naive", "instant"),
    [
        ("America/Sao_Paulo", "2025-01-05 10:00:00", datetime(2025, 1, 5, 13, tzinfo=UTC)),
        ("America/Sao_Paulo", "2018-12-05 10:00:00", datetime(2018, 12, 5, 12, tzinfo=UTC)),
        # Skipped: clocks went from 23:59:59 to 01:00.
        ("America/Sao_Paulo", "2018-11-04 00:30:00", datetime(2018, 11, 4, 3, 30, tzinfo=UTC)),
        # Twice: the first is meant.
        ("America/Sao_Paulo", "2018-02-17 23:30:00", datetime(2018, 2, 18, 1, 30, tzinfo=UTC)),
        ("America/Sao_Paulo", "2018-02-18 00:30:00", datetime(2018, 2, 18, 3, 30, tzinfo=UTC)),
        ("UTC", "2025-01-05 10:00:00", datetime(2025, 1, 5, 10, tzinfo=UTC)),
        ("UTC", "9999-12-31 23:59:59", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times_are_resolved_in_the_zone(zone: str, naive: str, instant: datetime) -> None:
    (message,) = parse(block(f"{naive} notification", "x"), ParseOptions(zone=zone)).messages
    assert message.timestamp == datetime.fromisoformat(naive)
    assert message.timestamp_utc == instant


@pytest.mark.parametrize("time", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_the_ends_of_the_calendar_do_not_crash(time: str) -> None:
    assert len(parse(block(f"{time} notification", "x")).messages) == 1


def test_a_block_without_end_is_shortened_and_told() -> None:
    size = 3 << 20
    text = block(FROM, "linha\n" * size) + block(FROM, "fim")
    result = parse(text)
    assert result.texts[-1] == "fim"
    assert len(result.messages[0].text) < size * 2
    assert result.kinds == ["oversized_message"]
    assert result.lines[LineKind.EXCEPTION] > 2_000_000


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_an_empty_chat(data: bytes) -> None:
    result = parse(data)
    assert (result.messages, result.kinds) == ([], ["empty_file"])


def test_what_is_no_transcript_is_all_exceptions() -> None:
    result = parse("só\num texto\n")
    assert result.summaries[0].format == "unknown"
    assert (result.kinds, result.lines) == (["unknown_format"], {LineKind.EXCEPTION: 2})

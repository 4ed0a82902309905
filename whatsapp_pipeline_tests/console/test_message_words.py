"""What messages without a plain text say on pages."""

from __future__ import annotations

import re

import httpx
import pytest

from whatsapp_pipeline.console.message_words import SaidWords
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.console.people import PreparedPeople
from whatsapp_pipeline_tests.console.running import RunningConsole, text_of

# Type and stored text of a live message → what its page says of it.
SAID = [
    ("image", "[image: foto da tela]", "Imagem não está no arquivo de conversas foto da tela"),
    ("location", "[location: Rua Exemplo, 10]", "Localização Rua Exemplo, 10"),
    ("reaction", "[reaction: 👍]", "Reação 👍"),
    ("interactive", "[interactive: Sim, pode fazer]", "Resposta Sim, pode fazer"),
    ("contacts", "[contacts: Rui 41 99999-0000\nfim]", "Contato Rui 41 99999-0000 fim"),
    ("unsupported", "[unsupported]", "Mensagem que o WhatsApp não entrega aqui: veja no celular"),
    ("flux_capacitor", "[flux_capacitor: 88]", "Mensagem de outro tipo 88"),
    ("text", "oi\n[referral: Conserto grátis]", "oi Veio do anúncio: Conserto grátis"),
    ("text", "[text]", "Mensagem sem texto"),
    ("text", "[image: escrito à mão]", "[image: escrito à mão]"),
    ("text", "[1] e [2]", "[1] e [2]"),
]


@pytest.mark.parametrize(("kind", "stored", "shown"), SAID)
def test_a_live_message_is_shown_as_what_it_is(
    console: RunningConsole, people: PreparedPeople, kind: str, stored: str, shown: str
) -> None:
    live = people.edited + 3
    with connect(console.database_url) as conn, console.client("analyst") as client:
        conn.execute(
            "UPDATE conversation_messages SET type = %s, text = %s WHERE id = %s", (kind, stored, live)
        )
        try:
            page = client.get("/customers/7").text
            paper = client.get("/print/customers/7?since=2025-02-01").text
        finally:
            conn.execute(
                "UPDATE conversation_messages SET type = 'image', text = '[image: foto da tela]'"
                " WHERE id = %s",
                (live,),
            )
    said = re.search(rf'id="webhook:{live}">(.*?)<p class="meta">', page, re.DOTALL)
    assert said is not None
    assert text_of(said[1]) == shown
    last = text_of(paper.rpartition("<li class=")[2].partition(">")[2])
    words = last.partition("Cliente ")[2]
    assert words.replace("[", "").replace("]", "") == shown.replace(
        " não está no arquivo de conversas", ""
    ).replace("[", "").replace("]", "")


def test_a_call_and_a_message_without_words_are_in_portuguese(
    console: RunningConsole, people: PreparedPeople
) -> None:
    with connect(console.database_url) as conn, console.client("analyst") as client:
        for kind, shown in (("call", "Ligação"), ("system", "Aviso"), ("text", "Mensagem sem texto")):
            conn.execute(
                "UPDATE chat_messages SET type = %s, message_text = NULL WHERE id = %s",
                (kind, people.stranger),
            )
            page = client.get(f"/messages/chat:{people.stranger}", follow_redirects=True).text
            said = re.search(rf'id="chat:{people.stranger}">(.*?)<p class="meta">', page, re.DOTALL)
            assert said is not None
            assert text_of(said[1]) == shown
        conn.execute(
            "UPDATE chat_messages SET type = 'text', message_text = 'uma pergunta 1' WHERE id = %s",
            (people.stranger,),
        )


def test_quotes_and_hits_have_labels_in_portuguese(console: RunningConsole, people: PreparedPeople) -> None:
    quoted, answer = people.edited + 3, people.edited + 2
    with connect(console.database_url) as conn, console.client("analyst") as client:
        conn.execute("UPDATE conversation_messages SET reply_to_provider_id = 'k4' WHERE id = %s", (answer,))
        try:
            page = client.get(f"/customers/7?around=webhook:{answer}").text
            hits = client.get("/search?q=foto").text
        finally:
            conn.execute(
                "UPDATE conversation_messages SET reply_to_provider_id = 'k1' WHERE id = %s", (answer,)
            )
    assert f'#webhook:{quoted}"><span class="hidden">Em resposta a: </span><bdi>[Imagem: foto' in page
    assert "[Imagem: <mark>foto</mark> da tela]" in hits


def test_a_page_of_long_messages_folds_them(console: RunningConsole, people: PreparedPeople) -> None:
    long = f"{'palavra ' * 620}agulha"
    ref = f"chat:{people.first + 29}"
    with connect(console.database_url) as conn, console.client("analyst") as client:
        conn.execute(
            "UPDATE chat_messages SET message_text = %s WHERE id BETWEEN %s AND %s",
            (long, people.first + 20, people.first + 80),
        )
        try:
            page = client.get(f"/customers/7?around=chat:{people.first + 50}")
            opened = client.get(f"/customers/7?around={ref}")
            found = client.get("/customers/7?find=agulha&hit=3")
            paper = client.get("/print/customers/7")
        finally:
            conn.execute(
                "UPDATE chat_messages SET message_text = 'mensagem sobre a tela ' || ordinal"
                " WHERE id BETWEEN %s AND %s",
                (people.first + 20, people.first + 80),
            )
            conn.execute(
                "UPDATE chat_messages SET message_text = 'Qual o prazo do orçamento?' WHERE id = %s",
                (people.first + 40,),
            )
    assert len(page.content) <= 60_000
    assert f'href="/customers/7?around={ref}#{ref}">Ler a mensagem inteira' in page.text
    assert page.text.count("agulha") == 1  # the message that the address names
    assert f'id="{ref}"' in opened.text
    assert opened.text.count("agulha") == found.text.partition("</form>")[2].count("palavra agulha") == 1
    assert paper.text.count("agulha") == 61
    assert "Ler a mensagem" not in paper.text


def test_a_hit_without_words_says_what_it_is(console: RunningConsole, people: PreparedPeople) -> None:
    with connect(console.database_url) as conn, console.client("analyst") as client:
        conn.execute(
            "UPDATE chat_messages SET type = 'audio', attachment_kind = 'audio', message_text = NULL"
            " WHERE id = %s",
            (people.first + 20,),
        )
        try:
            page: httpx.Response = client.get("/search?customer=7&kind=audio")
        finally:
            conn.execute(
                "UPDATE chat_messages SET type = 'text', attachment_kind = NULL,"
                " message_text = 'mensagem sobre a tela 21' WHERE id = %s",
                (people.first + 20,),
            )
    assert '<p dir="auto">[Áudio]</p>' in page.text


@pytest.mark.parametrize(
    ("text", "is_long"),
    [(None, False), ("a" * 900, False), ("a" * 901, True), ("\n" * 10, False), ("\n" * 11, True)],
)
def test_only_a_long_text_is_divided_between_sheets(text: str | None, is_long: bool) -> None:
    assert SaidWords(None, text).is_long is is_long


def test_the_beginning_of_a_text_ends_with_a_word() -> None:
    """The sign that says that the text goes on follows no full stop."""
    beginning = SaidWords(None, "Certo. " * 101).beginning
    assert beginning is not None
    assert beginning.endswith("Certo. Certo…")
    assert SaidWords(None, "Certo. " * 100).beginning is None

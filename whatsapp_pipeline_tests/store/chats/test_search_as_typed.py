"""Search as people type: queries that another hand wrote, and what may never be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from whatsapp_pipeline.store.chats.search import SearchQuery, search_messages
from whatsapp_pipeline.store.chats.search_words import add_new_words, unknown_words
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline_tests.summaries_data import Said, add_chat
from whatsapp_pipeline_tests.truth.insight_accuracy import search_misses

DATA = Path(__file__).parents[2] / "domain" / "summaries" / "data"


@pytest.mark.parametrize("folder", [".", "second", "third", "fourth", "own"])
def test_queries_as_people_type_them(conn: Connection, folder: str) -> None:
    conn.execute("TRUNCATE chat_files, search_words, search_words_seen RESTART IDENTITY CASCADE")
    cases, failed = search_misses(conn, DATA / folder / "search.tsv")
    assert len(failed) <= 0.02 * cases, "\n".join(failed)


@pytest.mark.parametrize(
    ("query", "found", "other"),
    [
        ("hp 2774", "impressora hp2774", "impressora hp2776"),
        ("orsamento", "orçamento enviado", "ornamento de natal"),
        ("4433", "ligar para 41988774433", "ligar para 41988773344"),
        ('"tela quebrada"', "a tela quebrada", "quebrada a tela"),
        ("retirada", "posso retirar hoje?", "estive fora"),
        ("mesa", "caiu da mesa", "mesmo assim"),
        ("9 9999-00", "anote: 99999-0012", "anote: 99998-0012"),
        ("041 99999-0012", "anote: 99999-0012", "anote: 041 99998-0012"),
        ("(041) 99999-0012", "anote: 99999 0012", "anote: 041 99998-0012"),
        ("041999990012", "anote: 41 9 9999-0012", "anote: 41 99998-0012"),
        ("0xx41 99999-0012", "anote: 9999-0012", "anote: 0xx41 99998-0012"),
        ("9  9999 - 0012", "anote: 99999-0012", "anote: 9 9998-0012"),
        ("9999 0012", "anote: 41999990012", "anote: 9999"),
        ("2023 - 2024", "notas de 2024 e de 2023", "notas de 2023"),
        ("1500 - 1800", "entre 1500 e 1800 reais", "no máximo 1800"),
        ("9999 - 0012", "anote: 99999-0012", "anote: 9999"),
        ("tela - bateria", "tela e bateria", "só a tela"),
        ("2 mil", "sai por R$ 2.000,00", "sai por R$ 200,00"),
        ("R$ 2 mil", "paguei 2000 nele", "paguei 200 nele"),
        ("1,5 mil reais", "a placa custa 1.500", "a placa custa 150"),
        ("mil e duzentos", "ficou 1200", "ficou 1300"),
        ("1200", "fica mil e duzentos", "fica mil e trezentos"),
        ("3000", "são 3 mil à vista", "são 300 à vista"),
        ("trezentos reais", "fica 300 no pix", "fica 400 no pix"),
        ("nota mil", "nota mil pra vocês", "foram 1000 notas"),  # no amount
        ("480 reais", "fica em R$480,00", "fica em R$ 408,00"),
        ("75 pila", "custa 75 reais", "custa 57 reais"),
        ("(41) 99999", "chama no 41999990012", "chama no 41999980012"),
        ("(41) 9 9999", "chama no 41999990012", "chama no 41999980012"),
        ("41 99999", "anote 99999-0012", "anote 99998-0012"),
        ("telefone final 0012", "anote 41999990012", "anote 41999990021"),
        ("terminado em 0012", "anote 99999.0012", "anote 99999.0021"),
        ("smart tv", "minha smarttv de 50", "minha estante de 50"),
        ("smart tv 50", "minha smartv 50 apagou", "minha smartv 43 apagou"),
        ("pendrive", "o pen drive pede formatação", "o drive pede formatação"),
        ("airfryer", "a air fryer parou", "a fritadeira parou"),
        ("micro ondas", "o microondas faz faísca", "as ondas do rádio"),
        ("troca", "trocamos a tela", "testamos a tela"),
        ("trocamos", "foi feita a troca", "foi feito o teste"),
        ("limpamos", "a limpeza ficou boa", "a troca ficou boa"),
        ("qualquer", "qlqr coisa me avisa", "outra coisa me avisa"),
        ("fds", "só no fim de semana", "só no fim do mês"),
        ("fim de semana", "só no fds", "só na semana"),
        ("vazamento", "tem um vazamento", "a loja tava vazia"),
        ("vazamento", "está vazando", "a loja tava vazia"),
        ("nootebok", "meu notebook", "a nota fiscal"),
        ("luz", "a luz piscou", "a Luzia piscou"),
        ("08005550012", "ligue 08005550012", "ligue 41 95550-0012"),
        (
            "30001 30002 30003 30004 30005 30006 30007 30008 30009",
            "30001 30002 30003 30004 30005 30006 30007 30008 30009",
            "30001 30002 30003 30004 30005 30006 30007 30008",
        ),
    ],
)
def test_spellings(conn: Connection, query: str, found: str, other: str) -> None:
    conn.execute("TRUNCATE chat_files, search_words, search_words_seen RESTART IDENTITY CASCADE")
    add_chat(conn, None, "a", [Said(0, "from", found), Said(1, "from", other)], status="unmatched")
    assert add_new_words(conn) > 0
    assert add_new_words(conn) == 0
    assert [hit.snippet for hit in search_messages(conn, SearchQuery(query, mark_start="", mark_end=""))] == [
        found
    ]


def test_words_that_no_message_holds_are_told(conn: Connection) -> None:
    conn.execute("TRUNCATE chat_files, search_words, search_words_seen RESTART IDENTITY CASCADE")
    assert unknown_words(conn, "impresora") == []  # nothing is known yet
    add_chat(conn, None, "a", [Said(0, "from", "a impressora parou")], status="unmatched")
    add_new_words(conn)
    assert unknown_words(conn, "impresora parou") == ["impresora"]


@pytest.mark.parametrize("letters", [61, 255, 256, 900])
def test_a_very_long_word_finds_nothing_and_breaks_nothing(conn: Connection, letters: int) -> None:
    conn.execute("TRUNCATE chat_files, search_words, search_words_seen RESTART IDENTITY CASCADE")
    add_chat(conn, None, "a", [Said(0, "from", "a tela")], status="unmatched")
    add_new_words(conn)
    for letter in ("x", "\ufb03", "\u2167"):  # the others are three and four letters without ligature
        assert search_messages(conn, SearchQuery(letters * letter)) == []
        assert search_messages(conn, SearchQuery(f"tela OR {letters * letter}"))

"""Topics: the pattern language, the user's own file, and the bar on sentences written before the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from whatsapp_pipeline.domain.summaries.patterns import parse_pattern, words_of
from whatsapp_pipeline.domain.summaries.text_reading import MessageReader
from whatsapp_pipeline.domain.summaries.topics import TopicReader, load_taxonomy, parse_taxonomy
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline_tests.truth.text_accuracy import HELDOUT_TOPICS, topics_report

READER = TopicReader()
TAXONOMY = """
[[topics]]
name = "café"
strong = ["cafe*", "xicara ... quente"]
weak = ["quente", "copo"]
blocked_by = ["nao quero"]
[terms]
equipment = [["cafeteira", "cafeteira*"]]
"""


def test_several_topics_and_terms_in_one_message() -> None:
    found = READER.read("Quanto fica a troca da bateria do notebook? aceita pix?")
    assert {"orçamento", "pagamento"} <= set(found.topics)
    assert found.equipment == ("notebook",)
    assert found.parts == ("bateria",)


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("meu Galaxy caiu", "celular"),
        ("o mac book do meu filho", "notebook"),
        ("o celu não liga", None),
        ("a smart-tv apagou", "televisão"),
        ("o patch panel apita", None),
        ("impressoras da loja", "impressora"),
    ],
)
def test_devices_are_those_that_chats_are_linked_by(text: str, device: str | None) -> None:
    assert READER.read(text).equipment == ((device,) if device else ())


def test_nothing_is_no_topic() -> None:
    assert READER.read("bom dia").topics == ()
    assert READER.read("").topics == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("um cafezinho", True),
        ("a xícara está bem quente", True),
        ("quente", False),
        ("copo quente", True),
        ("xícara. muito fria e o dia quente", False),
        ("não quero café", False),
    ],
)
def test_pattern_language(text: str, found: bool) -> None:
    assert (TopicReader(parse_taxonomy(TAXONOMY)).read(text).topics == ("café",)) is found


@pytest.mark.parametrize(
    ("text", "end"), [("a b", 2), ("a b!", 2), ("a b, c", 2), ("a b\nc", 2), ("a b c", None), ("a b?", None)]
)
def test_a_pattern_may_ask_for_the_end_of_a_statement(text: str, end: int | None) -> None:
    assert parse_pattern("a b $", 0).match(words_of(text), 0) == end


def test_a_pattern_needs_words_at_both_ends() -> None:
    assert parse_pattern("a ... b", 0).match(words_of("a x b"), 0) == 3
    for wrong in ("", "... a", "a ...", "$", "a $", "a $ b", "a ... $", "$ a b"):
        with pytest.raises(ValueError, match="pattern"):
            parse_pattern(wrong, 0)


def test_the_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TAXONOMY, encoding="utf-8")
    reader = MessageReader(path)
    assert reader.read("cadê o café?").topics == ("café",)
    assert reader.rules != MessageReader().rules
    for text in (
        "[[topics]]\nnome = 1",
        "x =",
        "topics = 3",
        TAXONOMY + TAXONOMY.replace("[terms]", "[other]"),
        TAXONOMY.replace('"cafeteira*"', '"@cafeteira"'),
    ):
        with pytest.raises(PipelineError):
            parse_taxonomy(text)
    with pytest.raises(PipelineError, match="cannot be read"):
        load_taxonomy(tmp_path / "absent.toml")


def test_the_bar_on_sentences_written_before_the_rules() -> None:
    figures = topics_report(HELDOUT_TOPICS)
    assert float(str(figures["macro_f1"])) >= 0.95


@pytest.mark.parametrize(
    ("text", "closes"),
    [
        ("fico no aguardo", True),
        ("até a próxima", True),
        ("vou deixar pra outro momento", True),
        ("vou pensar e te aviso, obrigada", True),
        ("vou pensar, quanto fica?", False),
        ("ok, obrigado!", True),
        ("👍", True),
        ("Boa tarde", True),
        ("Ficou ótimo, adorei o serviço", True),
        ("ok, e quando fica pronto?", False),
        ("obrigado, mas não liga", False),
        ("", False),
        ("quanto?", False),
        ("peguei, obrigada", True),
        ("pix feito", True),
        ("não vou querer, obrigada", True),
        ("passo sexta pra buscar", True),
        ("passo sexta pra buscar, quanto fica?", False),
        ("pode fazer", False),  # the work waits
        ("recebi, obrigado", True),
        ("vou levar amanhã cedo", True),
        ("vou ver com minha esposa", True),
        ("vlw, chego em 20 min", True),
        ("top, vou aí agora", True),
        ("melhor assistência que já fui, preço justo e rápido", True),
        ("vocês são ótimos, preciso de outro orçamento", False),
        ("paguei e continua com defeito", False),
    ],
)
def test_what_asks_for_no_answer(text: str, closes: bool) -> None:
    assert MessageReader().read(text).closes is closes


def test_a_described_fault_weighs_less_than_a_complaint() -> None:
    reader = MessageReader()
    assert reader.read("meu notebook não liga e a tela quebrou").weight < 1
    assert reader.read("não liga e ninguém resolve, péssimo atendimento").weight == 1

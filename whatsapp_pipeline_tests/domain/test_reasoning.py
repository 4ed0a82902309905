"""Reasoning of language models is removed from answers, whatever markers it has."""

from __future__ import annotations

import time

import pytest

from whatsapp_pipeline.domain.assistant_reply import UnusableReplyError, clean_reply
from whatsapp_pipeline.domain.reasoning import without_reasoning

MARKS = [
    ("<think>", "</think>"),
    ("<THINK>", "</THINK>"),
    ("<thinking>", "</thinking>"),
    ("<think >", "</think >"),
    ('<think id="1">', "</think>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("<reflection>", "</reflection>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<antThinking>", "</antThinking>"),
    ("<redacted_reasoning>", "</redacted_reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("[THINK]", "[/THINK]"),
    ("[thinking]", "[/thinking]"),
    ("◁think▷", "◁/think▷"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|think|>", "<|end_think|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("|startthink|", "|endthink|"),
    ("<｜begin▁of▁thinking｜>", "<｜end▁of▁thinking｜>"),
    ("{{thinking}}", "{{/thinking}}"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("```thinking\n", "\n```"),
    ("```reasoning\n", "\n```"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>commentary to=functions.x <|constrain|>json<|message|>", "<|channel|>final<|message|>"),
    ("<|thinking|>", "<|answer|>"),
    ("<think>", "<answer>"),
    ("<|START_THINKING|>", "<|START_RESPONSE|>"),
]


@pytest.mark.parametrize(("begin", "end"), MARKS)
@pytest.mark.parametrize("gap", ["", "\n", "\n\n"])
def test_thoughts_are_cut(begin: str, end: str, gap: str) -> None:
    thought = f"O cliente quer{gap} saber o preço. Não digo o custo."
    assert clean_reply(f"{gap}{begin}{thought}{end}{gap}Olá! Está pronto.") == "Olá! Está pronto."


@pytest.mark.parametrize(("begin", "end"), MARKS)
def test_thoughts_that_never_end_leave_no_answer(begin: str, end: str) -> None:
    with pytest.raises(UnusableReplyError, match="holds no text"):
        clean_reply(f"{begin}O cliente quer saber")


@pytest.mark.parametrize(("begin", "end"), [pair for pair in MARKS if not pair[1].endswith("```")])
def test_thoughts_whose_beginning_is_missing_are_cut(begin: str, end: str) -> None:
    assert clean_reply(f"O cliente quer saber.{end}Está pronto.") == "Está pronto."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</think>Olá<reflection>b</reflection>!", "Olá!"),
        ("<think>a <think> b</think> c</think>Olá", "Olá"),
        ("<think></think>\n\n<think>\n</think>\nOlá", "Olá"),
        ("<thinking>a</thinking><answer>Olá</answer>", "Olá"),
        ("Vou pensar.\n<final_answer>Olá</final_answer>", "Olá"),
        ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>Olá<|end_of_solution|>", "Olá"),
        ("<thinking>a</thinking><output>Olá</output>", "Olá"),
        ("Olá<|im_end|>", "Olá"),
        ("<s>[INST] Olá [/INST]</s>", "Olá"),
        ("Olá<end_of_turn>", "Olá"),
        ("Olá<｜end▁of▁sentence｜>", "Olá"),
        ("<think>o <answer> vem depois</think>Olá", "Olá"),
    ],
)
def test_what_stands_around_an_answer_is_cut(text: str, answer: str) -> None:
    assert clean_reply(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "I think so.",
        "3 < 5 e 7 > 2",
        "[pronto]",
        "|a|b|",
        "Reason: nenhuma",
        "use <b>isto</b>",
        "`think`",
        "R$ 10 | R$ 20",
        "＜3",
        "```\ncódigo\n```",
        "a resposta [1]",
        "&lt;3",
    ],
)
def test_an_answer_without_reasoning_stays_as_it_is(text: str) -> None:
    assert without_reasoning(text) == text


@pytest.mark.parametrize(
    "text", ["<think" * 700, "<" * 4096, "[/" * 2048, "<| " * 1400, "```thinking\n" * 340]
)
def test_a_hostile_answer_takes_no_time(text: str) -> None:
    began = time.process_time()
    without_reasoning(text)
    assert time.process_time() - began < 0.5

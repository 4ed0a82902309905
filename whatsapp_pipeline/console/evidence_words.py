"""The evidence of a link in Portuguese, for the pages and the API of the review.

What belongs here: one sentence for each name of a feature that linking stores. What does not: the features
and their weights (domain/matching/). The tables and the terminal have the English words.
"""

from __future__ import annotations

import re

# `{v}` is the feature's value.
_SENTENCES = {
    # A chat's contact: phones, orders, devices, names.
    "exact_phone": "o telefone do título é o celular deste cliente, dígito por dígito",
    "normalized_phone": "o telefone do título é o celular deste cliente, escrito de outra forma",
    "secondary_phone": "o telefone do título é o telefone fixo deste cliente",
    "phone_header": "o telefone dentro do arquivo é deste cliente",
    "verdicts": "o que os revisores disseram de vínculos por um telefone assim",
    "assumed_area": "falta o DDD: foi usado o DDD padrão",
    "unknown_area": "não se sabe o DDD: só os últimos oito dígitos foram comparados",
    "header_differs": "o título tem outro telefone, que nenhum cliente tem",
    "name_agrees": "o nome do título combina com o deste cliente",
    "name_differs": "o nome do título não tem nada do nome deste cliente",
    "name_elsewhere": "o nome do título combina melhor com outro cliente",
    "order_in_title": "a OS do título é deste cliente",
    "order_id_in_title": "o número do título é o id de uma OS deste cliente",
    "order_in_messages": "uma OS citada nas mensagens é deste cliente",
    "order_elsewhere": "a OS do título é de outro cliente",
    "equipment_near": "só este candidato tem uma OS deste aparelho nessa época",
    "equipment_fits": "tem uma OS deste aparelho nessa época",
    "equipment_ever": "só este candidato tem uma OS deste aparelho",
    "outranked": "um telefone ou uma OS vale mais que um nome",
    "doubt": "a OS e o nome discordam: uma pessoa decide",
    "alone": "nada mais aponta para este cliente",
    "other_candidates": "comparado com os outros candidatos e com a chance de não ser nenhum deles",
    "override_on_title": "decidido pelo título, mas o telefone é de outro cliente",
    "words_agree": "{v} palavra(s) do título combinam",
    "words_missed": "{v} palavra(s) do título faltam neste nome",
    # The model of names.
    "relation": "o título cita este cliente por um parentesco: pode ser a conversa de outra pessoa",
    "exact_words": "{v} palavra(s) iguais",
    "exact_information": "raridade das palavras iguais ({v})",
    "sound_words": "{v} palavra(s) com o mesmo som",
    "typo_words": "{v} palavra(s) com uma letra diferente",
    "nickname_words": "{v} palavra(s) são apelido ou abreviação",
    "cut_words": "{v} palavra(s) são o começo das do cliente",
    "far_words": "{v} palavra(s) só se parecem de longe",
    "initial_words": "{v} inicial(is) combinam",
    "inexact_information": "raridade das palavras parecidas, mas não iguais ({v})",
    "inexact_but_known": "uma palavra só parecida é outro nome do cadastro ({v})",
    "missed_known_words": "{v} palavra(s) do título são nomes de outras pessoas",
    "missed_known_information": "raridade das palavras do título que não combinam ({v})",
    "missed_new_words": "{v} palavra(s) do título não estão no nome de ninguém",
    "missed_initials": "{v} inicial(is) do título não combinam com nada",
    "first_word_missed": "a primeira palavra do título não combina",
    "second_word_missed": "a segunda palavra do título não combina",
    "first_with_first": "os dois começam com o mesmo nome",
    "last_with_last": "os dois terminam com o mesmo nome",
    "name_first_missed": "falta no título o primeiro nome do cliente",
    "name_last_missed": "falta no título o último nome do cliente",
    "name_words_missed": "faltam no título {v} palavra(s) do nome do cliente",
    "name_information_missed": "raridade das palavras que faltam no título ({v})",
    "whole_name": "não falta nenhuma palavra do nome do cliente",
    "whole_name_exact": "o título é o nome completo do cliente, letra por letra",
    "all_exact": "todas as palavras do título estão no nome do cliente",
    "third_exact_word": "{v} palavra(s) iguais além de duas",
    "first_and_last_only": "o título é o primeiro e o último nome do cliente",
    "first_and_second_only": "o título são os dois primeiros nomes do cliente",
    "first_and_family_only": "o título é o primeiro nome e o primeiro sobrenome do cliente",
    "given_and_family": "faltam sobrenomes no título, mas ele tem todos os nomes próprios",
    "given_name_missed": "falta no título outro nome próprio",
    "pair_broken": "falta no título um de dois nomes próprios que andam juntos",
    "pair_kept": "o título tem os dois nomes próprios que andam juntos",
    "first_only": "o título é só o primeiro nome do cliente",
    "beginning_only": "o título é o começo do nome do cliente",
    "order_breaks": "{v} palavra(s) em outra ordem",
    "particles_same": "{v} partícula(s) (da, de, dos …) no mesmo lugar",
    "particles_changed": "{v} partícula(s) do título são outras no nome do cliente",
    "particles_added": "{v} partícula(s) do título não estão no nome do cliente",
    "particles_missed": "{v} partícula(s) do nome do cliente não estão no título",
    "gender_differs": "o nome próprio é a forma do outro gênero",
    "generation_missed": "falta no título o Júnior, Filho ou Neto do cliente",
    "weak_words_same": "{v} palavra(s) de aparelho ou profissão também estão no nome do cliente",
    "rarer_than_chance": "o que combina é mais raro que um nome do cadastro ({v})",
    "commoner_than_chance": "o que combina está em vários nomes do cadastro ({v})",
    "legal_form_same": "os dois têm o mesmo tipo de empresa (Ltda, ME …)",
    "legal_form_other": "os dois têm tipo de empresa, mas não o mesmo",
    "legal_form_missed": "o título tem tipo de empresa e o cliente não tem",
    "trade_name": "o que combina é o nome fantasia",
    "company": "o cliente é uma empresa",
    # A session's order.
    "when": "com que frequência se escreve sobre uma OS nessa época",
    "small_talk": "quanto o cliente escreve sem ser sobre uma OS (atendimentos por dia)",
    "device_same": "um aparelho citado é o desta OS",
    "device_other": "só outros aparelhos são citados",
    "device_unknown": "um aparelho é citado, e a OS não diz qual é o dela",
    "device_unsaid": "nenhum aparelho é citado",
    "other_sessions": "quantos outros atendimentos tratam desta OS nessa época",
    "number_same": "o número dela é citado",
    "number_other": "o número de outra OS é citado",
    "number_unsaid": "nenhum número é citado",
    "title_same": "o número dela está no título da conversa",
    "title_other": "o número de outra OS está no título da conversa",
    "no_words": "sem palavras de abertura ou de encerramento",
    "opening_words": "palavras de abertura, nessa época",
    "closing_words": "palavras de encerramento, nessa época",
    "both_words": "palavras de abertura e de encerramento, nessa época",
    "days": "dias entre a abertura e o atendimento",
}
# The English texts of the feature `when`, about the time of the session relative to the order.
_TIMES = {
    r"the order is far away in time": "a OS é de outra época",
    r"the session is on the day of the opening": "o atendimento é no dia da abertura",
    r"the session is on the day of the closing": "o atendimento é no dia do encerramento",
    r"the session is a day before the opening": "o atendimento é um dia antes da abertura",
    r"the session is (.+) days before the opening": r"o atendimento é \1 dias antes da abertura",
    r"the session is a day after the closing": "o atendimento é um dia depois do encerramento",
    r"the session is (.+) days after the closing": r"o atendimento é \1 dias depois do encerramento",
    r"the session is a day after the opening, and nothing was closed": (
        "o atendimento é um dia depois da abertura, sem encerramento"
    ),
    r"the session is (.+) days after the opening, and nothing was closed": (
        r"o atendimento é \1 dias depois da abertura, sem encerramento"
    ),
    r"the session lies between opening and closing": "o atendimento é entre a abertura e o encerramento",
    r"the session lies between opening and closing, near the opening": (
        "o atendimento é entre a abertura e o encerramento, perto da abertura"
    ),
    r"the session lies between opening and closing, on the eve of the closing": (
        "o atendimento é entre a abertura e o encerramento, na véspera do encerramento"
    ),
}
_DECIDED = re.compile(r"decided by (.*?): (.*)", re.DOTALL)


def evidence_sentence(name: str, value: float, english: str) -> str:
    """Return a feature in Portuguese. An unknown feature keeps its English words."""
    if name == "override" and (decided := _DECIDED.fullmatch(english)):
        return f"decidido por {decided[1]}: {decided[2]}"
    if name == "when":
        for pattern, portuguese in _TIMES.items():
            if found := re.fullmatch(pattern, english):
                return found.expand(portuguese).replace(" to ", " a ")
    sentence = _SENTENCES.get(name)
    return english if sentence is None else sentence.format(v=_figure(value))


def _figure(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}".replace(".", ",")

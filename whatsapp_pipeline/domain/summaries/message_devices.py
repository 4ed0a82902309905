"""The devices and symptoms that a message is about.

What belongs here: leaving out devices that a message only mentions. What does not: finding devices
(topics.py) and symptoms (symptoms.py).
"""

from __future__ import annotations

import re
from itertools import pairwise

from whatsapp_pipeline.domain.summaries.symptoms import SEVERAL

# A second thing that is broken, whatever it is.
_SECOND = re.compile(
    r"\be (?:tambem )?(?:o |a )?(?:um|uma|meu|minha|outro|outra) \w+ (?:\w+ ){0,3}?"
    r"(?:sem|que|nao|com|esta|parou|quebr\w+|travando)\b"
)
# Things that people also name where they say how to reach or find them, or what they did meanwhile. They are
# only the matter of a message that describes a fault or asks for work.
_EVERYDAY = frozenset(
    {
        "videogame",
        "tablet",
        "impressora",
        "monitor",
        "fone",
        "celular",
        "carro",
        "moto",
        "interfone",
        "televisão",
        "computador",
        "câmera",
        "relógio",
        "mesa",
        "cadeira",
    }
    | {"armário", "sofá", "guarda-roupa", "colchão", "portão eletrônico", "chave", "bicicleta", "tapete"}
    | {"cortina", "rádio", "notebook", "geladeira", "fogão", "chuveiro", "mala", "sapato", "bota", "tênis"}
)
# Words of somebody who wants work done, brings a device or asks about it.
_OF_WORK = re.compile(
    r"(?:consert|arrum|repar|troc|format|instal|limp|manuten|revis|orcamento|quant[oa]s?$|preco|valor|restaur|reform|"
    r"pint|avali|diagnos|regul|afin|recarg|recuper|desbloq|atualiz|mont[ae]|solda|lavar$|higieniz|copia|perdi|"
    r"quebr|queim|estrag|trinc|rach|par(?:ou|ad|ar)|pifou|defeito|problema|ruim$|falh|estour|caiu|molh|perd|descol|rasg|"
    r"mexem$|fazem$|atendem$|trabalham$|assistencia|tecnic|deix|lev[aeo]|trag|traz|busc|retir|pront|ficou|"
    r"novidade|cade$|[?]$|saber$|verdade$|tenho$|preciso$|sumiu|compr|vend|nao$|outr[oa]$|peguei$)"
)
# An address, in which devices say where to ring or call.
_ADDRESS = frozenset(
    {"rua", "avenida", "edificio", "apto", "apartamento", "bloco", "condominio", "predio", "ap"}
)
_TWO = frozenset({"2", "dois", "duas"})
_THINGS = frozenset({"maquinas", "aparelhos", "equipamentos", "coisas", "itens", "pecas"})


def devices_of_the_matter(
    equipment: tuple[str, ...], forms: list[str], *, is_problem: bool, has_symptom: bool
) -> tuple[str, ...]:
    """Return the devices that a message is about.

    An everyday thing needs a fault or a word of work beside it.
    """
    if not equipment or has_symptom:
        return equipment
    is_of_work = is_problem or any(_OF_WORK.match(form) for form in forms)
    if is_of_work and _ADDRESS.isdisjoint(forms):
        return equipment
    return tuple(one for one in equipment if one not in _EVERYDAY)


def symptoms_of_devices(
    equipment: tuple[str, ...], symptoms: tuple[str, ...], forms: list[str], *, names_several: bool
) -> tuple[tuple[str, ...], bool]:
    """Return the symptoms of one device, and whether the message is about several devices."""
    several = names_several and bool(equipment)
    if len(equipment) == 2 and any(a in _TWO and b in _THINGS for a, b in pairwise(forms)):
        # "Deixo 2 máquinas: a motosserra e a roçadeira": these are the two.
        symptoms, several = tuple(one for one in symptoms if one != SEVERAL), False
    if len(symptoms) > 1 and (len(equipment) > 1 or _SECOND.search(" ".join(forms))):
        symptoms = ()  # "uma tv sem imagem e um soundbar sem som"
    return symptoms, several

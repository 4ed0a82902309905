"""What a message does, by its words: it asks, announces, accepts, thanks, or leaves for good.

What belongs here: sets of words and the tests that use them. What does not: commitments
(domain/commitments), mood (sentiment.py) and the reading as a whole (text_reading.py).
"""

from __future__ import annotations

from itertools import pairwise

from whatsapp_pipeline.domain.commitments.mentions import Mention

SHORT = 3  # tokens
LONGEST_FAREWELL = 16  # tokens
MARKS = frozenset(".,;!\n")
THANKS = frozenset(
    {"obrigado", "obrigada", "obrigados", "obrigadao", "valeu", "grato", "grata", "agradeco", "gratidao"}
)
ASKING = frozenset(
    {
        *(
            "preciso",
            "quero",
            "queria",
            "gostaria",
            "manda",
            "mandem",
            "quanto",
            "quando",
            "mas",
            "avisa",
            "avise",
        ),
        *(
            "avisem",
            "aguardo",
            "aguardando",
            "favor",
            "pode",
            "podem",
            "poderia",
            "consegue",
            "conseguem",
            "cade",
        ),
        *(
            "porem",
            "qual",
            "onde",
            "como",
            "segue",
            "responde",
            "respondam",
            "liga",
            "ligue",
            "liguem",
            "fala",
        ),
        *("confirma", "confirme", "confirmem", "informa", "informe", "informem", "diga", "digam"),
    }
)
# "Me diz", "me passa o valor". Without "me" it may be somebody else: "meu filho passa aí".
_ASKED_OF_SHOP = frozenset({"passa", "passe", "passem", "diz", "dizem"})
_REQUESTS = frozenset(
    {"confirma", "confirme", "confirmem", "informa", "informe", "informem", "diga", "digam"}
)
# "Vou ver que dia dá", "aviso que horas chego": announced, not asked.
_KNOWS = frozenset({"ver", "vejo", "sei", "aviso", "avisar", "digo", "falo", "decidir", "combinar"})
# Announcements of the customer that need no answer. An approval is not among them, because the shop must
# begin the work.
_ANNOUNCED = frozenset(
    {"quote_refused", "pickup_agreed", "payment_announced", "said_collected", "said_bringing"}
)
_ASKED_TIMES = frozenset({"horas", "hora", "dia", "dias"})


def requests_something(forms: list[str]) -> bool:
    """Return whether a message asks for information: "me confirma o valor", "levo aí que horas"."""
    if not _REQUESTS.isdisjoint(forms):
        return True
    if any(a in {"me", "nos"} and b in _ASKED_OF_SHOP for a, b in pairwise(forms)):
        return True
    for before, one, named, after in zip(["", *forms], forms, forms[1:], [*forms[2:], ""], strict=False):
        # "Que dia 5 recebo" gives a reason.
        if one == "que" and named in _ASKED_TIMES and before not in _KNOWS and not after.isdigit():
            return True
    return False


def only_announces(forms: list[str], commitments: tuple[Mention, ...]) -> bool:
    """Return whether a message only announces what its writer does: "busquei, obrigado", "passo sexta"."""
    said = {one.kind for one in commitments if one.side == "customer"}
    return bool(said) and said <= _ANNOUNCED and "?" not in forms and not requests_something(forms)


# Words of a person who wants something from the shop.
WANTS = ASKING - {
    *("mas", "porem", "segue", "fala", "aguardo", "aguardando", "favor", "liga", "como"),
    *("pode", "podem", "poderia", "consegue", "conseguem"),  # "pode" alone agrees
}
_COMES = frozenset(
    {
        *(
            "passo",
            "levo",
            "chego",
            "chegando",
            "busco",
            "retiro",
            "deixo",
            "apareco",
            "mando",
            "pego",
            "volto",
        ),
    }
)
_GOES = frozenset({"vou", "vamos", "irei", "estou", "estarei"})
_GOES_ON = frozenset(
    {
        *(
            "ai",
            "la",
            "ir",
            "levar",
            "passar",
            "buscar",
            "pegar",
            "retirar",
            "deixar",
            "ver",
            "pensar",
            "falar",
        ),
        *("perguntar", "indo", "chegando", "saindo", "caminho", "conversar", "pesquisar", "mandar"),
    }
)
_STAYS_AWAY = frozenset({"volto", "piso", "levo", "venho", "compro", "confio"})


def leaves_for_good(forms: list[str]) -> bool:
    """Return whether a message announces that its writer does not come back."""
    never = any(a == "nunca" and b == "mais" for a, b in pairwise(forms))
    return never or any(a == "nao" and b in _STAYS_AWAY for a, b in pairwise(forms))


_ACCEPTS = frozenset({"ok", "beleza", "certo", "combinado", "entendi", "paciencia", "jeito", "blz"})
_ACCEPTING = frozenset({("esta", "bom"), ("esta", "bem"), ("tudo", "bem"), ("o", "que"), ("sem", "problema")})


def accepts_calmly(forms: list[str]) -> bool:
    """Return whether a message ends by agreeing, or only hopes: "fazer o quê, tá bom", "tomara que dê"."""
    words = [form for form in forms if form not in MARKS]
    if words[:1] == ["tomara"] or words[:2] == ["espero", "que"]:
        return True
    if len(words) > SHORT * 2:
        return False
    return bool(words) and (words[-1] in _ACCEPTS or tuple(words[-2:]) in _ACCEPTING)


def says_what_comes(forms: list[str]) -> bool:
    """Return whether a message announces that its writer comes, or does something else next."""
    going = any(a in _GOES and b in _GOES_ON for a, b in pairwise(forms))
    return going or not _COMES.isdisjoint(forms)

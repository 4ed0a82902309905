"""Applying all rules to the text of one message, in one pass over its words."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.phrases import PHRASES_DIGEST
from whatsapp_pipeline.domain.commitments.rules import read_commitments
from whatsapp_pipeline.domain.summaries.patterns import place, tokenize
from whatsapp_pipeline.domain.summaries.remarks import REMARKS_DIGEST, read_remarks
from whatsapp_pipeline.domain.summaries.sentiment import OPINION, Mood, SentimentReader
from whatsapp_pipeline.domain.summaries.symptoms import SEVERAL, SYMPTOMS_DIGEST, read_symptoms
from whatsapp_pipeline.domain.summaries.topics import TopicReader, load_taxonomy

# Increase it when a change of the code changes readings; all texts are then read again.
RULES_VERSION = "24"
# Longer texts are pasted documents, in which the words of the customer come first.
TEXT_LIMIT = 2000
_FAULT_WEIGHT = 0.25
_HAPPY = 0.5
_CLEAR = 0.6  # a mood from this value on is praise
_DISPLEASED = 0.45  # a mood to this negative value is a complaint
_SHORT = 3  # tokens
_COURTESY = 0.19
_LONGEST_FAREWELL = 16  # tokens
_CONSENT = frozenset({"otimo", "perfeito", "show", "excelente", "maravilha", "top", "legal", "boa", "beleza"})
_OPENING = _CONSENT | {"maravilhoso", "maravilhosa", "lindo", "bonito", "bacana", "parabens", "sensacional"}
_AFTER_OPENING = frozenset(",.")
_MARKS = frozenset(".,;!\n")
_THANKS = frozenset(
    {"obrigado", "obrigada", "obrigados", "obrigadao", "valeu", "grato", "grata", "agradeco", "gratidao"}
)
_ASKING = frozenset(
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


class Reading(NamedTuple):
    """The result of reading one text.

    `score` is the mood towards the shop. `problem`: the text describes a defect or worry. `urgent`: the
    customer wants it soon. `start` and `end`: place of the phrase that decides the score, if any.
    """

    score: float
    weight: float
    start: int | None
    end: int | None
    closes: bool
    topics: tuple[str, ...]
    equipment: tuple[str, ...]
    parts: tuple[str, ...]
    problem: bool
    urgent: bool
    commitments: tuple[Mention, ...]
    symptoms: tuple[str, ...]


# Announcements of the customer that need no answer. An approval is not among them, because the shop must
# begin the work.
_ANNOUNCED = frozenset(
    {"quote_refused", "pickup_agreed", "payment_announced", "said_collected", "said_bringing"}
)


_ASKED_TIMES = frozenset({"horas", "hora", "dia", "dias"})


def _requests(forms: list[str]) -> bool:
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


def _only_announces(forms: list[str], commitments: tuple[Mention, ...]) -> bool:
    """Return whether a message only announces what its writer does: "busquei, obrigado", "passo sexta"."""
    said = {one.kind for one in commitments if one.side == "customer"}
    return bool(said) and said <= _ANNOUNCED and "?" not in forms and not _requests(forms)


# Words of a person who wants something from the shop.
_WANTS = _ASKING - {
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


def _placed(remarks: tuple[Mention, ...], text: str) -> tuple[Mention, ...]:
    """Return remarks with positions in the text instead of numbers of tokens."""
    found = []
    for one in remarks:
        start, end = place(text, one.start, one.end)
        found.append(one._replace(start=start, end=end))
    return tuple(found)


_COMING = frozenset({("pickup_agreed", "customer"), ("said_bringing", "customer")})


def _with_remarks(
    commitments: tuple[Mention, ...], remarks: tuple[Mention, ...], *, is_fault: bool
) -> tuple[Mention, ...]:
    """Add the remarks of a message.

    Drop other results that a remark or a described fault shows to be misread.
    """
    dropped = set[tuple[str, str]]()
    if hopeless := next((one for one in remarks if one.kind == "said_hopeless"), None):
        if any(one.kind == "price_quoted" and one.start < hopeless.start for one in commitments):
            # "A placa fica 350, o teclado não tem jeito": of a part.
            remarks = tuple(one for one in remarks if one is not hopeless)
        else:
            dropped.add(("price_quoted", "staff"))  # "não compensa, um painel custa 1.900"
    if is_fault:
        # "Buscamos a geladeira sexta e ela parou de novo": of the repair before.
        dropped |= {("pickup_agreed", "customer"), ("said_collected", "customer")}
    return (*(one for one in commitments if (one.kind, one.side) not in dropped), *remarks)


# What staff say of the device itself. A price or a day may be of a part: "o rotor da bomba fica 185".
_ABOUT_DEVICE = frozenset({("said_ready", "staff"), ("said_collected", "staff")})
_STAYS_AWAY = frozenset({"volto", "piso", "levo", "venho", "compro", "confio"})


def _leaves(forms: list[str]) -> bool:
    """Return whether a message announces that its writer does not come back."""
    never = any(a == "nunca" and b == "mais" for a, b in pairwise(forms))
    return never or any(a == "nao" and b in _STAYS_AWAY for a, b in pairwise(forms))


# A second thing that is broken, whatever it is.
_SECOND = re.compile(
    r"\be (?:tambem )?(?:o |a )?(?:um|uma|meu|minha|outro|outra) \w+ (?:\w+ ){0,3}?"
    r"(?:sem|que|nao|com|esta|parou|quebr\w+|travando)\b"
)
_ACCEPTS = frozenset({"ok", "beleza", "certo", "combinado", "entendi", "paciencia", "jeito", "blz"})
_ACCEPTING = frozenset({("esta", "bom"), ("esta", "bem"), ("tudo", "bem"), ("o", "que"), ("sem", "problema")})


def _accepts(forms: list[str]) -> bool:
    """Return whether a message ends by agreeing, or only hopes: "fazer o quê, tá bom", "tomara que dê"."""
    words = [form for form in forms if form not in _MARKS]
    if words[:1] == ["tomara"] or words[:2] == ["espero", "que"]:
        return True
    if len(words) > _SHORT * 2:
        return False
    return bool(words) and (words[-1] in _ACCEPTS or tuple(words[-2:]) in _ACCEPTING)


def _says_what_comes(forms: list[str]) -> bool:
    """Return whether a message announces that its writer comes, or does something else next."""
    going = any(a in _GOES and b in _GOES_ON for a, b in pairwise(forms))
    return going or not _COMES.isdisjoint(forms)


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


def _of_the_matter(
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


class MessageReader:
    """Reads texts with the packaged lexicon and one taxonomy."""

    def __init__(self, taxonomy: Path | None = None) -> None:
        self._sentiment = SentimentReader()
        self._topics = TopicReader(load_taxonomy(taxonomy))
        self.taxonomy = self._topics.taxonomy
        digests = (
            RULES_VERSION,
            self._sentiment.lexicon.digest,
            self.taxonomy.digest,
            PHRASES_DIGEST,
            SYMPTOMS_DIGEST,
            REMARKS_DIGEST,
        )
        self.rules = sha256("/".join(digests).encode()).hexdigest()[:16]

    def read(self, text: str) -> Reading:
        """Read one text. Only the first TEXT_LIMIT characters are used."""
        text = text[:TEXT_LIMIT]
        forms = tokenize(text)
        mood = self._mood(forms)
        score, first, last = mood.score, mood.first, mood.last
        start, end = (None, None) if first is None or last is None else place(text, first, last)
        closing = self._sentiment.lexicon.closing
        courtesy = bool(forms) and all(form in closing or form in _MARKS for form in forms)
        ends = len(forms) <= _LONGEST_FAREWELL and self._sentiment.lexicon.ends(forms)
        if courtesy and len(forms) <= _SHORT:
            score = min(score, _COURTESY)  # "perfeito", "show": said to agree
        topics, equipment, parts, several = self._topics.read_forms(forms)
        commitments = read_commitments(text, forms)
        symptoms = read_symptoms(forms) if mood.problem or topics or equipment else ()
        equipment = _of_the_matter(
            equipment,
            forms,
            is_problem=mood.problem or not self.taxonomy.faults.isdisjoint(topics),
            has_symptom=any(one != SEVERAL for one in symptoms),
        )
        several = several and bool(equipment)
        if len(equipment) == 2 and any(a in _TWO and b in _THINGS for a, b in pairwise(forms)):
            # "Deixo 2 máquinas: a motosserra e a roçadeira": these are the two.
            symptoms, several = tuple(one for one in symptoms if one != SEVERAL), False
        if len(symptoms) > 1 and (len(equipment) > 1 or _SECOND.search(" ".join(forms))):
            symptoms = ()  # "uma tv sem imagem e um soundbar sem som"
        if (
            score <= -OPINION
            and any(one.kind == "quote_refused" for one in commitments)
            and self.taxonomy.complaints.isdisjoint(topics)
        ):
            score = -_COURTESY  # "não vale a pena": said of the repair
        elif score >= OPINION and any(one.kind == "quote_refused" for one in commitments):
            score = _COURTESY  # "vou comprar outra" is no praise then
        topics = self._topics_besides(topics, score, commitments, has_symptoms=bool(symptoms))
        describes = (
            score < 0
            and not self.taxonomy.faults.isdisjoint(topics)
            and self.taxonomy.complaints.isdisjoint(topics)
        )
        closes = bool(forms) and (
            courtesy
            or ends
            or (score >= _HAPPY and self.taxonomy.praises.issuperset(topics) and "?" not in forms)
            or (len(forms) <= _LONGEST_FAREWELL and score > -OPINION and _only_announces(forms, commitments))
            or (
                # "Amanhã 9h estou aí", "vou ver um dia e levo": the customer announces the next step.
                len(forms) <= _LONGEST_FAREWELL
                and score > -OPINION
                and "?" not in forms
                and not mood.problem
                and _ASKING.isdisjoint(forms)
                and not _requests(forms)
                and _says_what_comes(forms)
                and not any(one.kind == "quote_approved" for one in commitments)
                and self.taxonomy.faults.isdisjoint(topics)
                and self.taxonomy.complaints.isdisjoint(topics)
            )
            or (
                # "Já tá gelando, muito obrigada": thanks, without a question or a complaint.
                len(forms) <= _LONGEST_FAREWELL
                and ((not _THANKS.isdisjoint(forms) and score >= 0) or score >= _CLEAR)
                and "?" not in forms
                and not mood.problem
                and _ASKING.isdisjoint(forms)
                and not any(one.kind == "quote_approved" for one in commitments)
                and self.taxonomy.faults.isdisjoint(topics)
            )
            or (
                # Praise may name its subject: "melhor loja, preço justo e rápido".
                len(forms) <= _LONGEST_FAREWELL
                and score >= _CLEAR
                and not self.taxonomy.praises.isdisjoint(topics)
                and not mood.problem
                and "?" not in forms
                and _ASKING.isdisjoint(forms)
            )
        )
        announces = any((one.kind, one.side) in _COMING for one in commitments) or (
            _says_what_comes(forms) and not mood.problem and forms[-1] != "quando"
        )
        if announces and score > -OPINION and "?" not in forms and not _requests(forms):
            pass  # "quero sim, passo hoje", "levo quando der"
        elif not closes and self._asks(forms, score, topics, is_described=mood.problem):
            sort: Literal["question"] | None = "question" if "?" in forms else None
            commitments += (Mention("said_asks", "customer", 0, len(text), sort=sort),)
        is_fault = mood.problem or any(one != SEVERAL for one in symptoms)
        commitments = _with_remarks(commitments, _placed(read_remarks(forms), text), is_fault=is_fault)
        if closes and not _THANKS.isdisjoint(forms):
            commitments += (Mention("said_thanks", "customer", 0, len(text)),)
        if len(equipment) == 1 and any((one.kind, one.side) in _ABOUT_DEVICE for one in commitments):
            commitments += (Mention("said_device", "staff", 0, len(text), length=equipment[0]),)
        return Reading(
            score,
            _FAULT_WEIGHT if describes else 1.0,
            start,
            end,
            closes,
            topics,
            equipment,
            parts,
            mood.problem or not self.taxonomy.faults.isdisjoint(topics),
            self._sentiment.is_urgent(forms),
            commitments,
            symptoms if SEVERAL in symptoms or not several else (*symptoms, SEVERAL),
        )

    def _asks(self, forms: list[str], score: float, topics: tuple[str, ...], *, is_described: bool) -> bool:
        """Return whether a message surely needs an answer: a question, a complaint, a fault."""
        if "?" not in forms and len(forms) <= _LONGEST_FAREWELL and _accepts(forms):
            return False  # "aff, tá bom", "espero que seja verdade"
        if "?" not in forms and not _THANKS.isdisjoint(forms) and score > -OPINION:
            return False  # "parou de pingar, obrigado"
        if "?" not in forms and len(forms) <= _LONGEST_FAREWELL and _leaves(forms):
            return False  # "nunca mais", "não volto mais aí"
        return (
            ("?" in forms and score < _CLEAR)  # "já??? amei"
            or score <= -_DISPLEASED
            or is_described
            or (score < OPINION and (not _WANTS.isdisjoint(forms) or _requests(forms)))
            or not self.taxonomy.faults.isdisjoint(topics)
        )

    def _topics_besides(
        self, topics: tuple[str, ...], score: float, commitments: tuple[Mention, ...], *, has_symptoms: bool
    ) -> tuple[str, ...]:
        """Add the topics of commitments, symptoms and moods, and drop ironic praise."""
        taxonomy = self.taxonomy
        found = set(topics)
        found -= {taxonomy.displaced[one.kind] for one in commitments if one.kind in taxonomy.displaced}
        found.update(taxonomy.committed[one.kind] for one in commitments if one.kind in taxonomy.committed)
        if (
            has_symptoms
            and found.isdisjoint(taxonomy.complaints)
            and not found & set(taxonomy.committed.values())
        ):
            found |= taxonomy.faults
        if score <= -_DISPLEASED:
            found |= taxonomy.complaints
        elif score >= _CLEAR:
            found |= taxonomy.praises
        if score < 0:
            found -= taxonomy.praises
        return topics if found == set(topics) else tuple(one for one in taxonomy.topics if one in found)

    def _mood(self, forms: list[str]) -> Mood:
        """Read the mood. "ótimo, pode fazer" begins with consent, not with praise."""
        whole = self._sentiment.read_forms(forms)
        if len(forms) < _SHORT or forms[0] not in _OPENING or forms[1] not in _AFTER_OPENING:
            return whole
        mood = self._sentiment.read_forms(forms[2:])
        # Praise before a complaint is not counted: "maravilhoso, sumiram com o parafuso".
        if forms[0] not in _CONSENT and mood.score > -OPINION:
            return whole
        if mood.first is None or mood.last is None:
            return mood
        return mood._replace(first=mood.first + 2, last=mood.last + 2)

"""The first sentence of a summary: the device and its fault, or the wish of a person who is no customer.

What belongs here: wording of the devices, faults and topics in the customer's messages. What does not:
offers (offer_text.py), decisions (decision_text.py), and finding devices, symptoms and topics (topics.py,
symptoms.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, TypedDict

from whatsapp_pipeline.domain.commitments.status import Said
from whatsapp_pipeline.domain.summaries.case import Case
from whatsapp_pipeline.domain.summaries.symptoms import SEVERAL
from whatsapp_pipeline.domain.summaries.wording import Claim, join_words, unique_refs

_SYMPTOMS_SHOWN = 3
_TOPICS_SHOWN = 3
_DEVICES_SHOWN = 2
_ANSWER = timedelta(days=1)
_FEMININE = ("a", "televisão", "moto", "chave")
_MASCULINE = frozenset({"guarda-roupa"})
_IS = "está "
# "Está com a bateria ruim" without a device: "bateria ruim".
_STATE = re.compile(r"^está (?:com (?:[oa] )?)?")


# The words for topics that a customer asked about. Other topics are too vague.
_TOPIC_WORDS = {
    "orçamento": "o preço",
    "prazo": "o prazo",
    "garantia": "a garantia",
}
_COMPLAINT = "reclamação"
# Topics that need more than one message.
_DOUBTFUL = frozenset({"prazo", "orçamento"})
# Things that are part of another device or belong to it: the oven of a stove, the camera of a phone.
_HAS_CAMERA = frozenset({"celular", "tablet", "notebook", "monitor", "drone"})
_IS_PART_OF = {
    "forno": frozenset({"fogão", "micro-ondas"}),
    "câmera": _HAS_CAMERA | {"câmera de segurança"},
    "freezer": frozenset({"geladeira"}),
    "controle remoto": frozenset({"videogame"}),
    "caixa de som": frozenset({"fone"}),
    "carro": frozenset({"chave"}),
}
# What has a liquid or a gas that leaks.
_LEAKS = frozenset(
    {"máquina de lavar", "lava-louça", "geladeira", "freezer", "ar-condicionado", "purificador", "cafeteira"}
    | {
        "chuveiro",
        "aquecedor",
        "bomba d'água",
        "lavadora de pressão",
        "fogão",
        "cooktop",
        "forno",
        "carro",
        "moto",
    }
    | {
        "gerador",
        "roçadeira",
        "motosserra",
        "liquidificador",
        "panela elétrica",
        "compressor de ar",
        "impressora",
    }
    | {"ferro de passar"}
)
_FURNITURE = frozenset(
    {"tapete", "armário", "sofá", "poltrona", "mala", "guarda-roupa", "colchão", "cortina", "persiana"}
    | {"bota", "sapato", "tênis"}
)
# What is wrong with an appliance, and with nothing else.
_OF_APPLIANCES = frozenset(
    {"não carrega", "não imprime direito", "não esquenta", "não gela", "não centrifuga", "não enche"}
    | {"não drena a água", "reinicia do nada", "desliga do nada", "dá tela azul", "não conecta à rede"}
    | {"não conecta ao Bluetooth"}
)
# Faults that say something without a device.
_CLEAR_ALONE = frozenset(
    {"não liga", "está com cheiro de gás", "está com cheiro de queimado"}
    | {"está com a bateria ruim", "está com a tela quebrada"}
)
_COMPUTERS = frozenset({"notebook", "computador", "tablet", "celular"})
_SCREENS = _COMPUTERS | {"televisão", "monitor", "videogame", "projetor", "relógio", "câmera"}
# Faults that only some devices have: a piano has keys, but no keyboard that types.
_ONLY_OF = {
    "está com o teclado falhando": _COMPUTERS,
    "está com vírus": _COMPUTERS,
    "dá tela azul": _COMPUTERS,
    "não reconhece o HD": _COMPUTERS | {"videogame", "televisão"},
    "está com lentidão": _COMPUTERS | {"televisão", "videogame", "roteador"},
    "não imprime direito": frozenset({"impressora"}),
    "está sem imagem": _SCREENS | {"câmera de segurança"},
    "está com defeito na imagem": _SCREENS | {"drone"},
    "morre": frozenset({"carro", "moto", "gerador", "roçadeira", "motosserra"}),
    "não centrifuga": frozenset({"máquina de lavar", "secadora"}),
}
# The topic of who meant to write to somebody else.
_WRONG_NUMBER = "engano"
_PURPOSES = {
    "said_misdirected": "A conversa foi por engano.",
    "said_applies": "Quem escreveu não é cliente: procurava emprego na loja.",
    "said_frauds": "Quem escreveu não é cliente: a mensagem parece um golpe.",
    "said_sells": "Quem escreveu não é cliente: o contato é comercial.",
}


# What nobody calls "aparelho", with its article.
_NO_APPLIANCES: Mapping[str, str | None] = {
    "carro": "o carro",
    "moto": "a moto",
    "bicicleta": "a bicicleta",
    "bicicleta elétrica": "a bicicleta",
    "patinete": "o patinete",
    "violão": "o violão",
    "guitarra": "a guitarra",
    "piano": "o piano",
    "sofá": "o sofá",
    "mala": "a mala",
    # No word fits one and several of them.
    **dict.fromkeys(("óculos", "cortina", "sapato", "bota", "tênis", "cadeira", "chave", "guarda-roupa")),
    **dict.fromkeys(("colchão", "tapete", "persiana", "armário", "mesa", "poltrona", "portão eletrônico")),
}


def thing_of(terms: Sequence[CaseTerm]) -> str | None:
    """Return what the case is about as a sentence names it again, if it is known: "o aparelho", "a moto"."""
    devices = [term["name"] for term in terms if term["kind"] == "device"]
    return _NO_APPLIANCES.get(devices[0], "o aparelho") if devices else None


class CaseTerm(TypedDict):
    """A device, symptom or topic of the case, with the number of its messages and the latest of them."""

    kind: str
    name: str
    evidence: str
    messages: int


def _with_article(noun: str) -> str:
    if noun == "óculos":
        return noun
    first = noun.split(maxsplit=1)[0]
    return f"{'uma' if first.endswith(_FEMININE) and noun not in _MASCULINE else 'um'} {noun}"


def _plural(noun: str) -> str:
    """Write a device's name in the plural: computadores, máquinas de lavar, televisões."""
    if noun == "ar-condicionado":
        return "aparelhos de ar-condicionado"
    first, _, rest = noun.partition(" ")
    if first.endswith("ão"):
        first = f"{first[:-2]}ões"
    elif first.endswith("l"):
        first = f"{first[:-1]}is"
    elif first.endswith(("r", "z")):
        first = f"{first}es"
    elif not first.endswith("s"):
        first = f"{first}s"
    adjective = rest if not rest or " " in rest or rest.endswith("s") else f"{rest}s"
    return f"{first} {adjective}".strip()


def _say_topics(topics: Sequence[CaseTerm]) -> str:
    return join_words([_TOPIC_WORDS[topic["name"]] for topic in topics])


def _say_symptoms(symptoms: Sequence[CaseTerm]) -> str:
    """Join symptoms after a device: " com a tela quebrada, que não liga", " que faz barulho"."""
    states = [one["name"].removeprefix(_IS) for one in symptoms if one["name"].startswith(_IS)]
    verbs = [one["name"] for one in symptoms if not one["name"].startswith(_IS)]
    said = f" {join_words(states)}" if states else ""
    if verbs:
        said += f"{',' if states else ''} que {join_words(verbs)}"
    return said


class _Named(NamedTuple):
    """The devices, symptoms and topics in the customer's messages that a sentence may name."""

    devices: list[CaseTerm]
    several: list[CaseTerm]
    symptoms: list[CaseTerm]
    topics: list[CaseTerm]
    complains: bool
    many: bool

    @property
    def words(self) -> str:
        """The devices as text: "um notebook e um celular", "impressoras". Empty if no device is named."""
        if self.many:
            return "vários aparelhos"
        if self.several:
            return _plural(self.devices[0]["name"]) if len(self.devices) == 1 else "mais de um aparelho"
        return join_words([_with_article(one["name"]) for one in self.devices]) if self.devices else ""


def _named(
    terms: Sequence[CaseTerm],
    mentioned: Collection[str],
    fewest: int,
    questions: Collection[str],
    corrects: Said | None,
) -> _Named:
    devices, symptoms, topics = (
        [term for term in terms if term["kind"] == kind] for kind in ("device", "symptom", "topic")
    )
    if corrects is not None and any(one["evidence"] == corrects.ref for one in devices):
        devices = [one for one in devices if one["evidence"] == corrects.ref]
    if any(one["name"] not in _FURNITURE for one in devices):
        # Beside a device, furniture is where it stands or what it fell from.
        devices = [one for one in devices if one["name"] not in _FURNITURE]
    names = {one["name"] for one in devices}
    whole = [one for one in devices if names.isdisjoint(_IS_PART_OF.get(one["name"], ()))]
    # The device in the message that describes a fault is the device with the fault.
    faulty = {one["evidence"] for one in symptoms if one["name"] != SEVERAL}
    with_fault = [one for one in devices if one["evidence"] in faulty]
    several = [one for one in symptoms if one["name"] == SEVERAL]
    # With three or more devices, or two of which one is plural, the faults are not assigned to a device.
    many = len(whole) > _DEVICES_SHOWN or (bool(several) and len(whole) > 1)
    shown = [one for one in whole if one in with_fault] if len(with_fault) == 1 else whole
    places = Counter(one["evidence"] for one in whole)
    listed = len(places) == 1 or max(places.values(), default=0) > 1
    if not several and not listed:
        # Of devices in different messages, some may be named in passing.
        many = False
        if len({one["evidence"] for one in shown}) > 1:
            shown = with_fault = []
    if len(devices) > 1 and len(shown) == 1 and not several:
        # Beside another thing, a fault in another message may be of that one.
        symptoms = [one for one in symptoms if one["evidence"] == shown[0]["evidence"]]
    # "Não conecta à rede" says more than "não conecta".
    longer = tuple(one["name"] for one in symptoms)
    plain = [
        one
        for one in symptoms
        if not any(it.startswith(f"{one['name']} ") for it in longer)
        and not (one["name"] == "vaza" and names and names.isdisjoint(_LEAKS))
        and not (names and names.isdisjoint(_ONLY_OF.get(one["name"], names)))
    ]
    asked = [
        one
        for one in topics
        if one["name"] in _TOPIC_WORDS
        and one["name"] not in mentioned
        and one["evidence"] in questions
        and one["messages"] >= (2 if one["name"] in _DOUBTFUL else fewest)
    ]
    return _Named(
        whole if many else shown or with_fault,
        several,
        [one for one in plain if one["name"] != SEVERAL][:_SYMPTOMS_SHOWN],
        asked[:_TOPICS_SHOWN],
        any(one["name"] == _COMPLAINT for one in topics),
        many,
    )


def matter(
    terms: Sequence[CaseTerm],
    mentioned: Collection[str] = frozenset(),
    *,
    fewest: int = 1,
    questions: Collection[str] = frozenset(),
    remarks: Mapping[str, Said],
) -> Claim | None:
    """Return the device and its fault as the customer described them, otherwise the topics of the customer's
    questions.

    `mentioned` are topics that other sentences are about. A topic needs `fewest` messages, because one
    message alone is more easily misread, and the latest of them is among `questions`. `remarks` holds the
    messages in which the customer corrects what they wrote, or wants to buy something or an invoice, and the
    one in which the shop names the device.
    """
    named = _named(terms, mentioned, fewest, questions, remarks.get("said_corrects"))
    shops = remarks.get("said_shops")
    if shops is not None and not named.symptoms and all(it["evidence"] == shops.ref for it in named.devices):
        return _claim("O cliente procurou um produto para comprar", shops.ref)
    devices = [one["evidence"] for one in (*named.devices, *named.several)]
    if named.symptoms and (fault := _say_fault(named)):
        return _claim(fault, *devices, *(one["evidence"] for one in named.symptoms))
    if any(term["kind"] == "device" for term in terms):
        # Of several devices, the shop may name one.
        remarks = {kind: said for kind, said in remarks.items() if kind != "said_device"}
    return _without_fault(named, devices, remarks)


def _without_fault(named: _Named, devices: Sequence[str], remarks: Mapping[str, Said]) -> Claim | None:
    """Return the device without a fault, otherwise the topics of the customer's questions."""
    topics = [one["evidence"] for one in named.topics]
    declines, asks = remarks.get("said_declines"), remarks.get("said_asks")
    is_declined = declines is not None and asks is not None and declines.at >= asks.at
    if named.words and not (is_declined and asks is not None and {asks.ref} == {*devices, *topics}):
        asked = f" e perguntou sobre {_say_topics(named.topics)}" if topics else ""
        return _claim(f"O cliente escreveu sobre {named.words}{asked}", *devices, *topics)
    device, invoice = remarks.get("said_device"), remarks.get("said_invoice")
    if device is not None and device.mention.length:
        # The shop named the device, for example when it reported the work ready.
        return _claim(f"A conversa é sobre {_with_article(device.mention.length)}", device.ref)
    if topics:
        return _claim(f"O cliente perguntou sobre {_say_topics(named.topics)}", *topics)
    if invoice is not None:
        return _claim("O cliente pediu a nota fiscal", invoice.ref)
    if (receipt := remarks.get("said_receipt")) is not None:
        return _claim("O cliente pediu um recibo", receipt.ref)
    return _asked_of_shop(remarks)


def _asked_of_shop(remarks: Mapping[str, Said]) -> Claim | None:
    """Return the questions of a person who named no device: opening hours, address, or services."""
    declines, asks = remarks.get("said_declines"), remarks.get("said_asks")
    if declines is not None and asks is not None and timedelta() <= declines.at - asks.at <= _ANSWER:
        return _claim("O cliente perguntou por um serviço que a loja não faz", asks.ref, declines.ref)
    asked = {"o horário": remarks.get("said_visits"), "o endereço": remarks.get("said_locates")}
    found = {name: said for name, said in asked.items() if said is not None}
    if not found:
        return None
    refs = [said.ref for said in found.values()]
    return _claim(f"O cliente perguntou sobre {join_words(list(found))} da loja", *refs)


def _say_fault(named: _Named) -> str:
    """Write the symptoms, with the device if the messages name one."""
    if named.many:
        return f"O cliente escreveu sobre {named.words}"
    if named.words and (len(named.devices) > 1 or named.several):
        together = len({one["evidence"] for one in named.devices}) == 1
        return f"O cliente escreveu sobre {named.words}{' com defeito' if together else ''}"
    if named.words:
        return f"O cliente escreveu sobre {named.words}{_say_symptoms(named.symptoms)}"
    if named.complains:
        return ""  # what leaks may be a tap that a technician broke
    return _say_unknown_thing(named.symptoms)


def _say_unknown_thing(symptoms: Sequence[CaseTerm]) -> str:
    """Write the symptoms of a thing that nobody named. "Trava" and "vaza" alone say too little."""
    if all(one["name"] in _OF_APPLIANCES for one in symptoms):
        return f"O cliente escreveu sobre um aparelho{_say_symptoms(symptoms)}"
    if any(one["name"] not in _CLEAR_ALONE for one in symptoms):
        return ""
    said = join_words([_STATE.sub("", one["name"]) for one in symptoms])
    return f"O cliente relatou {'um problema' if len(symptoms) == 1 else 'problemas'}: {said}"


def _claim(text: str, *refs: str) -> Claim:
    return Claim(kind="matter", text=f"{text}.", messages=unique_refs(*refs), orders=[])


def purpose(case: Case, terms: Sequence[CaseTerm]) -> Claim | None:
    """Return the wish of a person who is no customer.

    The wish is to sell something, to find work, or to reach somebody else.
    """
    if case.orders or any(term["kind"] == "symptom" for term in terms):
        return None
    staff = [one.said.at for one in case.commitments if one.said.mention.side == "staff"]
    mistaken = case.remarks.get("said_misdirected")
    if mistaken is not None and mistaken.mention.side == "staff" and all(at < mistaken.at for at in staff):
        return _claim("A conversa foi por engano", mistaken.ref)
    if case.done or staff:
        return None  # the shop quoted a price or promised something
    for kind, text in _PURPOSES.items():
        said = case.remarks.get(kind)
        if said is not None:
            return Claim(kind="matter", text=text, messages=[said.ref], orders=[])
    written = [term for term in terms if term["kind"] == "topic" and term["name"] == _WRONG_NUMBER]
    if written and not case.commitments:
        refs = unique_refs(*(term["evidence"] for term in written))
        return Claim(kind="matter", text=_PURPOSES["said_misdirected"], messages=refs, orders=[])
    return None

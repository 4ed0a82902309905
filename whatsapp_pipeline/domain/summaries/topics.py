"""Finding the topics of one message, and the equipment and parts in it, by a taxonomy that users can edit.

What belongs here: reading the taxonomy and applying its patterns. What does not: the taxonomy itself
(`taxonomy.toml`), and the topics of a customer (the store's SQL).
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from whatsapp_pipeline.domain.summaries.device_frames import is_brought, only_names_owner
from whatsapp_pipeline.domain.summaries.patterns import Matcher, Pattern, parse_pattern, tokenize
from whatsapp_pipeline.domain.vocabulary import DEVICES
from whatsapp_pipeline.errors import PipelineError

_STRONG, _WEAK, _BLOCK = 1.0, 0.5, -100.0


class Mentions(NamedTuple):
    """The topics of a message: topic names, equipment and part names, each in the order of the taxonomy."""

    topics: tuple[str, ...]
    equipment: tuple[str, ...]
    parts: tuple[str, ...]
    several: bool = False
    """Whether a device is named in the plural."""


@dataclass(frozen=True)
class Taxonomy:
    """The taxonomy in memory. `rules[payload]` is (kind, number of the name, weight)."""

    topics: tuple[str, ...]
    equipment: tuple[str, ...]
    parts: tuple[str, ...]
    rules: tuple[tuple[str, int, float], ...]
    matcher: Matcher
    # Topics that count only in messages of customers, because such words of staff are not about their own
    # feelings
    customer_only: frozenset[str]
    faults: frozenset[str]  # topics of described faults, which are no opinion …
    complaints: frozenset[str]  # … unless the message also has one of these topics
    praises: frozenset[str]
    committed: dict[str, str]  # kind of commitment → the topic that it adds
    # Kind of commitment → the topic with which it is confused, and which it removes
    displaced: dict[str, str]
    digest: str


class _Rules:
    """The patterns of a taxonomy while it is read."""

    def __init__(self) -> None:
        self.patterns: list[Pattern] = []
        self.rules: list[tuple[str, int, float]] = []

    def add(self, pattern: str, kind: str, number: int, weight: float) -> None:
        self.patterns.append(parse_pattern(pattern, len(self.patterns)))
        self.rules.append((kind, number, weight))

    def add_topics(self, topics: list[dict[str, Any]]) -> tuple[str, ...]:
        for number, topic in enumerate(topics):
            for key, weight in (("strong", _STRONG), ("weak", _WEAK), ("blocked_by", _BLOCK)):
                for pattern in topic.get(key, ()):
                    self.add(pattern, "topic", number, weight)
        return tuple(str(topic["name"]) for topic in topics)

    def add_terms(self, kind: str, entries: list[list[str]]) -> tuple[str, ...]:
        for number, (_, *forms) in enumerate(entries):
            for form in forms:
                # A device with an unknown name is an error in the file; the KeyError is reported as such.
                for pattern in DEVICES[form[1:]] if form.startswith("@") else (form,):
                    self.add(pattern, kind, number, _STRONG)
        return tuple(entry[0] for entry in entries)


def parse_taxonomy(text: str, *, source: str = "taxonomy.toml") -> Taxonomy:
    """Parse the taxonomy's TOML. Raises PipelineError with the error in `source`."""
    rules = _Rules()
    try:
        table: dict[str, Any] = tomllib.loads(text)
        names = rules.add_topics(table["topics"])
        terms = table.get("terms", {})
        equipment = rules.add_terms("equipment", terms.get("equipment", []))
        parts = rules.add_terms("parts", terms.get("parts", []))
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise PipelineError(
            f"{source} is not a taxonomy: {error!r}; compare it with the packaged one"
        ) from error
    if len(set(names)) != len(names):
        raise PipelineError(f"{source}: a topic's name occurs twice")

    def marked(flag: str) -> frozenset[str]:
        return frozenset(topic["name"] for topic in table["topics"] if topic.get(flag))

    return Taxonomy(
        names,
        equipment,
        parts,
        tuple(rules.rules),
        Matcher(rules.patterns),
        marked("customer_only"),
        marked("fault"),
        marked("complaint"),
        marked("praise"),
        {kind: topic["name"] for topic in table["topics"] for kind in topic.get("commitments", ())},
        {kind: topic["name"] for topic in table["topics"] for kind in topic.get("yields_to", ())},
        sha256((text + json.dumps(DEVICES, sort_keys=True)).encode()).hexdigest()[:16],
    )


@cache
def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Return the taxonomy in `path`, or the one of the package."""
    if path is None:
        return parse_taxonomy(files(__package__).joinpath("taxonomy.toml").read_text(encoding="utf-8"))
    try:
        return parse_taxonomy(path.read_text(encoding="utf-8"), source=path.name)
    except OSError as error:
        raise PipelineError(f"the taxonomy {path} cannot be read: {error.strerror}") from error


class TopicReader:
    """Finds the topics and terms of messages with one taxonomy."""

    def __init__(self, taxonomy: Taxonomy | None = None) -> None:
        self.taxonomy = taxonomy or load_taxonomy()

    def read(self, text: str) -> Mentions:
        """Find the topics and terms of `text`."""
        return self.read_forms(tokenize(text))

    def read_forms(self, forms: list[str]) -> Mentions:
        """Find the topics and terms in the tokens of a message."""
        taxonomy = self.taxonomy
        found: dict[int, tuple[int, int]] = {}
        for pattern, start, end in taxonomy.matcher.find(forms):
            if pattern.payload in found:
                continue
            is_device = taxonomy.rules[pattern.payload][0] == "equipment"
            if is_device and _names_no_device(forms, start, end):
                continue
            found[pattern.payload] = (start, end)
        if not found:
            return _NOTHING
        scores: dict[int, float] = {}
        terms: dict[str, set[int]] = {"equipment": set(), "parts": set()}
        devices = self._devices(forms, found)
        several = any(
            forms[start].endswith("s") and forms[start] not in _SINGULAR
            for payload, (start, _) in found.items()
            if self.taxonomy.rules[payload][0] == "equipment" and self.taxonomy.rules[payload][1] in devices
        )
        terms["equipment"] = devices
        for payload in found:
            kind, number, weight = taxonomy.rules[payload]
            if kind == "topic":
                scores[number] = scores.get(number, 0.0) + weight
            elif kind != "equipment":
                terms[kind].add(number)
        return Mentions(
            tuple(taxonomy.topics[number] for number in sorted(scores) if scores[number] >= _STRONG),
            tuple(taxonomy.equipment[number] for number in sorted(terms["equipment"])),
            tuple(taxonomy.parts[number] for number in sorted(terms["parts"])),
            several,
        )

    def _devices(self, forms: list[str], found: dict[int, tuple[int, int]]) -> set[int]:
        """Return the numbers of the equipment that a message is about."""
        taxonomy = self.taxonomy
        named: dict[int, list[tuple[int, int]]] = {}
        for payload, place in found.items():
            kind, number, _ = taxonomy.rules[payload]
            if kind == "equipment":
                named.setdefault(number, []).append(place)
        if not named:
            return set()
        has_controller = not _CONTROLLERS.isdisjoint(forms) and _CONSOLES.isdisjoint(forms)
        ends = {end for places in named.values() for _, end in places}
        devices = set[int]()
        for number, places in named.items():
            name = taxonomy.equipment[number]
            if name == "videogame" and has_controller:
                continue
            if name in _VEHICLES and all(
                _belongs(forms, start, ends) or only_names_owner(forms, start) for start, _ in places
            ):
                continue
            devices.add(number)
        return devices


# "O ar-condicionado do carro": the car only says where the device is.
_VEHICLES = frozenset({"carro", "moto"})


def _belongs(forms: list[str], start: int, ends: set[int]) -> bool:
    """Return whether the thing named at `start` only says whose part the device before it is."""
    at = start
    while at > 0 and forms[at - 1] in _OF:
        at -= 1
    return at < start and at in ends


# Names of one device that end like a plural.
_SINGULAR = frozenset({"microondas", "fones", "airpods", "ps", "galaxys", "oculos", "tenis"})
# "Controle da tv", "carregador do notebook": what belongs to a device. The message is not about the device.
_ACCESSORIES = frozenset(
    {"controle", "carregador", "carregadores", "fonte", "cabo", "capa", "capinha", "pelicula", "suporte"}
    | {"controles", "manete", "manetes", "joystick", "joysticks"}
)
# "Dois controles: um de ps5 e um de xbox": the controllers are the devices.
_CONTROLLERS = frozenset({"controle", "controles", "manete", "manetes", "joystick", "joysticks"})
_CONSOLES = frozenset({"videogame", "console"})
_OF = frozenset({"do", "da", "de", "para", "dos", "das", "meu", "minha"})
# "Redmi note 10" is a phone; "note" alone is a notebook.
_PHONE_MODELS = frozenset({"redmi", "galaxy", "samsung", "poco", "xiaomi", "infinix", "hot"})
# "Fiquei sem carro", "vou de carro", "o técnico quebrou o carro".
_WITHOUT = frozenset({"sem", "de", "um", "outro"})
_MOTO_WORDS = frozenset({"g", "e", "edge", "one", "boy", "taxi", "z"})
# What somebody does with a device that the conversation is not about.
_AT = frozenset({"no", "na", "pelo", "pela", "num", "numa", "o", "a", "do", "meu", "minha"})
_USES = frozenset(
    {
        *("trabalho", "trabalha", "trabalhar", "trabalhando", "estudo", "estudar", "estudando", "vi", "vejo"),
        *("assisto", "assistir", "assistindo", "escrevendo", "escrevo", "digitando", "mandei", "mando"),
        *(
            "mandando",
            "falando",
            "falo",
            "ligando",
            "pesquisei",
            "pesquisando",
            "acesso",
            "acessei",
            "joguei",
        ),
        *("jogo", "jogando", "leio", "ler", "lendo", "usa", "tirei", "gravei"),
    }
)
_CALLS = frozenset({"liga", "ligue", "liguem", "ligar", "chama", "chame", "chamar", "fala", "falar", "toca"})
_BESIDE = frozenset({"atras", "lado", "cima", "embaixo", "debaixo", "perto", "frente", "dentro"})
_NO_CAMERA = frozenset({"traseira", "frontal", "do", "da", "dele", "dela", "principal"})


def _is_in_passing(forms: list[str], start: int, before: str, after: str) -> bool:
    """Return whether a device is only used, or says where something is, or is another word."""
    one = forms[start]
    if one == "armario" and before == "de":
        return True  # "um piano de armário"
    if before in {"no", "pelo"} and not _CALLS.isdisjoint(forms[max(0, start - 4) : start]):
        return "nao" not in forms[max(0, start - 5) : start]  # "ligue no celular"
    if one in {"carro", "moto"} and before in _WITHOUT:
        return True
    if one == "moto" and ((after[:1] in {"g", "e"} and after[1:2].isdigit()) or after in _MOTO_WORDS):
        return True
    if before in _AT and not _USES.isdisjoint(forms[max(0, start - 7) : start]):
        return True  # "trabalho o dia todo no computador"
    # "Fica atrás da geladeira."
    return before in _OF | {"o", "a", "ao"} and not _BESIDE.isdisjoint(forms[max(0, start - 3) : start])


def _names_no_device(forms: list[str], start: int, end: int) -> bool:
    """Return whether the name of a device means something else: a model, an accessory, a part."""
    before = forms[start - 1] if start else ""
    after = forms[end] if end < len(forms) else ""
    if forms[start] == "notebook" and end == start + 1 and (before in _PHONE_MODELS or after.isdigit()):
        return True
    if _is_in_passing(forms, start, before, after) or not is_brought(forms, start, end):
        return True
    if after in {"nao", "nem"} and forms[end + 1 : end + 2] and forms[end + 1].startswith("reconhec"):
        return True  # "o pc nem reconhece": of what is plugged into it
    if forms[start] == "camera" and after in _NO_CAMERA:
        return True
    at = start - 1
    while at > 0 and forms[at] in _OF:
        at -= 1
    return 0 <= at < start - 1 and forms[at] in _ACCESSORIES


_NOTHING = Mentions((), (), ())

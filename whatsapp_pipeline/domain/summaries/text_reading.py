"""Applying all rules to the text of one message, in one pass over its words."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.phrases import PHRASES_DIGEST
from whatsapp_pipeline.domain.commitments.rules import read_commitments
from whatsapp_pipeline.domain.summaries.message_acts import (
    ASKING,
    LONGEST_FAREWELL,
    MARKS,
    SHORT,
    THANKS,
    WANTS,
    accepts_calmly,
    leaves_for_good,
    only_announces,
    requests_something,
    says_what_comes,
)
from whatsapp_pipeline.domain.summaries.message_devices import devices_of_the_matter, symptoms_of_devices
from whatsapp_pipeline.domain.summaries.patterns import place, tokenize
from whatsapp_pipeline.domain.summaries.remarks import REMARKS_DIGEST, read_remarks
from whatsapp_pipeline.domain.summaries.sentiment import OPINION, Mood, SentimentReader
from whatsapp_pipeline.domain.summaries.signals import read_signals
from whatsapp_pipeline.domain.summaries.symptoms import SEVERAL, SYMPTOMS_DIGEST, read_symptoms
from whatsapp_pipeline.domain.summaries.topics import TopicReader, load_taxonomy

# Increase it when a change of the code changes readings; all texts are then read again.
RULES_VERSION = "25"
# Longer texts are pasted documents, in which the words of the customer come first.
TEXT_LIMIT = 2000
_FAULT_WEIGHT = 0.25
_HAPPY = 0.5
_CLEAR = 0.6  # a mood from this value on is praise
_DISPLEASED = 0.45  # a mood to this negative value is a complaint
_COURTESY = 0.19
_CONSENT = frozenset({"otimo", "perfeito", "show", "excelente", "maravilha", "top", "legal", "boa", "beleza"})
_OPENING = _CONSENT | {"maravilhoso", "maravilhosa", "lindo", "bonito", "bacana", "parabens", "sensacional"}
_AFTER_OPENING = frozenset(",.")


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


class _ReadText(NamedTuple):
    """What was read of a message before its mentions are complete."""

    text: str
    forms: list[str]
    mood: Mood
    score: float
    topics: tuple[str, ...]
    equipment: tuple[str, ...]
    symptoms: tuple[str, ...]
    closes: bool


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
        topics, equipment, parts, several = self._topics.read_forms(forms)
        symptoms = read_symptoms(forms) if mood.problem or topics or equipment else ()
        equipment = devices_of_the_matter(
            equipment,
            forms,
            is_problem=mood.problem or not self.taxonomy.faults.isdisjoint(topics),
            has_symptom=any(one != SEVERAL for one in symptoms),
        )
        symptoms, several = symptoms_of_devices(equipment, symptoms, forms, names_several=several)
        commitments = read_commitments(text, forms)
        score = self._score(forms, mood.score, topics, commitments)
        topics = self._topics_besides(topics, score, commitments, has_symptoms=bool(symptoms))
        closes = self._closes(forms, score, topics, commitments, is_problem=mood.problem)
        is_fault = not self.taxonomy.faults.isdisjoint(topics)
        describes = score < 0 and is_fault and self.taxonomy.complaints.isdisjoint(topics)
        first, last = mood.first, mood.last
        start, end = (None, None) if first is None or last is None else place(text, first, last)
        return Reading(
            score,
            _FAULT_WEIGHT if describes else 1.0,
            start,
            end,
            closes,
            topics,
            equipment,
            parts,
            mood.problem or is_fault,
            self._sentiment.is_urgent(forms),
            self._all_mentions(
                _ReadText(text, forms, mood, score, topics, equipment, symptoms, closes), commitments
            ),
            symptoms if SEVERAL in symptoms or not several else (*symptoms, SEVERAL),
        )

    def _is_courtesy(self, forms: list[str]) -> bool:
        """Return whether a message has nothing but closing words."""
        closing = self._sentiment.lexicon.closing
        return bool(forms) and all(form in closing or form in MARKS for form in forms)

    def _score(
        self, forms: list[str], score: float, topics: tuple[str, ...], commitments: tuple[Mention, ...]
    ) -> float:
        """Return the mood towards the shop, without words that agree to something or refuse a repair."""
        if len(forms) <= SHORT and self._is_courtesy(forms):
            score = min(score, _COURTESY)  # "perfeito", "show": said to agree
        if not any(one.kind == "quote_refused" for one in commitments):
            return score
        if score <= -OPINION and self.taxonomy.complaints.isdisjoint(topics):
            return -_COURTESY  # "não vale a pena": said of the repair
        return _COURTESY if score >= OPINION else score  # "vou comprar outra" is no praise then

    def _closes(
        self,
        forms: list[str],
        score: float,
        topics: tuple[str, ...],
        commitments: tuple[Mention, ...],
        *,
        is_problem: bool,
    ) -> bool:
        """Return whether a message ends a conversation: a courtesy, praise, thanks, or an announcement."""
        if not forms:
            return False
        is_praise = score >= _HAPPY and self.taxonomy.praises.issuperset(topics) and "?" not in forms
        if is_praise or self._is_courtesy(forms):
            return True
        if len(forms) > LONGEST_FAREWELL:
            return False
        announces = score > -OPINION and only_announces(forms, commitments)
        return (
            announces
            or self._sentiment.lexicon.ends(forms)
            or (not is_problem and self._takes_leave(forms, score, topics, commitments))
        )

    def _takes_leave(
        self, forms: list[str], score: float, topics: tuple[str, ...], commitments: tuple[Mention, ...]
    ) -> bool:
        """Return whether a short message asks nothing, and praises, thanks or announces the next step."""
        taxonomy = self.taxonomy
        if "?" in forms or not ASKING.isdisjoint(forms):
            return False
        if score >= _CLEAR and not taxonomy.praises.isdisjoint(topics):
            return True  # praise may name its subject: "melhor loja, preço justo e rápido"
        is_approval = any(one.kind == "quote_approved" for one in commitments)
        if is_approval or not taxonomy.faults.isdisjoint(topics):
            return False
        # "Já tá gelando, muito obrigada"
        is_thanks = score >= _CLEAR or (score >= 0 and not THANKS.isdisjoint(forms))
        # "Amanhã 9h estou aí", "vou ver um dia e levo": the customer announces the next step.
        announces = score > -OPINION and says_what_comes(forms) and not requests_something(forms)
        return is_thanks or (announces and taxonomy.complaints.isdisjoint(topics))

    def _all_mentions(self, read: _ReadText, commitments: tuple[Mention, ...]) -> tuple[Mention, ...]:
        """Return the commitments of a message with its remarks, its request and its thanks."""
        forms, whole = read.forms, (0, len(read.text))
        announces = any((one.kind, one.side) in _COMING for one in commitments) or (
            says_what_comes(forms) and not read.mood.problem and forms[-1] != "quando"
        )
        # "quero sim, passo hoje", "levo quando der"
        only_comes = (
            announces and read.score > -OPINION and "?" not in forms and not requests_something(forms)
        )
        is_described = read.mood.problem
        if (
            not only_comes
            and not read.closes
            and self._asks(forms, read.score, read.topics, is_described=is_described)
        ):
            sort: Literal["question"] | None = "question" if "?" in forms else None
            commitments += (Mention("said_asks", "customer", *whole, sort=sort),)
        is_fault = is_described or any(one != SEVERAL for one in read.symptoms)
        commitments = _with_remarks(commitments, _placed(read_remarks(forms), read.text), is_fault=is_fault)
        if read.closes and not THANKS.isdisjoint(forms):
            commitments += (Mention("said_thanks", "customer", *whole),)
        if len(read.equipment) == 1 and any((one.kind, one.side) in _ABOUT_DEVICE for one in commitments):
            commitments += (Mention("said_device", "staff", *whole, length=read.equipment[0]),)
        return commitments + read_signals(read.text, forms)

    def _asks(self, forms: list[str], score: float, topics: tuple[str, ...], *, is_described: bool) -> bool:
        """Return whether a message surely needs an answer: a question, a complaint, a fault."""
        if "?" not in forms and len(forms) <= LONGEST_FAREWELL and accepts_calmly(forms):
            return False  # "aff, tá bom", "espero que seja verdade"
        if "?" not in forms and not THANKS.isdisjoint(forms) and score > -OPINION:
            return False  # "parou de pingar, obrigado"
        if "?" not in forms and len(forms) <= LONGEST_FAREWELL and leaves_for_good(forms):
            return False  # "nunca mais", "não volto mais aí"
        return (
            ("?" in forms and score < _CLEAR)  # "já??? amei"
            or score <= -_DISPLEASED
            or is_described
            or (score < OPINION and (not WANTS.isdisjoint(forms) or requests_something(forms)))
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
        if len(forms) < SHORT or forms[0] not in _OPENING or forms[1] not in _AFTER_OPENING:
            return whole
        mood = self._sentiment.read_forms(forms[2:])
        # Praise before a complaint is not counted: "maravilhoso, sumiram com o parafuso".
        if forms[0] not in _CONSENT and mood.score > -OPINION:
            return whole
        if mood.first is None or mood.last is None:
            return mood
        return mood._replace(first=mood.first + 2, last=mood.last + 2)

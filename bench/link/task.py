"""A name-linking task, and the oracle that knows how its titles were made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whatsapp_pipeline.domain.matching.names import ContactName

Rendering = tuple[tuple[str, ...], float]
"""Words that a contact may be written with before any noise, and how probable that is."""


@dataclass(frozen=True)
class Task:
    """Titles with their truth (None: nobody in the table).

    `clean[i]` are title i's words before misspelling and ornaments; `oracle` holds one (best contact,
    posterior) a title: the ceiling, which reads through every misspelling and knows the generator's habits.
    """

    name: str
    contacts: list[ContactName]
    titles: list[str]
    truth: list[int | None]
    oracle: list[tuple[int | None, float]]


def oracle_answers(
    contacts: Sequence[ContactName],
    population: Sequence[ContactName],
    clean: Sequence[tuple[str, ...]],
    renderings: Callable[[ContactName], Sequence[Rendering]],
    none_share: float,
) -> list[tuple[int | None, float]]:
    """Return the best contact and its posterior for each title's clean words.

    `population` is a large sample of the world the contacts come from: it gives the chance that someone who
    is not in the table would be written so.
    """
    inside: dict[tuple[str, ...], list[tuple[int, float]]] = defaultdict(list)
    for contact in contacts:
        for words, probability in renderings(contact):
            inside[words].append((contact.id, probability * (1 - none_share) / len(contacts)))
    outside: dict[tuple[str, ...], float] = defaultdict(float)
    for contact in population:
        for words, probability in renderings(contact):
            outside[words] += probability * none_share / len(population)
    answers: list[tuple[int | None, float]] = []
    for words in clean:
        by_contact: dict[int, float] = defaultdict(float)
        for number, probability in inside.get(words, ()):
            by_contact[number] += probability
        total = sum(by_contact.values()) + outside.get(words, 0.0)
        best = max(by_contact, key=lambda number: by_contact[number], default=None)
        answers.append((best, by_contact[best] / total if best is not None else 0.0))
    return answers

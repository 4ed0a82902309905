"""Titles of relatives and titles with other particles, beside the same titles as the register has them.

    python -m bench.link.relatives [--contacts 5000] [--seeds 1 2 3]

Each row is the share of the titles that are linked (p ≥ .95) to the contact whose name was changed. For a
relative that is a mistake; for another particle or a slip of the finger it is right.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Sequence

from bench.link import noise_a, noise_shop
from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching.names import ContactName, NameIndex, fit

LINK = 0.95
JOINERS = ("da", "de", "do", "dos")
Change = Callable[[random.Random, list[str], Sequence[str]], list[str] | None]


def other_gender(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str] | None:
    """Change the given name's ending to the other gender's; None where it has no such ending."""
    first = words[0]
    if first.endswith("o"):
        return [first[:-1] + "a", *words[1:]]
    if first.endswith("a"):
        return [first[:-1] + "o", *words[1:]]
    return [first + "a", *words[1:]] if first[-1] in "lrsz" else None


def other_given_name(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str] | None:
    """Put another person's given name before the surnames."""
    name = rng.choice(given)
    return None if name in words else [name, *words[1:]]


def relation(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str] | None:
    """Name the person through a relative, a friend or a recommendation."""
    return rng.choice(noise_shop.RELATIONS).format(" ".join(words)).split()


def particle_added(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str] | None:
    """Put a particle where the register has none."""
    free = [i for i in range(1, len(words)) if not {words[i].lower(), words[i - 1].lower()} & set(JOINERS)]
    if not free:
        return None
    at = rng.choice(free)
    return [*words[:at], rng.choice(JOINERS), *words[at:]]


def particle_changed(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str] | None:
    """Write another particle than the register."""
    places = [i for i, word in enumerate(words) if word.lower() in JOINERS]
    if not places:
        return None
    at = rng.choice(places)
    others = [joiner for joiner in JOINERS if joiner != words[at].lower()]
    return [*words[:at], rng.choice(others), *words[at + 1 :]]


def one_letter(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str] | None:
    """Replace one letter inside a word, never its first or last."""
    long = [i for i, word in enumerate(words) if len(word) >= 4]
    if not long:
        return None
    at = rng.choice(long)
    place = rng.randrange(1, len(words[at]) - 1)
    changed = words[at][:place] + rng.choice("aeiorstnl") + words[at][place + 1 :]
    return [*words[:at], changed, *words[at + 1 :]]


CHANGES: dict[str, Change] = {
    "other gender's given name": other_gender,
    "another given name": other_given_name,
    "relation or recommendation": relation,
    "particle added": particle_added,
    "particle changed": particle_changed,
    "one letter changed": one_letter,
}


def measure(contacts: int, seed: int) -> dict[str, list[float]]:
    """Return, for each change, the shares linked of the changed titles and of the same ones unchanged."""
    rng = random.Random(seed)
    table = [noise_a.make_contact(rng, number) for number in range(1, contacts + 1)]
    people = [contact for contact in table if not contact.fantasia and len(contact.nome.split()) >= 3]
    given = [contact.nome.title().split()[0] for contact in people]
    index = NameIndex(table, fit(table, seed=seed))
    found: dict[str, list[float]] = {}
    for name, change in CHANGES.items():
        pairs = [
            (contact, changed)
            for contact in people
            if (changed := change(rng, contact.nome.title().split(), given)) is not None
        ]
        chosen = [contact for contact, _ in pairs]
        as_written = _linked(index, [" ".join(changed) for _, changed in pairs], chosen)
        as_registered = _linked(index, [contact.nome.title() for contact in chosen], chosen)
        found[name] = [as_written, as_registered, float(len(pairs))]
    return found


def _linked(index: NameIndex, titles: list[str], contacts: Sequence[ContactName]) -> float:
    matches = index.match(titles)
    right = sum(
        bool(match.candidates)
        and match.candidates[0].posterior >= LINK
        and match.candidates[0].id_contato == contact.id
        for match, contact in zip(matches, contacts, strict=True)
    )
    return right / max(len(titles), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=5000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    shares: defaultdict[str, list[list[float]]] = defaultdict(list)
    for seed in arguments.seeds:
        for name, found in measure(arguments.contacts, seed).items():
            shares[name].append(found)
    rows: list[Row] = []
    for name, runs in shares.items():
        rows.append(
            measured(
                f"{name}: linked to the contact",
                "%",
                [100 * run[0] for run in runs],
                note=f"as registered {100 * sum(run[1] for run in runs) / len(runs):.1f} %, "
                f"{sum(int(run[2]) for run in runs)} titles",
            )
        )
    seeds = " ".join(map(str, arguments.seeds))
    command = f"python -m bench.link.relatives --contacts {arguments.contacts} --seeds {seeds}"
    print(write("link_relatives", "Relatives and particles", rows, command=command, notes=[]))


if __name__ == "__main__":
    main()

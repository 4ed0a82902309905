"""Titles of relatives, and titles that write a name in another way, beside the same as the register has them.

    python -m bench.link.relatives [--contacts 5000] [--seeds 1 2 3]

Each row is the share of the titles that are linked (p ≥ .95) to the contact whose name was changed. For a
relative that is a mistake; for another particle, order of surnames, legal form or a slip of the finger it is
right.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from bench.link import noise_a, noise_shop
from bench.report import Row, measured, write
from whatsapp_pipeline.domain.matching.names import ContactName, NameIndex, fit_name_model
from whatsapp_pipeline.domain.matching.names.cleaning import clean_contact

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


def surnames_swapped(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str] | None:
    """Write the last two surnames in the other order; None where the name has but one."""
    names = [i for i, word in enumerate(words) if word.lower() not in JOINERS]
    if len(names) < 3 or words[names[-1]] == words[names[-2]]:
        return None
    swapped = list(words)
    swapped[names[-1]], swapped[names[-2]] = words[names[-2]], words[names[-1]]
    return swapped


LEGAL_FORMS = ("S/A", "S.A.", "SA", "ME", "LTDA", "Ltda.", "EPP", "EIRELI", "LTDA ME", "Ltda - EPP")


def other_legal_form(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str]:
    """Write a company's name with a legal form that the register need not have."""
    return [*words, rng.choice(LEGAL_FORMS)]


def no_legal_form(rng: random.Random, words: list[str], given: Sequence[str]) -> list[str]:
    """Write a company's name without any legal form."""
    return list(words)


CHANGES: dict[str, Change] = {
    "other gender's given name": other_gender,
    "another given name": other_given_name,
    "relation or recommendation": relation,
    "particle added": particle_added,
    "particle changed": particle_changed,
    "one letter changed": one_letter,
    "surnames swapped": surnames_swapped,
}
OF_COMPANIES: dict[str, Change] = {
    "another legal form": other_legal_form,
    "no legal form": no_legal_form,
}


def measure(contacts: int, seed: int) -> dict[str, list[float]]:
    """Return, for each change, the shares linked of the changed titles and of the same ones unchanged."""
    rng = random.Random(seed)
    table = [noise_a.make_contact(rng, number) for number in range(1, contacts + 1)]
    people = [contact for contact in table if not contact.fantasia and len(contact.nome.split()) >= 3]
    index = NameIndex(table, fit_name_model(table, seed=seed))
    shop = [noise_shop.make_contact(rng, number) for number in range(1, contacts + 1)]
    companies = _companies_of_their_own(shop)
    shop_index = NameIndex(shop, fit_name_model(shop, seed=seed))
    found = {name: _compare(rng, index, people, change) for name, change in CHANGES.items()}
    return found | {
        name: _compare(rng, shop_index, companies, change) for name, change in OF_COMPANIES.items()
    }


def _companies_of_their_own(contacts: Sequence[ContactName]) -> list[ContactName]:
    """Return the companies whose registered name no other contact has, whatever the legal form."""
    count = Counter(
        name
        for contact in contacts
        for name in {clean_contact(text).words for text in (contact.nome, contact.fantasia)}
    )
    names = {contact.id: clean_contact(contact.nome) for contact in contacts}
    return [c for c in contacts if names[c.id].legal and count[names[c.id].words] == 1]


def _registered(contact: ContactName) -> list[str]:
    """Return the words of the registered name, a company's without its legal form."""
    words = contact.nome.title().split()
    while len(words) > 1 and words[-1].upper() in {"LTDA", "ME", "EIRELI", "MEI", "EPP", "S/A", "S.A.", "-"}:
        words.pop()
    return words


def _compare(
    rng: random.Random, index: NameIndex, contacts: Sequence[ContactName], change: Change
) -> list[float]:
    """Return the shares linked of the changed and of the registered names, and how many were compared."""
    given = [contact.nome.title().split()[0] for contact in contacts]
    pairs = [
        (contact, changed)
        for contact in contacts
        if (changed := change(rng, _registered(contact), given)) is not None
    ]
    chosen = [contact for contact, _ in pairs]
    as_written = _linked(index, [" ".join(changed) for _, changed in pairs], chosen)
    as_registered = _linked(index, [contact.nome.title() for contact in chosen], chosen)
    return [as_written, as_registered, float(len(pairs))]


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

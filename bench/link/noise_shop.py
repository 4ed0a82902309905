"""The phone book of a shop: what people at a counter type while the customer waits.

It differs from noise A and B in what surrounds a name: the trade or the place of a customer ("Zé da
Oficina"), the device, the order number, emojis, and people who write for somebody else ("Mãe do Marcos").
Three company names in ten are shared by several companies, inside and outside the table. Errors are
neighbouring keys. A title that names somebody only through a relative, a friend or a recommendation is about
a person who is not in the table.
"""

from __future__ import annotations

import random

from bench.link import noise_a
from bench.link.task import Task
from whatsapp_pipeline.domain.matching.names import ContactName

NONE_SHARE = 0.2
COMPANY_SHARE = 0.3
SHARED_SHARE = 0.3
RELATION_SHARE = 0.06
KEYS = ("qwertyuiop", "asdfghjklç", "zxcvbnm")
NEAR = {char: row[max(at - 1, 0) : at] + row[at + 1 : at + 2] for row in KEYS for at, char in enumerate(row)}
HEADS = (
    "Padaria",
    "Mercado",
    "Oficina",
    "Auto Peças",
    "Farmácia",
    "Restaurante",
    "Pizzaria",
    "Salão",
    "Escola",
    "Clínica",
    "Imobiliária",
    "Transportes",
    "Papelaria",
    "Academia",
    "Posto",
    "Hotel",
    "Gráfica",
    "Ótica",
    "Contabilidade",
    "Pet Shop",
    "Bar",
    "Lanchonete",
    "Construtora",
    "Loja",
)
COMMON_TAILS = (
    "Central",
    "São José",
    "Nossa Senhora Aparecida",
    "Brasil",
    "União",
    "Boa Vista",
    "do Povo",
    "Real",
    "Santo Antônio",
    "Ideal",
    "Avenida",
    "Popular",
    "Bom Jesus",
    "Primavera",
    "Santa Rita",
)
LEGAL = ("LTDA", "ME", "LTDA ME", "EIRELI", "MEI", "EPP", "S/A", "LTDA - ME")
LEGAL_AS_TYPED = ("ltda", "Ltda.", "ME", "me", "S.A.", "SA", "eireli")
TRADES = (
    "mecânico",
    "pedreiro",
    "motoboy",
    "advogado",
    "contador",
    "pintor",
    "eletricista",
    "professora",
    "costureira",
    "taxista",
    "corretor",
    "dentista",
    "vendedor",
    "porteiro",
    "síndico",
    "fotógrafo",
)
PLACES = (
    "da Oficina",
    "da Padaria",
    "do Mercado",
    "do Posto",
    "da Escola",
    "da Farmácia",
    "do Gás",
    "da Igreja",
    "do Bar",
    "da Prefeitura",
    "da Academia",
    "do Sindicato",
)
RELATIONS = (
    "mãe do {}",
    "pai do {}",
    "esposa do {}",
    "marido da {}",
    "filho do {}",
    "filha da {}",
    "irmão do {}",
    "irmã da {}",
    "amigo do {}",
    "vizinha do {}",
    "cunhado do {}",
    "namorada do {}",
    "{} indicou",
    "indicação do {}",
    "primo do {}",
    "sobrinha da {}",
    "funcionário do {}",
    "secretária do {}",
)
DEVICES = (
    "notebook",
    "note dell",
    "pc",
    "tela iphone 11",
    "iphone 13",
    "impressora",
    "epson l3250",
    "ps5",
    "moto g54",
    "tv lg",
    "celular",
    "tablet",
    "a15",
    "troca tela",
    "formatar",
    "ssd 480",
    "carregador",
    "placa mãe",
)
SYLLABLES = ("ta", "bel", "mo", "ri", "fu", "ze", "lan", "co", "vi", "dro")
EMOJIS = ("💻", "📱", "🔧", "🖨️", "⭐", "🚨", "✅", "💰", "🙏🏽")


def make_contact(rng: random.Random, number: int) -> ContactName:
    """Invent a person, or a company that shares its name with others in three of ten cases."""
    if rng.random() >= COMPANY_SHARE:
        name = noise_a.person_name(rng)
        return ContactName(number, name.upper() if rng.random() < 0.4 else name, "")
    head = rng.choice(HEADS)
    if rng.random() < SHARED_SHARE:
        trade = f"{head} {rng.choice(COMMON_TAILS)}"
    else:
        trade = f"{head} {noise_a.person_name(rng).split()[-1]} {_syllables(rng)}"
    owner = trade if rng.random() < 0.7 else noise_a.person_name(rng)
    return ContactName(number, f"{owner} {rng.choice(LEGAL)}".upper(), trade if rng.random() < 0.8 else "")


def _syllables(rng: random.Random) -> str:
    return "".join(
        rng.choice(("ta", "bel", "mo", "ri", "fu", "ze", "lan", "co", "vi", "dro")) for _ in "123"
    ).title()


def write(rng: random.Random, contact: ContactName) -> str:
    """Write the title under which the counter saved `contact`."""
    trade = contact.fantasia or (contact.nome if _is_company(contact.nome) else "")
    words = _company_words(rng, contact) if trade else _person_words(rng, contact.nome)
    text = " ".join(_mistype(rng, word) for word in words)
    draw = rng.random()
    if not trade and draw < 0.12:
        text = f"{text} {rng.choice(PLACES)}"
    elif not trade and draw < 0.22:
        text = f"{text} {rng.choice(TRADES)}"
    elif trade and draw < 0.15:
        text = f"{text} {rng.choice(LEGAL_AS_TYPED)}"
    return _decorate(rng, text)


def _is_company(nome: str) -> bool:
    return any(nome.upper().startswith(head.upper()) for head in HEADS)


def _company_words(rng: random.Random, contact: ContactName) -> list[str]:
    words = (contact.fantasia or contact.nome).title().split()
    while words[-1].upper() in ("LTDA", "ME", "EIRELI", "MEI", "EPP", "S/A", "-"):
        words.pop()
    if len(words) > 2 and rng.random() < 0.15:
        del words[-1]
    return words


def _person_words(rng: random.Random, nome: str) -> list[str]:
    words = nome.title().split()
    names = [word for word in words if word.lower() not in noise_a.JOINERS]
    chosen = rng.choices(
        (words, [names[0], names[-1]], names[:2], [names[0]], names[:3]), (0.3, 0.3, 0.2, 0.08, 0.12)
    )[0]
    if chosen is words and rng.random() < 0.1:
        chosen = names
    elif len(chosen) > 1 and rng.random() < 0.03:  # a particle that the register does not have
        chosen = [*chosen[:-1], rng.choice(noise_a.JOINERS), chosen[-1]]
    nicks = noise_a.NICK.get(names[0])
    if nicks and rng.random() < 0.12:
        chosen = [rng.choice(nicks), *chosen[1:]]
    return list(chosen)


def _mistype(rng: random.Random, word: str) -> str:
    if len(word) < 4 or rng.random() >= 0.08:
        return word
    at = rng.randrange(1, len(word))
    char = word[at].lower()
    if rng.random() < 0.6 and NEAR.get(char):
        return word[:at] + rng.choice(NEAR[char]) + word[at + 1 :]
    return word[:at] + word[at + 1 :] if rng.random() < 0.5 else word[:at] + word[at] + word[at:]


def _decorate(rng: random.Random, text: str) -> str:
    text = rng.choice((text, text.title(), text.lower(), text.upper()))
    if rng.random() < 0.25:
        text = f"{text} {rng.choice(DEVICES)}"
    if rng.random() < 0.18:
        text = f"{text} {rng.choice(('OS', 'os ', 'OS:', '#'))}{rng.randint(10000, 60000)}"
    if rng.random() < 0.12:
        text = f"{rng.choice(EMOJIS)} {text}" if rng.random() < 0.5 else f"{text}{rng.choice(EMOJIS)}"
    return text


def make(seed: int, contacts: int, titles: int) -> Task:
    """Return a task; its oracle is empty, since nobody knows how often a relative is saved."""
    rng = random.Random(seed + 77_000_003)
    inside = [make_contact(rng, number) for number in range(1, contacts + 1)]
    outside = [make_contact(rng, -1) for _ in range(max(2000, titles))]
    texts: list[str] = []
    truth: list[int | None] = []
    for _ in range(titles):
        draw = rng.random()
        if draw < RELATION_SHARE:
            named = rng.choice(inside if rng.random() < 0.7 else outside)
            words = " ".join(_person_words(rng, named.nome))
            texts.append(_decorate(rng, rng.choice(RELATIONS).format(words)))
            truth.append(None)
            continue
        absent = draw < RELATION_SHARE + NONE_SHARE
        contact = rng.choice(outside if absent else inside)
        texts.append(write(rng, contact))
        truth.append(None if absent else contact.id)
    return Task("phone book of a shop", inside, texts, truth, [])

"""Noise B: a channel instead of rules. FROZEN before any tuning of the matcher: never edit it to suit a result.

It differs from noise A and from the matcher's own simulation in every means: half of the given names are made
of syllables, surnames are of the South and the North-East; each word survives on its own with a chance that
depends on its place; nicknames are cut out of the name by sound, not looked up; errors hit single characters;
titles carry places, jobs and dates instead of devices, and are cut at a length.
"""

# ruff: noqa: E501, SIM905, C901, PLW2901  lists of names, and noise that reads best in one place
from __future__ import annotations

import random
from itertools import combinations

from bench.link.task import Rendering, Task, oracle_answers
from whatsapp_pipeline.domain.matching.names import ContactName

ONSETS = "jo ma ka ly ro we wa cle ed gil van ju mi sa ra va lu di ta ni no fran kei the ya al el ar ge val ro li".split()
MIDDLES = "ni li si de ci vi ri ne la mi za e i o u ra le".split()
ENDINGS = "son ton lene ane iane valdo mar naldo milson cleia neide mara sson elly ana ina ito vanio aldo ete inho ly".split()
GIVEN = """Maria Ana José João Antonio Francisco Raimundo Severino Rita Luzia Expedito Damião Cosme Inácio Genival Adauto
Hildebrando Quitéria Ivanilda Zuleide Josenildo Erivaldo Arlindo Waldemar Bruno Helga Ingo Heinz Otto Nilza Iracema
Jandira Moacir Ubiratan Tainá Cauê Kauê Enzo Valentina Sophia Heitor Theo Lorenzo Benício Laís Maitê Yasmin Agatha
Breno Caetano Dimas Eurico Fausto Getúlio Horácio Irineu Jacó Lauro Narciso Olavo Percival Querino Rui Sílvio
Tobias Urbano Virgílio Zeferino""".split()
FAMILY = """Silva Santos Oliveira Souza Lima Costa Pereira Ferreira Alves Gomes Albuquerque Alencar Arraes Bandeira Barreto
Cabral Calado Carneiro Caldeira Carrilho Cartaxo Cirino Diniz Dourado Feitosa Félix Fontenele Gadelha Gurgel Jucá
Linhares Loiola Lustosa Maranhão Nóbrega Olegário Parente Pessoa Pinheiro Pontes Quirino Rabelo Rolim Saboia Távora
Timbó Torquato Veras Vidal Ximenes Baumgartner Bösing Dallagnol Debastiani Eckert Fachini Fröhlich Gasparetto
Grando Hammes Hartmann Heck Isoppo Jung Kaefer Kessler Lazzarotto Lunardi Maldaner Marchetti Neumann Olbermann
Pasqualotto Perin Piccoli Rauber Reichert Ritter Scariot Scopel Seidel Stein Tessaro Tomazelli Trentin Urio
Valduga Vendrame Wendt Zaffari Zimmermann Zorzi Albano Bonfim Calixto Do-Carmo Espírito-Santo Jesus Luz Conceição
Anjos Nascimento Vera-Cruz Assunção Piedade Rosário Sacramento""".replace("-", " ").split()
SHOP = "Ateliê Bodega Cantina Depósito Empório Ferragem Armazém Estofaria Tornearia Auto Moto Casa Studio Espaço Laticínio".split()
SHOP_NAME = """da Vila|Nordestina|Colonial|do Gringo|Sabor da Terra|Vale Verde|Beira Rio|das Flores|do Zé|Dois Amigos|
Serra Azul|Rota 101|Bem Viver|Mundo Novo|Pé de Serra|Arte Final|Mãos de Ouro|Ponto Certo|Da Praça|Flor de Lis""".replace(
    "\n", ""
).split("|")
PLACES = """centro|vila nova|da praia|do prédio azul|rua 7|condomínio|do mercado|bairro alto|gravataí|caxias|mossoró|
sobral|do vizinho|da igreja|obra|sítio""".replace("\n", "").split("|")
JOBS = "pintor|pedreiro|advogada|dentista|motoboy|uber|professora|eletricista|síndico|manicure|mecânico|enfermeira".split(
    "|"
)
CONFUSED = {
    "a": "sá",
    "e": "ér3",
    "i": "yu",
    "o": "p0",
    "u": "ui",
    "s": "zx",
    "z": "s",
    "c": "sk",
    "m": "n",
    "n": "m",
    "r": "rt",
    "l": "lr",
    "g": "j",
    "j": "g",
    "v": "w",
    "t": "d",
    "d": "t",
    "b": "p",
    "p": "b",
}
NONE_SHARE = 0.2
JOINERS = ("da", "de", "do", "dos")


def _given(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return GIVEN[int(len(GIVEN) * rng.random() ** 2)]
    middle = rng.choice(MIDDLES) if rng.random() < 0.5 else ""
    return (rng.choice(ONSETS) + middle + rng.choice(ENDINGS)).capitalize()


def make_contact(rng: random.Random, number: int) -> ContactName:
    draw = rng.random()
    if draw < 0.15:
        trade = f"{rng.choice(SHOP)} {rng.choice(SHOP_NAME)}"
        if rng.random() < 0.4:
            trade = f"{trade} {rng.choice(FAMILY)}"
        return ContactName(number, f"{trade} LTDA".upper(), trade)
    count = rng.choices((1, 2, 3), (0.35, 0.5, 0.15))[0]
    words = [_given(rng)]
    if rng.random() < 0.2:
        words.append(_given(rng))
    for _ in range(count):
        if rng.random() < 0.3:
            words.append(rng.choice(JOINERS))
        words.append(FAMILY[int(len(FAMILY) * rng.random() ** 1.7)])
    if draw < 0.25:  # one-person firms: the name and a document number
        return ContactName(number, f"{' '.join(words).upper()} {rng.randint(10**10, 10**11 - 1)}", "")
    return ContactName(number, " ".join(words), "")


def _names(contact: ContactName) -> list[str]:
    words = (contact.fantasia or contact.nome).lower().split()
    return [word for word in words if not word.isdigit() and word not in JOINERS]


def renderings(contact: ContactName) -> list[Rendering]:
    """Every word survives on its own: the first nearly always, the last often, the others less."""
    names = _names(contact)[:6]
    keep = [0.96, *([0.5] * max(len(names) - 2, 0)), 0.8][: len(names)]
    if contact.fantasia:
        keep = [0.93] * len(names)
    found: dict[tuple[str, ...], float] = {}
    for size in range(1, len(names) + 1):
        for chosen in combinations(range(len(names)), size):
            chance = 1.0
            for i in range(len(names)):
                chance *= keep[i] if i in chosen else 1 - keep[i]
            words = tuple(names[i] for i in chosen)
            found[words] = found.get(words, 0.0) + chance
    total = sum(found.values())
    return [(words, chance / total) for words, chance in found.items()]


def _pet_name(rng: random.Random, word: str) -> str:
    """Cut by sound: the beginning up to a vowel, the end from a consonant, or a doubled syllable."""
    vowels = [i for i, char in enumerate(word) if char in "aeiouáéíóúãê"]
    if len(vowels) < 2:
        return word
    draw = rng.random()
    if draw < 0.6:
        return word[: vowels[1] + 1]
    if draw < 0.8:
        return word[vowels[-2] - 1 :] if vowels[-2] > 0 else word
    return word[: vowels[0] + 1] * 2 if draw < 0.9 else word[: vowels[1]] + "inho"


def write(rng: random.Random, words: tuple[str, ...]) -> str:
    """Send clean words through the channel."""
    error = rng.choice((0.0, 0.005, 0.01, 0.04))
    out = []
    for position, word in enumerate(words):
        if position == 0 and rng.random() < 0.08:
            word = _pet_name(rng, word)
        elif position > 0 and rng.random() < 0.05:
            out.append(word[0] if rng.random() < 0.5 else word[:4])
            continue
        chars = []
        for char in word:
            draw = rng.random()
            if draw < error * 0.4:
                continue
            chars.append(rng.choice(CONFUSED.get(char, char)) if draw < error else char)
            if error < draw < error * 1.2:
                chars.append(char)
        out.append("".join(chars) or word)
    if len(out) > 1 and rng.random() < 0.06:
        out = [out[-1] + ",", *out[:-1]] if rng.random() < 0.5 else out[::-1]
    text = ("" if rng.random() < 0.03 else " ").join(out) if len(out) == 2 else " ".join(out)
    text = text if rng.random() < 0.5 else text.title()
    draw = rng.random()
    if draw < 0.15:
        text = f"{text} {rng.choice(PLACES)}"
    elif draw < 0.25:
        text = f"{text} {rng.choice(JOBS)}"
    elif draw < 0.30:
        text = f"{rng.choice(('A ', 'AA ', '* ', '. '))}{text}"
    elif draw < 0.36:
        text = f"{text} {rng.randint(1, 28):02d}/{rng.randint(1, 12):02d}"
    return text[:25].strip() if rng.random() < 0.3 else text


def make(seed: int, contacts: int, titles: int) -> Task:
    rng = random.Random(seed + 1_000_003)
    inside = [make_contact(rng, number) for number in range(1, contacts + 1)]
    outside = [make_contact(rng, -1) for _ in range(max(2000, titles))]
    clean, texts, truth = [], [], []
    for _ in range(titles):
        absent = rng.random() < NONE_SHARE
        contact = rng.choice(outside if absent else inside)
        options = renderings(contact)
        words = rng.choices([option[0] for option in options], [option[1] for option in options])[0]
        clean.append(words)
        texts.append(write(rng, words))
        truth.append(None if absent else contact.id)
    oracle = oracle_answers(inside, outside, clean, renderings, NONE_SHARE)
    return Task("noise B", inside, texts, truth, oracle)

"""Noise A: a shop's address book, written by rules: whole names, first and last names, nicknames, devices.

Names come from frequent Brazilian first names and surnames with falling frequencies; a quarter are
companies. This is the noise to develop against.
"""

# ruff: noqa: E501, SIM905, C901, PLW2901  lists of names, and noise that reads best in one place
from __future__ import annotations

import random
from itertools import accumulate

from bench.link.task import Rendering, Task, oracle_answers
from whatsapp_pipeline.domain.matching.names import ContactName

FIRST = """Maria José Ana João Antônio Francisco Carlos Paulo Pedro Lucas Luiz Marcos Luís Gabriel Rafael Daniel
Marcelo Bruno Eduardo Felipe Rodrigo Manoel Mateus André Fernando Fábio Leonardo Gustavo Guilherme Leandro Tiago
Anderson Ricardo Márcio Jorge Sebastião Alexandre Roberto Edson Diego Vitor Sérgio Cláudio Matheus Thiago Geraldo
Adriano Luciano Júlio Renato Alex Vinícius Rogério Samuel Ronaldo Mário Flávio Igor Douglas Davi Jeferson Cícero
Victor Miguel Robson Maurício Danilo Henrique Caio Reginaldo Joaquim Benedito Gilberto Marco Alan Nelson Cristiano
Elias Wilson Valdir Emerson Luan David Renan Severino Fabrício Mauro Jonas Gilmar Jean Fabiano Wesley Diogo
Adilson Jair Alessandro Everton Osvaldo Gilson Willian Joel Silvio Hélio Maicon Reinaldo Pablo Artur Vagner Valter
Celso Ivan Cleiton Vanderlei Vicente Arthur Milton Domingos Wagner Sandro Moisés Edilson Ademir Adão Evandro Cesar
Valmir Murilo Juliano Edvaldo Ailton Breno Nicolas Ruan Alberto Rubens Nilton Augusto Cleber Osmar Hugo Otávio
Francisca Antônia Adriana Juliana Márcia Fernanda Patrícia Aline Sandra Camila Amanda Bruna Jéssica Letícia Júlia
Luciana Vanessa Mariana Gabriela Vera Vitória Larissa Cláudia Beatriz Luana Rita Sônia Renata Eliane Josefa Simone
Natália Cristiane Carla Débora Rosângela Jaqueline Rosa Daniela Aparecida Marlene Terezinha Raimunda Andréia
Fabiana Lúcia Raquel Ângela Rafaela Joana Luzia Elaine Daniele Regina Daiane Alessandra Isabel Andressa Bianca
Ivone Carolina Caroline Priscila Tatiane Cristina Mônica Viviane Kelly Sueli Rosana Cecília Lourdes Michele Helena
Bárbara Edna Tereza Sabrina Marta Silvana Roseli Solange Isabela Kátia Célia Karina Sara Thaís Marina Benedita
Clara Ingrid Ester Marli Flávia Íris Teresa Paula Isadora Milena Samara Nair Zilda Eduarda Lívia Elisângela""".split()
LAST = """Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gomes Costa Ribeiro Martins Carvalho
Almeida Lopes Soares Fernandes Vieira Barbosa Rocha Dias Nascimento Andrade Moreira Nunes Marques Machado Mendes
Freitas Cardoso Ramos Gonçalves Santana Teixeira Araújo Moura Cavalcanti Monteiro Correia Pinto Batista Campos
Borges Castro Melo Barros Reis Miranda Duarte Azevedo Cunha Pires Rezende Siqueira Guimarães Macedo Coelho Farias
Xavier Sales Medeiros Tavares Vasconcelos Bezerra Sampaio Peixoto Figueiredo Viana Brito Assis Fonseca Queiroz
Leite Nogueira Amaral Bastos Aguiar Domingues Pacheco Valente Antunes Franco Magalhães Neves Bueno Camargo Prado
Cordeiro Furtado Maciel Paiva Matos Mattos Trindade Toledo Chaves Dantas Evangelista Cruz Rangel Brandão Lacerda
Pimentel Serra Arruda Bispo Caldas Damasceno Esteves Falcão Galvão Holanda Jardim Leal Menezes Novaes Ornelas
Portela Quintino Ramalho Sena Teles Uchoa Valadares Zanetti Schmitt Hoffmann Klein Krüger Meyer Bauer Lehmann
Bertolini Conti Moretti Ricci Rizzo Romano Santoro Vitali Watanabe Suzuki Yoshida Kimura Ishikawa Nowak Kaminski
Wójcik Haddad Khoury Mansur Nader Salomão Abreu Bittar Fagundes Garcia Gimenez Hernandes Lourenço Mesquita Morais
Padilha Pedrosa Quadros Saraiva Severo Torres Valadão Vargas Velloso Ximenes Zanini""".split()
TRADE = """Padaria Mercado Farmácia Oficina Restaurante Pizzaria Academia Clínica Escola Papelaria Lanchonete Ótica
Gráfica Barbearia Floricultura Transportadora Contabilidade Imobiliária Supermercado Autopeças Borracharia Marcenaria
Serralheria Vidraçaria Lavanderia Confeitaria Sorveteria Relojoaria Drogaria Açougue""".split()
EPITHET = """Central|Avenida|do Povo|Nova Esperança|Bela Vista|São Jorge|Santa Luzia|Três Irmãos|Primavera|Ideal|
Boa Sorte|do Vale|Paulista|Mineira|Gaúcha|Imperial|Real|Diamante|Ouro Preto|Sol Nascente|Ipiranga|Tropical|União|
Pioneira|do Porto|São Lucas|Cristal|Planalto|Vitória|Litoral""".replace("\n", "").split("|")
LEGAL = ("LTDA", "ME", "LTDA ME", "EIRELI", "MEI", "EPP", "S.A.")
NICK = {
    "José": ("Zé", "Zezinho"),
    "João": ("Joãozinho", "Jão"),
    "Antônio": ("Toninho", "Tonho"),
    "Francisco": ("Chico",),
    "Carlos": ("Carlinhos",),
    "Eduardo": ("Edu", "Dudu"),
    "Roberto": ("Beto",),
    "Rafael": ("Rafa",),
    "Gabriel": ("Gabi", "Biel"),
    "Beatriz": ("Bia",),
    "Fernanda": ("Nanda", "Fê"),
    "Juliana": ("Ju",),
    "Luciana": ("Lu",),
    "Patrícia": ("Paty",),
    "Daniel": ("Dani",),
    "Daniela": ("Dani",),
    "Cristiane": ("Cris",),
    "Sebastião": ("Tião",),
    "Terezinha": ("Tere",),
    "Aparecida": ("Cida",),
    "Leonardo": ("Léo",),
    "Alexandre": ("Xande", "Alê"),
    "Guilherme": ("Gui",),
    "Gustavo": ("Guga",),
    "Manoel": ("Mané",),
    "Isabela": ("Isa",),
    "Caroline": ("Carol",),
    "Carolina": ("Carol",),
    "Mônica": ("Moni",),
    "Vanessa": ("Van",),
}
DEVICE = """notebook|note dell|note|pc gamer|computador|iphone 12|iphone|celular|samsung a32|moto g60|tv 50|tv samsung|
impressora hp|epson l3150|ps5|xbox|placa de vídeo|tablet|troca de tela|formatação|orçamento|bateria|carregador|
macbook air|ssd""".replace("\n", "").split("|")
PREFIX = ("Sr", "Sra", "Dona", "Seu", "Dr", "Cliente", "Prof")
EMOJI = "💻📱🔧🙏😀⭐🖨"
JOINERS = ("da", "de", "dos")
NONE_SHARE = 0.2


def _falling(count: int, flat: float, power: float) -> list[float]:
    return list(accumulate((rank + flat) ** -power for rank in range(1, count + 1)))


_FIRST_WEIGHTS, _LAST_WEIGHTS = _falling(len(FIRST), 5, 0.8), _falling(len(LAST), 3, 0.85)


def make_contact(rng: random.Random, number: int) -> ContactName:
    if rng.random() < 0.25:
        head = rng.choice(TRADE)
        tail = rng.choice(EPITHET) if rng.random() < 0.6 else rng.choices(LAST, cum_weights=_LAST_WEIGHTS)[0]
        trade = f"{head} {tail}"
        owner = trade if rng.random() < 0.6 else person_name(rng)
        return ContactName(number, f"{owner} {rng.choice(LEGAL)}".upper(), trade)
    name = person_name(rng)
    return ContactName(number, name.upper() if rng.random() < 0.4 else name, "")


def person_name(rng: random.Random) -> str:
    given = rng.choices(FIRST, cum_weights=_FIRST_WEIGHTS, k=2 if rng.random() < 0.25 else 1)
    family = rng.choices(LAST, cum_weights=_LAST_WEIGHTS, k=rng.choices((1, 2, 3), (0.3, 0.55, 0.15))[0])
    words = list(dict.fromkeys(given))
    for surname in dict.fromkeys(family):
        if rng.random() < 0.22:
            words.append(rng.choice(JOINERS))
        words.append(surname)
    if rng.random() < 0.03:
        words.append(rng.choice(("Júnior", "Filho", "Neto")))
    return " ".join(words)


def renderings(contact: ContactName) -> list[Rendering]:
    """The words a contact is written with, before noise, and their chances."""
    if contact.fantasia:
        legal_words = contact.nome.title().split()
        while legal_words[-1].upper() in ("LTDA", "ME", "EIRELI", "MEI", "EPP", "S.A."):
            legal_words.pop()
        return [(_key(contact.fantasia.split()), 0.75), (_key(legal_words), 0.25)]
    words = contact.nome.title().split()
    names = [word for word in words if word.lower() not in JOINERS]
    first, last = names[0], names[-1]
    options = [
        (words, 0.36),
        ([first, last], 0.26),
        (names[:2], 0.14),
        (names[:3], 0.10),
        ([last, first], 0.03),
        ([first], 0.05),
        ([*names[:2], last] if len(names) > 2 else names, 0.06),
    ]
    return [(_key(chosen), chance) for chosen, chance in options]


def _key(words: list[str]) -> tuple[str, ...]:
    return tuple(word.lower() for word in words)


def _typo(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    return rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at - 1] + word[at:],
            word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
            word[:at] + rng.choice("aeiorstnl") + word[at + 1 :],
        )
    )


_SOUND = (
    ("z", "s"),
    ("s", "z"),
    ("i", "y"),
    ("v", "w"),
    ("c", "k"),
    ("f", "ph"),
    ("l", "ll"),
    ("t", "th"),
    ("x", "ch"),
)


def write(rng: random.Random, words: tuple[str, ...]) -> str:
    """Misspell and ornament clean words."""
    out = []
    for position, word in enumerate(words):
        nicks = NICK.get(word.capitalize())
        if position == 0 and nicks and rng.random() < 0.14:
            out.append(rng.choice(nicks))
            continue
        if len(word) > 3 and rng.random() < 0.10:
            word = _typo(rng, word)
        if len(word) > 3 and rng.random() < 0.05:
            swaps = [pair for pair in _SOUND if pair[0] in word]
            if swaps:
                word = word.replace(*rng.choice(swaps), 1)
        out.append(word)
    if len(out) > 2 and rng.random() < 0.08:
        out = [out[0], *(word[0] for word in out[1:-1]), out[-1]]
    text = " ".join(out)
    text = rng.choice((text, text.title(), text.title(), text.upper()))
    if rng.random() < 0.08:
        text = f"{rng.choice(PREFIX)} {text}"
    if rng.random() < 0.28:
        text = f"{text}{rng.choice((' ', ' ', ' - '))}{rng.choice(DEVICE)}"
    if rng.random() < 0.18:
        text = f"{text} {rng.choice(('OS ', 'os', '#', 'O.S. '))}{rng.randint(1000, 60000)}"
    if rng.random() < 0.12:
        text = f"{text} {rng.choice(EMOJI)}"
    return text


def make(seed: int, contacts: int, titles: int) -> Task:
    rng = random.Random(seed)
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
    return Task("noise A", inside, texts, truth, oracle)

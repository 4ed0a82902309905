"""Matching the name in a title with thousands of contacts, with calibrated probabilities.

What belongs here: names. What does not: phones, orders and the decision over all evidence (domain/matching/).

    contacts ─► index.ContactTable ──┐ block: candidates of each title
    title ─► cleaning.clean_title ───┴► alignment ► features, nobody ► name_model.posteriors ► NameMatch
    fitting.fit_name_model: simulation writes titles of contacts, name_model.fit_weights learns the weights

Glossary:
    name         a distinct `nome` or `fantasia` of a contact
    information  natural log of (names in the table / names with the word): how rare a word is
    likeness     the way in which two words are alike: equal, same sound, typing error, nickname …
    particle     da, de, do … between the words of a name
    weak word    a word of a title that may describe a device or job and be no part of a name

    model = fit_name_model(contacts)          # takes seconds; needs no labels, only the client's own table
    matches = NameIndex(contacts, model).match(["Zé Silva notebook", "Padaria Central"])
"""

from whatsapp_pipeline.domain.matching.names.fitting import TITLES_PER_FIT, fit_name_model
from whatsapp_pipeline.domain.matching.names.index import ContactName
from whatsapp_pipeline.domain.matching.names.matching import NameCandidate, NameFeature, NameIndex, NameMatch
from whatsapp_pipeline.domain.matching.names.name_model import NameModel

__all__ = [
    "TITLES_PER_FIT",
    "ContactName",
    "NameCandidate",
    "NameFeature",
    "NameIndex",
    "NameMatch",
    "NameModel",
    "fit_name_model",
]

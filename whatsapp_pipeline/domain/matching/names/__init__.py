"""Which contact a name in a title belongs to, among thousands of namesakes, and how sure that is.

What belongs here: names alone. What does not: phones, orders and the decision over all evidence
(domain/matching/).

    model = fit(contacts)                     # seconds, no labels: on the client's own table
    matches = NameIndex(contacts, model).match(["Zé Silva notebook", "Padaria Central"])
"""

from whatsapp_pipeline.domain.matching.names.fitting import TITLES_PER_FIT, fit
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
    "fit",
]

"""A person's decision on a chat: it outranks every evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from whatsapp_pipeline.domain.matching.link_types import Candidate, Feature, LinkDecision


@dataclass(frozen=True, slots=True)
class Override:
    """A decision in force: the contact it names, or None for "no contact"; `gone` when that was deleted."""

    id_contato: int | None
    reason: str
    made_by: str
    gone: bool = False


def apply(override: Override, decision: LinkDecision) -> LinkDecision:
    """Put `override` over what the evidence says; the evidence's candidates stay on record.

    A decision whose contact was deleted in the meantime is flagged and leaves the chat to its evidence.
    """
    if override.gone:
        return replace(decision, flags=tuple(sorted({*decision.flags, "override_contact_gone"})))
    if override.id_contato is None:
        candidates = decision.candidates
    else:
        why = Feature("override", 1, 0.0, f"decided by {override.made_by}: {override.reason}")
        others = tuple(c for c in decision.candidates if c.id_contato != override.id_contato)
        candidates = (Candidate(override.id_contato, 1.0, "override", (why,)), *others)
    return LinkDecision(
        decision.id_chat_file, "manual", "override", 1.0, override.id_contato, candidates, decision.flags
    )

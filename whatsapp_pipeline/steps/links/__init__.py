"""Steps for links: the contact of a chat, and the order of a session.

What belongs here: the work of contact_links and order_links, and of the commands that explain and decide
links. What does not: the rules (domain/matching/), SQL (store/links/), and reading files (steps/chats/).

    chat_files ──► link_contacts ◄── name_evidence (fitted name model)
                        │        ◄── phone_evidence (corrections learned from verdicts)
                        │        ◄── overrides of people, written by decide
                        ▼
    sessions ────► link_orders   ◄── order_evidence (fitted order model)
                        │
    live conversations ─┴─ live_links, by the same rules

    link_months has the code that link_contacts and link_orders share. link_rules hashes the rules: a month
    whose fingerprint is current is not linked again. link_counts has the counts of a run, and staleness the
    reasons why months are stale. For people there are explain (one title), chat_ends (lines that help to
    decide), scope_effects (the effect of a decision), blind_verdicts (the blind sample) and
    guaranteed_precision (a bound from verdicts).

Glossary:
    candidate   a contact (or an order) that a chat (or a session) may belong to
    match weight, log odds   the effect of a fact on a candidate's score
    confidence  the expected share of right links among links with equal evidence
    linked      the best candidate is certain enough
    proposed    the best candidate is likely, and a person must confirm it
    ambiguous   several candidates are likely
    unmatched   no candidate is likely
    override    a person's decision; it outranks every rule
    input hash  a hash of one kind of input of a month's links; different hashes are reasons for staleness
    fingerprint a hash of the rows that deciding a month read and wrote
"""

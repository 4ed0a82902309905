"""Steps for links: whose chat it is, and which order a session is about.

What belongs here: what contact_links and order_links do, and the commands that explain and decide links.
What does not: the decision itself (domain/matching/), SQL (store/links/), and reading files (steps/chats/).

    chat_files ──► link_contacts ◄── name_evidence (fitted name model)
                        │        ◄── phone_evidence (what verdicts taught of phone methods)
                        │        ◄── overrides of people, written by decide
                        ▼
    sessions ────► link_orders   ◄── order_evidence (fitted order model)
                        │
    live conversations ─┴─ live_links, by the same rules

    For people: explain (one title), chat_ends (lines to decide by), guaranteed_precision (what verdicts
    prove). link_rules hashes the rules: a month whose fingerprint is current is not linked again.
    link_counts is the report.

Glossary:
    candidate   a contact (or an order) that a chat (or a session) may belong to
    match weight, log odds   how much a fact speaks for a candidate
    confidence  the share of such links that is right
    linked, proposed, ambiguous, unmatched   sure; likely; several likely; nobody found
    override    a person's decision; it outranks every rule
    fingerprint what deciding a month read and wrote, as one hash
"""

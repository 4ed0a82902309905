"""Commitments of staff and customers in messages: prices, deadlines, approvals, pick-ups, payments.

What belongs here: reading one message by rules over its words, and the state of one customer's commitments.
What does not: SQL, files and wording for people.

    text → clauses.py (sentences and clauses in plain spelling) → rules.py (mentions)
         → status.py (commitments)

The modules `*_rules` have the rules of each kind; amounts.py and when.py read money, dates and lengths.

Glossary
- sentence: text up to . ! ? ; or a line end. Clause: part of a sentence between commas or before "mas".
- mention: what one message says, with a date as it is written ("amanhã"). Commitment: a mention with its
  dates and state.
"""

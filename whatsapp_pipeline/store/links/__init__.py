"""Statements for links of chats to contacts and of sessions to orders.

What belongs here: SQL that reads evidence, writes links, and stores people's decisions. What does not:
deciding (domain/matching/), linking a month (steps/links/), and long statements (sql/queries/links/).

    contact_links, order_links, live_links   read the evidence
    decisions                                write links and candidates
    models                                   fitted weights
    fingerprints, link_parts                 whether a month is current, and which input has changed
    overrides, chat_state                    decisions of people, and one chat as they see it
    order_lookup                             orders by the number or id that people type
    review, live_review, review_pages        chats, sessions and conversations that wait for a person
    queue_refresh                            the stored review queue
    verdicts, precision_sample               samples, and people's verdicts on them
    link_report                              numbers for checks and people

Glossary:
    stage       bring rows into a temporary table, to be joined and merged at once
    decision    the link that a rule or a person made, with its candidates
    override    a decision of a person, stored permanently as an audit
    verdict     a reviewer's judgement of a link: right, wrong or unsure
"""

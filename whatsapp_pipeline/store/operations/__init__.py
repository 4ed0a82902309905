"""Statements of operation: checks, status, gates, backups, erasure, adopted tables.

What belongs here: SQL that belongs to no other subject. What does not: the steps and schedules that use it
(steps/operations/, automation/), and long statements (sql/queries/operations/).

    checks ──► qa_results ──► improvements, report_numbers    rules, their results by month, what to improve
    status, backlog, dry_run_diff                             counts, stale files, changes by a dry run
    gates                                                     pauses and checkpoints
    dumps                                                     backups and restores
    suppression ──► privacy, privacy_chats, privacy_webhooks  erased people: the list, and erasing
    first_migration, adoption, plan_tables                    tables that were there before

Glossary:
    standing    the state of a check over all months
    acceptance  a fault of a check in a month that a person accepted, until a date
    checkpoint  a condition between two phases; a waiver lets one pass
    suppression the list of erased people, as keyed hashes; they are never written again
"""

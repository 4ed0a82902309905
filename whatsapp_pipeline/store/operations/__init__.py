"""Statements of operation: checks, status, gates, backups, erasure, adopted tables.

What belongs here: SQL that belongs to no other subject. What does not: the steps and schedules that use it
(steps/operations/, automation/), and long statements (sql/queries/operations/).

    checks ──► qa_results ──► improvements, report_numbers    rules, their results by month, what to improve
    status, backlog, dry_run_diff                             counts, stale files, changes by a dry run gates
    pauses and checkpoints exports, data_files, dumps                                exports, the list of
    files, backups and restores suppression ──► privacy, privacy_*, erasure_queue         erased people: the
    list, and erasing console_*, api_tokens, home, cases                        users, logins and pages of the
    console deployed_code                                             the version of the code that migrated
    the database first_migration, adoption, plan_tables                    tables that existed before the
    pipeline

Glossary:
    standing    the state of a check over all months
    acceptance  a fault of a check in a month that a person accepted, until a date
    checkpoint  a condition between two phases, which a waiver can lift
    suppression the list of erased people, as keyed hashes, so that their data is never written again
"""

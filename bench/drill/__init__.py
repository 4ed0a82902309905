"""The fault drill: after any fault during a backfill, the end state equals that of an undisturbed one."""

"""The fault drill: whatever goes wrong during a backfill, the end state is that of an undisturbed one."""

"""The webhook receiver, its signature and spool, and the processing of what it kept."""

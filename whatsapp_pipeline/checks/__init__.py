"""The QA of each asset, a module each."""

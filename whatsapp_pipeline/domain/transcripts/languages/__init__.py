"""The phrases that WhatsApp writes, one TOML file per language. A new language is a new file; no code."""

"""The phrases that WhatsApp writes, one TOML file per language. A new language needs a file and no code."""

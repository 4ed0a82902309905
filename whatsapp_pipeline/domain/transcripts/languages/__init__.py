"""What WhatsApp says by itself, one TOML file a language. Another language is one more file here; no code."""

"""Access to the ERP Tiny: its API, or saved pages of it."""

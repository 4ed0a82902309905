"""The block format: text exports of desktop backup programs."""

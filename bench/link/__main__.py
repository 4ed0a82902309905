"""All of linking's benches, one after the other: `python -m bench.link`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

for name in ("names", "linked", "relatives", "orders", "phones"):
    if Path(__file__).with_name(f"{name}.py").exists():
        arguments = ["--competitors"] if name == "names" else []
        subprocess.run([sys.executable, "-m", f"bench.link.{name}", *arguments], check=True)

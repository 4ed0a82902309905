"""The entry of the programs that work on a cluster: `show`, the bench and the drill.

What belongs here: what each of them does before and after its work. What does not: the work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench.cluster.hosts import ClusterError
from bench.cluster.isolation import is_inside, run_isolated
from bench.cluster.servers import missing_servers
from whatsapp_pipeline.errors import PipelineError


def run_in_cluster(module: str, work: Callable[[], object], *, plain: bool) -> int:
    """Run `work` in namespaces, where they are permitted, and return the program's exit status.

    Outside of them, `module` is started again inside with the same arguments. `work` returns how many faults
    it found, or None.
    """
    if missing := missing_servers():
        raise SystemExit(f"{missing}; run `make setup-dev`")
    if not is_inside():
        return run_isolated(module, sys.argv[1:], plain=plain)
    try:
        return 1 if work() else 0
    except (ClusterError, PipelineError) as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        return 130

"""The fault drill in a shorter form: `python -m bench.webhook.faults` is the longer one."""

from __future__ import annotations

from bench.webhook.faults import PHASES, run


def test_nothing_is_lost_or_doubled_whatever_breaks() -> None:
    lines: list[str] = []
    lost, doubled = run(80, PHASES, lines.append)
    assert len(lines) == len(PHASES), lines
    assert (lost, doubled) == (0, 0), lines

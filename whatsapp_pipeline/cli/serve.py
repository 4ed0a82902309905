"""`serve`: all services on one machine in production, started by systemd or another service manager."""

from __future__ import annotations

from pathlib import Path

import click

from whatsapp_pipeline.cli.services import LOG_FILES, LOG_MEGABYTES, Places, keep_running, place_options
from whatsapp_pipeline.cli.supervisor import RestartPolicy


@click.command()
@place_options
@click.option(
    "--health-port",
    default=8099,
    show_default=True,
    help="Port of the health page, which only this machine can reach.",
)
@click.option(
    "--restarts",
    type=click.IntRange(0, 50),
    default=5,
    show_default=True,
    help="Largest number of restarts of one process within --minutes. If it ends once more, `serve` stops "
    "all processes and ends with an error.",
)
@click.option(
    "--minutes",
    type=click.IntRange(1, 1440),
    default=10,
    show_default=True,
    help="Length of the period for --restarts, in minutes.",
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Write the output of all processes to this file. It is rotated at {LOG_MEGABYTES} MB, and the "
    f"{LOG_FILES} newest rotated files are kept.  [default: standard output and error]",
)
def serve(
    port: int,
    webhook_port: int,
    console_port: int,
    host: str,
    health_port: int,
    restarts: int,
    minutes: int,
    log_file: Path | None,
) -> None:
    """Serve Dagster, the console and the webhook receiver, and restart a process that ends.

    The pause before a restart doubles each time; with the defaults it grows from half a second to 8 seconds.
    The health page is also served as JSON at /health, with status 503 if a part does not work.
    `whatsapp-pipeline service install` lets systemd start this command.
    """
    keep_running(
        "serve",
        Places(host, port, webhook_port, console_port, health_port),
        development=False,
        policy=RestartPolicy(max_restarts=restarts, period=60.0 * minutes),
        log_file=log_file,
    )

"""`up`: all services for a person at this machine, until Ctrl-C."""

from __future__ import annotations

import click

from whatsapp_pipeline.cli.services import Places, keep_running, place_options


@click.command()
@place_options
@click.option(
    "--insecure-webhook",
    is_flag=True,
    help="Start the receiver without a secret, so that it accepts unsigned bodies. Only for trials.",
)
def up(port: int, webhook_port: int, console_port: int, host: str, insecure_webhook: bool) -> None:
    """Serve Dagster's UI and daemon, the web console and the webhook receiver. Ctrl-C stops all of them.

    A process that ends is started again. On a machine in production, use `serve` instead.
    """
    places = Places(host, port, webhook_port, console_port)
    keep_running("up", places, development=True, insecure_webhook=insecure_webhook)

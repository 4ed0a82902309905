"""The options of `run` and `backfill` for indexing and loading chats.

What belongs here: the options, and turning them into the configuration of assets. What does not: the assets
(assets/chats.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import click

AssetConfig: TypeAlias = dict[str, dict[str, Any]]


def load_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --batch-size, --delay and --accept-missing to a command.

    The command receives them as `config`, by asset name.
    """

    @click.option(
        "--batch-size",
        type=click.IntRange(1, 1000),
        help="Number of files whose messages are loaded in one transaction. Use 50 to 100 if other people "
        "use the database.  [default: LOAD_BATCH_SIZE]",
    )
    @click.option(
        "--delay",
        type=click.FloatRange(0),
        help="Seconds to pause after each batch of messages.  [default: LOAD_DELAY_SECONDS]",
    )
    @click.option(
        "--accept-missing",
        is_flag=True,
        help="Set the status of missing files even if most of a month's known files are missing from the "
        "archive.",
    )
    @functools.wraps(command)
    def with_config(
        *args: object, batch_size: int | None, delay: float | None, accept_missing: bool, **kwargs: object
    ) -> None:
        load = {"batch_size": batch_size, "delay_seconds": delay}
        config: AssetConfig = {
            "chat_file_index": {"accept_missing": accept_missing},
            "chat_messages": {name: value for name, value in load.items() if value is not None},
        }
        command(*args, config=config, **kwargs)

    return with_config

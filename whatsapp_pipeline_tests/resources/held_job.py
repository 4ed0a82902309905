"""A job whose only step waits for a file: what tests of run workers execute."""

# No postponed annotations here: Dagster reads the types of parameters from the annotations themselves.
import time
from pathlib import Path

import dagster as dg


class Held(dg.Config):
    """Where the step says that it began, and what it waits for; it gives up after a minute."""

    began: str
    goes_on: str


@dg.op
def hold(config: Held) -> None:
    """Print a line, write `began`, then wait until `goes_on` exists."""
    print("the step began")  # noqa: T201  # a test looks for it among the logs of the run
    Path(config.began).touch()
    deadline = time.monotonic() + 60
    while not Path(config.goes_on).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(config.goes_on)
        time.sleep(0.1)  # polls the test, which gives no other signal


@dg.job
def held() -> None:
    """Wait for a file."""
    hold()

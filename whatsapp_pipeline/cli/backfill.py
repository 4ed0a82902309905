"""`backfill`: run the months that are missing, failed or stale, and only those."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import click

from whatsapp_pipeline import settings
from whatsapp_pipeline.cli.load_options import AssetConfig, load_options
from whatsapp_pipeline.cli.output import say
from whatsapp_pipeline.cli.params import MONTH
from whatsapp_pipeline.errors import PipelineError

if TYPE_CHECKING:
    import dagster as dg

    from whatsapp_pipeline.automation.backfill import Plan
    from whatsapp_pipeline.automation.headless import Outcome
    from whatsapp_pipeline.automation.launching import Ended, LaunchedRuns, Task

# With --launch: how often months that the launched runs left stale are launched again. One repetition fits
# the models to all months, the next links the months that the others left behind. More are needed only while
# the archive or the ERP changes.
_MAX_REPEATS = 3


@click.command()
@click.option("--missing", is_flag=True, help="Months that were never materialized.")
@click.option("--failed", is_flag=True, help="Months whose last run failed.")
@click.option(
    "--stale",
    is_flag=True,
    help="Months whose files, contacts, orders, overrides, models or rules changed after their last run.",
)
@click.option("--since", type=MONTH, help="Only this month and later ones.")
@click.option("--archive", "archive_root", help="Folder or URL of the chats.  [default: CHAT_ARCHIVE]")
@click.option("--dry-run", is_flag=True, help="Show the plan and run nothing.")
@click.option(
    "--launch",
    type=click.Choice(["ranges", "months"]),
    is_flag=False,
    flag_value="ranges",
    help="Put the runs into the queue of the Dagster at DAGSTER_UI_URL and wait for them: one run per "
    "range of months, or with `--launch months` one per month. It launches months that these runs leave "
    "stale again, and at the end it prints all results. Ctrl-C ends only the command; the runs continue.",
)
@load_options
def backfill(
    missing: bool,
    failed: bool,
    stale: bool,
    since: str | None,
    archive_root: str | None,
    dry_run: bool,
    launch: str | None,
    config: AssetConfig,
) -> None:
    """Run the months that are missing, failed or stale, with one run per range of months.

    This process executes the runs or, with --launch, the Dagster that `up` or `serve` started. Without
    --missing, --failed or --stale all three kinds are run. To run older years, set FIRST_MONTH to their first
    month. Exit status: 0 success, 1 a failure, 130 interrupted.
    """
    os.environ.setdefault("DAGSTER_HOME", str(settings.PROJECT_ROOT))
    # Imported here because these modules are slow to import and only this command needs them.
    from whatsapp_pipeline.assets.partitions import MONTHS
    from whatsapp_pipeline.automation import headless
    from whatsapp_pipeline.automation.backfill import KINDS, plan
    from whatsapp_pipeline.automation.launching import phases
    from whatsapp_pipeline.cli.qa_table import show
    from whatsapp_pipeline.definitions import build_defs
    from whatsapp_pipeline.resources.database import Database
    from whatsapp_pipeline.resources.sources import Archive

    first = MONTHS.get_first_partition_key()
    _refuse_bad_options(launch, archive_root, since, first)
    chosen = dict(zip(KINDS, (missing, failed, stale), strict=True))
    kinds = [kind for kind, is_chosen in chosen.items() if is_chosen] or list(KINDS)
    archive, database = Archive(root=archive_root), Database()
    defs = build_defs({"archive": archive, "database": database})
    chats = archive.open()
    with headless.open_instance(ephemeral=False) as instance:

        def plan_now() -> Plan:
            with database.connect(dry_run=True) as conn:
                graph = defs.resolve_asset_graph()
                return plan(graph, instance, conn, archive.open(), kinds=kinds, since=since)

        todo = plan_now()
        _print_plan(todo, outside=[month for month in chats.months() if first and month < first])
        if dry_run or not todo.months:
            return
        if launch:
            tasks_of = partial(phases, config=config, per_month=launch == "months")
            raise SystemExit(_launch(instance, todo, tasks_of, plan_now))
        outcome = headless.run_chain(defs, instance, months=todo.months, with_erp=False, config=config)
    show(outcome, dry_run=False)
    raise SystemExit(outcome.exit_status)


def _refuse_bad_options(
    launch: str | None, archive_root: str | None, since: str | None, first: str | None
) -> None:
    """Raise an error for options that exclude each other, and for a month before the first month."""
    if launch and archive_root:
        raise click.UsageError(
            "with --launch the runs read CHAT_ARCHIVE of that Dagster; leave out --archive"
        )
    if since and first and since < first:
        raise PipelineError(
            f"{since} is before the first month of this project, {first}; set FIRST_MONTH={since}"
        )


def _print_plan(todo: Plan, *, outside: Sequence[str]) -> None:
    """Print the months to run with their reasons. `outside` are months before the project's first month."""
    if outside:
        say(
            f"{len(outside)} months before FIRST_MONTH are not included; to include them, set "
            f"FIRST_MONTH={outside[0]}"
        )
    for month in todo.months:
        say(f"{month}  {'; '.join(todo.reasons[month])}")
    runs = [first if first == last else f"{first}..{last}" for first, last in todo.ranges]
    say(
        f"{len(todo.months)} months to run: {', '.join(runs)}"
        if runs
        else "no month is missing, failed or stale"
    )


def _launch(
    instance: dg.DagsterInstance,
    todo: Plan,
    tasks_of: Callable[[Plan], Iterable[list[Task]]],
    plan_now: Callable[[], Plan],
) -> int:
    """Launch the tasks of a plan, wait for them, print their results, and return the exit status.

    Months that the first runs left stale are launched again. After a failed run nothing more is launched,
    because later phases need its results.
    """
    from whatsapp_pipeline.automation.launching import LaunchedRuns
    from whatsapp_pipeline.cli.qa_table import show

    stop = threading.Event()
    runs = LaunchedRuns(
        instance, settings.load_settings().dagster_ui_url, stop, say=lambda text: say(text, err=True)
    )
    try:
        with _interrupts_set(stop):
            outcome, is_ok = _follow_until_current(instance, runs, todo, tasks_of, plan_now)
    except KeyboardInterrupt:
        _print_launched(runs)
        return 130
    except Exception:
        if runs.waiting:
            _print_launched(runs)
        raise
    show(outcome, dry_run=False, dagster=settings.load_settings().dagster_ui_url)
    return 0 if is_ok else 1


def _follow_until_current(
    instance: dg.DagsterInstance,
    runs: LaunchedRuns,
    todo: Plan,
    tasks_of: Callable[[Plan], Iterable[list[Task]]],
    plan_now: Callable[[], Plan],
) -> tuple[Outcome, bool]:
    """Launch the tasks of the plan, and of the plans after them, until no month needs a run.

    Return the reports of all runs, and whether all succeeded. A run fits a model when enough months are
    loaded. Months that were linked before it, or beside it by another run, are stale then.
    """
    from whatsapp_pipeline.automation.headless import outcome_of_launched

    months = todo.months
    over: list[Ended] = []
    for again in range(1 + _MAX_REPEATS):
        if again:
            say("\nMonths that became stale during these runs, for example because of a new model:")
            _print_plan(todo, outside=())
        over += _follow_all(runs, tasks_of(todo))
        is_ok = all(one.ok for one in over)
        collect = partial(outcome_of_launched, instance, [one.run_id for one in over], months=months)
        outcome = runs.ask(collect)
        if not is_ok or outcome.paused is not None:
            return outcome, False
        todo = runs.ask(plan_now)
        months = sorted({*months, *todo.months})
        if not todo.months:
            return outcome, True
    _print_plan(todo, outside=())
    say("to launch these months, run the same command again")
    return outcome, True


@contextmanager
def _interrupts_set(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C inside the block set `stop`, and a second one interrupt at once.

    Python prints and ignores an exception that is raised inside a finalizer or a callback. An event is not
    lost.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _follow_all(runs: LaunchedRuns, phases: Iterable[list[Task]]) -> list[Ended]:
    """Launch the tasks of each phase, print how they end, and return them; stop after a phase that failed."""
    from whatsapp_pipeline.cli.backup import cli_log
    from whatsapp_pipeline.steps.progress import Progress

    over: list[Ended] = []
    for tasks in phases:
        runs.launch(tasks)
        say(f"{tasks[0].job}: {len(tasks)} {'run' if len(tasks) == 1 else 'runs'} in the queue")
        progress = Progress(cli_log(), tasks[0].job, len(tasks), "runs")
        for number, ended in enumerate(runs.follow(), 1):
            name = " ".join(filter(None, (ended.task.job, ended.task.months)))
            where = "" if ended.ok else f": {runs.address(ended.run_id)}"
            say(f"{number} of {len(tasks)}  {name}  {ended.status.value.lower()}{where}")
            over.append(ended)
            progress.advance(1)
        if not all(one.ok for one in over):
            break
    return over


def _print_launched(runs: LaunchedRuns) -> None:
    """Print the addresses of the runs that the command no longer waits for."""
    say("the launched runs continue; run the same command again to launch what is left")
    for run_id in runs.waiting:
        say(f"follow or cancel: {runs.address(run_id)}")

"""Assets as DataFrames, through Dagster: loaded by hand, and as the input of a user's own asset."""

# No postponed annotations here: Dagster reads the types of inputs from the annotations themselves.
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd
import polars as pl
import pytest
from psycopg import sql

from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.asset_values import PipelineDefinitions
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.table_frames import to_pandas
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.table_frames import read_chunks, read_query

Load: TypeAlias = Callable[..., pd.DataFrame]
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


@pytest.fixture(scope="module")
def defs(prepared_url: str) -> PipelineDefinitions:
    """The project on the module's filled database."""
    return build_defs({"database": Database(url=prepared_url)}, with_erp=True)


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance of the module's own."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture(scope="module")
def load(defs: dg.Definitions, instance: dg.DagsterInstance) -> Iterator[Load]:
    """How a notebook loads an asset; the loader closes what it opened."""
    with defs.get_asset_value_loader(instance) as loader:

        def load(asset: str, month: str | None = None, **metadata: object) -> pd.DataFrame:
            frame = loader.load_asset_value(asset, partition_key=month, input_definition_metadata=metadata)
            assert isinstance(frame, pd.DataFrame)
            return frame

        yield load


def rows_of(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask the database itself."""
    with connect(url) as conn:
        return conn.execute(statement.encode()).fetchall()


MONTHLY = {
    "chat_file_index": "SELECT {} FROM chat_files WHERE month = '2025-02' ORDER BY id",
    "contact_links": "SELECT {} FROM chat_files WHERE month = '2025-02' ORDER BY id",
    "order_links": "SELECT {} FROM chat_sessions s WHERE EXISTS (SELECT FROM chat_files f "
    "WHERE f.id = s.id_chat_file AND f.month = '2025-02') ORDER BY id",
    "chat_messages": "SELECT {} FROM chat_messages m WHERE EXISTS (SELECT FROM chat_files f "
    "WHERE f.id = m.id_chat_file AND f.month = '2025-02') ORDER BY id",
}
WHOLE = {
    "contatos": "SELECT {} FROM contatos ORDER BY id",
    "ordens_servico": "SELECT {} FROM ordens_servico ORDER BY id",
    "normalized_contacts": "SELECT {} FROM contact_phones ORDER BY id_contato, field, position",
    "customer_summaries": "SELECT {} FROM customer_chat_summaries ORDER BY id",
}


def plain(value: object) -> object:
    """Make a value of a frame comparable with what psycopg returns."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    if isinstance(value, list):
        return value
    return None if pd.isna(value) else value


def expected(value: object) -> object:
    """Make what psycopg returns comparable with a frame: dates are midnights, and a decimal is a double."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # a local day has no zone
    return float(value) if type(value).__name__ == "Decimal" else value  # type: ignore[arg-type]


@pytest.mark.parametrize("asset", [*MONTHLY, *WHOLE])
def test_a_frame_holds_what_the_table_holds(load: Load, prepared_url: str, asset: str) -> None:
    key = "2025-02" if asset in MONTHLY else None
    frame = load(asset, key)
    # JSON is text in a frame, and psycopg makes objects of it.
    names = [name for name in frame.columns if name not in {"facts", "claims", "parse_options"}]
    rows = rows_of(prepared_url, {**MONTHLY, **WHOLE}[asset].format(", ".join(names)))
    assert rows
    assert [[plain(value) for value in row] for row in frame[names].itertuples(index=False)] == [
        [expected(value) for value in row] for row in rows
    ]


def test_types_are_those_of_the_columns(load: Load) -> None:
    chats = load("chat_file_index", "2025-01")
    assert chats.modified_at.dt.tz == SAO_PAULO
    assert chats.first_message_at.dt.tz is None
    assert str(chats.id_contato.dtype) == "Int64"
    assert str(chats.is_group.dtype) == "boolean"
    assert all(isinstance(flags, list) for flags in chats.match_flags.dropna())


def test_whole_numbers_and_texts_are_kept_without_loss(load: Load, prepared_url: str) -> None:
    with connect(prepared_url) as conn:
        conn.execute(
            "UPDATE chat_files SET size_bytes = 9007199254740993, customer_name = '', id_contato = NULL, "
            "title = E'a\"b\\nc,d', devices = ARRAY['tv \"32\"', E'x\\ny'] "
            "WHERE id = (SELECT min(id) FROM chat_files WHERE month = '2025-03')"
        )
    first = load("chat_file_index", "2025-03").iloc[0]
    assert first.size_bytes == 9007199254740993
    assert (first.customer_name, first.title) == ("", 'a"b\nc,d')
    assert first.devices == ['tv "32"', "x\ny"]
    assert first.id_contato is pd.NA


def test_a_month_without_rows_is_an_empty_frame(load: Load) -> None:
    frame = load("chat_messages", "2025-07")
    assert len(frame) == 0
    assert str(frame.id.dtype) == "Int64"


def test_a_downstream_asset_receives_the_frame_it_names(
    defs: dg.Definitions, instance: dg.DagsterInstance, prepared_url: str
) -> None:
    seen: dict[str, Any] = {}
    monthly = defs.get_assets_def("chat_messages").partitions_def
    year = dg.TimeWindowPartitionMapping()

    @dg.asset(
        partitions_def=monthly,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"chat_messages": dg.AssetIn(metadata={"columns": ["id", "direction"]}, partition_mapping=year)},
    )
    def per_month(chat_messages: pl.DataFrame) -> None:
        seen["range"] = chat_messages

    @dg.asset(ins={"chat_messages": dg.AssetIn(metadata={"columns": ["id"]})})
    def my_report(customer_summaries: pd.DataFrame, chat_messages: pd.DataFrame) -> None:
        seen["summaries"], seen["all"] = customer_summaries, chat_messages

    project = dg.Definitions.merge(defs, dg.Definitions(assets=[per_month, my_report]))
    repository = project.get_repository_def()
    job = repository.get_implicit_global_asset_job_def()
    for asset, tags in (
        (
            "per_month",
            {
                "dagster/asset_partition_range_start": "2025-01",
                "dagster/asset_partition_range_end": "2025-02",
            },
        ),
        ("my_report", {}),
    ):
        done = job.get_subset(
            asset_selection={dg.AssetKey(asset)}, asset_check_selection=set()
        ).execute_in_process(instance=instance, tags=tags)
        assert done.success
    in_range = rows_of(
        prepared_url,
        "SELECT m.id, m.direction FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file "
        "WHERE f.month IN ('2025-01', '2025-02') ORDER BY m.id",
    )
    assert isinstance(seen["range"], pl.DataFrame)
    assert seen["range"].rows() == in_range
    assert seen["all"].id.to_list() == [
        row[0] for row in rows_of(prepared_url, "SELECT id FROM chat_messages ORDER BY id")
    ]
    assert (
        len(seen["summaries"]) == rows_of(prepared_url, "SELECT count(*) FROM customer_chat_summaries")[0][0]
    )


def python_blocks() -> list[str]:
    """The Python of the guide for data people."""
    guide = (PROJECT_ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)


def test_the_notebook_of_the_guide_runs(prepared_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", python_blocks()[0]],
        env={**os.environ, "DATABASE_URL": prepared_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2025-01-" in done.stdout


def test_the_asset_of_the_guide_counts_each_side(
    defs: dg.Definitions, instance: dg.DagsterInstance, prepared_url: str
) -> None:
    namespace: dict[str, Any] = {}
    (block,) = (block for block in python_blocks() if "def messages_by_side" in block)
    exec(compile(block, "data.md", "exec"), namespace)  # the guide is ours
    project = dg.Definitions.merge(defs, dg.Definitions(assets=[namespace["messages_by_side"]]))
    done = (
        project.get_repository_def()
        .get_implicit_global_asset_job_def()
        .get_subset(asset_selection={dg.AssetKey("messages_by_side")}, asset_check_selection=set())
        .execute_in_process(instance=instance)
    )
    counted = rows_of(prepared_url, "SELECT direction, count(*) FROM chat_messages GROUP BY 1 ORDER BY 1")
    frame = done.output_for_node("messages_by_side")
    assert list(frame.itertuples(index=False, name=None)) == [row for row in counted if row[0]]


@pytest.mark.parametrize(
    ("asset", "words"),
    [
        ("chat_messages", "name a month of chat_messages, such as load_asset_value("),
        ("qa_report", "the asset qa_report has no table"),
        ("database_backup", "the asset database_backup has no table"),
    ],
)
def test_what_cannot_be_read_says_why(load: Load, asset: str, words: str) -> None:
    with pytest.raises(PipelineError) as error:
        load(asset)
    assert words in str(error.value)


def test_a_column_that_is_not_there_is_named(load: Load) -> None:
    with pytest.raises(PipelineError, match="contatos has no column 'nmoe'; it has id, nome"):
        load("contatos", columns=["nmoe"])


def test_a_column_that_is_named_twice_is_there_once(load: Load) -> None:
    assert list(load("contatos", columns=["nome", "id", "nome"])) == ["nome", "id"]


@pytest.mark.parametrize("month", ["2025-13", "2025-1", "abc", "", "2019-01", "2999-01", "2025-01..2025-03"])
def test_what_is_no_month_is_named_with_the_way_out(
    defs: PipelineDefinitions, load: Load, month: str
) -> None:
    with pytest.raises(PipelineError) as error:
        defs.load_asset_value("chat_messages", partition_key=month)
    words = str(error.value)
    assert words.startswith(f"chat_messages has no partition {month!r}; it has 2025-01 to ")
    assert "(FIRST_MONTH sets the first). For several at once give partition_key_range=" in words
    with pytest.raises(PipelineError, match=re.escape(words)):
        load("chat_messages", month)


@pytest.mark.parametrize("asset", ["customer_summaries", "contatos", "qa_report"])
def test_an_asset_without_months_takes_no_month(defs: PipelineDefinitions, load: Load, asset: str) -> None:
    words = f"{asset} has no months, so '2025-01' chooses nothing; remove the partition key"
    with pytest.raises(PipelineError, match=words):
        defs.load_asset_value(asset, partition_key="2025-01")
    with pytest.raises(PipelineError, match=words):
        load(asset, "2025-01")


def test_an_asset_that_is_not_there_is_named(defs: PipelineDefinitions) -> None:
    with pytest.raises(
        PipelineError, match=r"there is no asset chat_mesages; the assets are .*chat_messages"
    ):
        defs.load_asset_value("chat_mesages", partition_key="2025-01")


@pytest.mark.parametrize("wanted", [pl.LazyFrame, dict])
def test_a_type_that_is_no_frame_is_refused(defs: PipelineDefinitions, wanted: type) -> None:
    words = f"normalized_contacts is read as a .*, not as {wanted.__name__}; convert the frame yourself"
    with pytest.raises(PipelineError, match=words):
        defs.load_asset_value("normalized_contacts", python_type=wanted)


def test_a_range_of_months_is_one_frame(defs: PipelineDefinitions, load: Load) -> None:
    both = defs.load_asset_value(
        "chat_messages",
        partition_key_range=dg.PartitionKeyRange("2025-01", "2025-02"),
        python_type=pl.DataFrame,
        metadata={"columns": ["id"]},
    )
    assert isinstance(both, pl.DataFrame)
    assert both.columns == ["id"]
    months = [load("chat_messages", month).id.to_list() for month in ("2025-01", "2025-02")]
    assert sorted(both["id"]) == sorted([*months[0], *months[1]])
    assert min(map(len, months)) > 0
    for first, last, words in (
        ("2025-02", "2025-01", "chat_messages: the range begins with 2025-02, after its end 2025-01"),
        ("2025-02", "2025-13", "chat_messages has no partition '2025-13'"),
    ):
        with pytest.raises(PipelineError, match=words):
            defs.load_asset_value("chat_messages", partition_key_range=dg.PartitionKeyRange(first, last))


def documented_types() -> dict[str, str]:
    """Each type of the guide's table with the pandas type beside it."""
    guide = (PROJECT_ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    table = guide.partition("| in PostgreSQL | in pandas |")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for line in table.splitlines()[2:]:
        left, right = (
            re.findall(r"`([^`]+)`", cell.partition(":")[0]) for cell in line.strip("|").split("|")
        )
        found |= dict(zip(left, right if len(right) >= len(left) else right[:1] * len(left), strict=False))
    return found


def test_every_type_of_the_tables_is_in_the_guide(prepared_url: str) -> None:
    shown = {
        row[0]
        for row in rows_of(
            prepared_url,
            """
            SELECT DISTINCT a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             WHERE c.relkind IN ('r', 'v', 'm', 'p') AND c.relnamespace = current_schema()::regnamespace
               AND a.attnum > 0 AND NOT a.attisdropped
            """,
        )
    }
    names = {name: f"'{name}'::regtype::oid" for name in documented_types()}
    documented = {rows_of(prepared_url, f"SELECT {oid}")[0][0] for oid in names.values()}
    missing = rows_of(
        prepared_url, f"SELECT format_type(t, NULL) FROM unnest(ARRAY{sorted(shown - documented)}::oid[]) t"
    )
    assert missing == []


def test_the_guide_names_the_pandas_type_of_each_type(prepared_url: str) -> None:
    same = {
        "uuid": f"{0:032}",
        "text[]": "{a}",
        "bigint[]": "{1}",
        "json": "{}",
        "jsonb": "{}",
        "boolean": "t",
    }
    values = same | dict.fromkeys(("bigint", "integer", "smallint", "numeric", "double precision"), "1")
    values |= dict.fromkeys(("text", "varchar", "char", "bytea", "tsvector"), "a")
    values |= dict.fromkeys(("timestamptz", "timestamp", "date"), "2025-01-01") | {"time": "12:00"}
    documented = documented_types()
    assert documented.keys() == values.keys()
    query = sql.SQL("SELECT {}").format(
        sql.SQL(", ").join(
            sql.SQL("{}::{} AS {}").format(sql.Literal(value), sql.SQL(kind), sql.Identifier(kind))
            for kind, value in values.items()
        )
    )
    with connect(prepared_url) as conn:
        frame = to_pandas(pl.concat(read_query(conn, query, {}, zone="America/Sao_Paulo")))
    types = {name: str(dtype).replace(", America/Sao_Paulo", "") for name, dtype in frame.dtypes.items()}
    assert types == documented
    first = frame.iloc[0]
    assert (first["time"], first["bytea"], first["text[]"]) == (time(12), b"a", ["a"])


@pytest.mark.parametrize("columns", ["id", []])
def test_columns_are_named_in_a_list(load: Load, columns: Any) -> None:
    with pytest.raises(PipelineError, match=r"name columns of contatos in a list, such as"):
        load("contatos", columns=columns)


def test_every_asset_is_read_or_says_why_not(defs: dg.Definitions, load: Load) -> None:
    read, refused = set(), {}
    for key in defs.resolve_asset_graph().get_all_asset_keys():
        asset = key.to_user_string()
        try:
            load(asset)
            read.add(asset)
        except PipelineError as error:
            refused[asset] = str(error)
    assert read == {"webhook_inbox", "conversations", "commitments", "tiny_contacts", "tiny_orders", *WHOLE}
    assert refused.keys() == {"qa_report", "database_backup", *MONTHLY}


def test_chunks_together_are_the_whole(prepared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsapp_pipeline.store.table_frames.CHUNK_BYTES", 10_000)
    with connect(prepared_url) as conn:
        chunks = list(read_chunks(conn, "chat_messages", zone="America/Sao_Paulo"))
        assert len(chunks) > 5
        ids = [row[0] for row in conn.execute("SELECT id FROM chat_messages ORDER BY id")]
    assert pl.concat(chunks)["id"].to_list() == ids


def test_instants_are_shown_in_the_zone_of_the_archive(load: Load, prepared_url: str) -> None:
    frame = load("chat_messages", "2025-01")
    assert (frame.timestamp_utc.dt.tz_localize(None) - frame.message_timestamp).abs().max() < timedelta(
        minutes=1
    )
    assert frame.timestamp_utc.dt.tz == SAO_PAULO

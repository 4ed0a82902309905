"""Which database is whose, and how its URL is spelt for whom."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine, text

from whatsapp_pipeline.databases import dagster_url, pipeline_url, sqlalchemy_url
from whatsapp_pipeline.settings import from_mapping


def test_dagster_gets_a_database_beside_the_users(fresh_database_url: str) -> None:
    settings = from_mapping({"DATABASE_URL": fresh_database_url})
    assert pipeline_url(settings) == fresh_database_url
    expected = f"{conninfo_to_dict(fresh_database_url)['dbname']}_dagster"
    assert conninfo_to_dict(dagster_url(settings))["dbname"] == expected
    assert dagster_url(settings) == dagster_url(settings), "the second time it is there already"


def test_a_named_dagster_database_is_taken_as_it_is() -> None:
    assert dagster_url(from_mapping({"DAGSTER_DATABASE_URL": "postgresql://h/d"})) == "postgresql://h/d"


def test_sqlalchemy_reaches_the_same_server(database_url: str) -> None:
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        assert (
            connection.execute(text("SELECT current_database()")).scalar()
            == conninfo_to_dict(database_url)["dbname"]
        )
    engine.dispose()


def test_passwords_with_reserved_characters_survive() -> None:
    url = sqlalchemy_url("postgresql://ana:p%40ss%2Fword@db.example:6543/shop?sslmode=require")
    assert url == "postgresql+psycopg2://ana:p%40ss%2Fword@db.example:6543/shop?sslmode=require"

"""Splink on a folder's contacts.csv and titles.csv; runs in an interpreter of its own (needs splink, duckdb).

Words are compared as first and last name and as a whole, with term frequencies, as its guides advise.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pandas as pd
import splink.comparison_library as cl  # type: ignore[import-not-found]  # of another interpreter
from splink import DuckDBAPI, Linker, SettingsCreator, block_on


def read(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, keep_default_na=False)
    folded = [
        unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode().lower()
        for name in frame["nome"]
    ]
    words = [[word for word in name.split() if word.isalpha()] or [""] for name in folded]
    return pd.DataFrame(
        {
            "unique_id": frame["id"],
            "whole": [" ".join(each) for each in words],
            "first": [each[0] for each in words],
            "last": [each[-1] for each in words],
        }
    )


def main(folder: Path) -> None:
    titles, contacts = read(folder / "titles.csv"), read(folder / "contacts.csv")
    settings = SettingsCreator(
        link_type="link_only",
        probability_two_random_records_match=0.8 / len(contacts),  # given what it can't know
        comparisons=[
            cl.JaroWinklerAtThresholds("first", [0.9, 0.8]).configure(term_frequency_adjustments=True),
            cl.JaroWinklerAtThresholds("last", [0.9, 0.8]).configure(term_frequency_adjustments=True),
            cl.JaroWinklerAtThresholds("whole", [0.95, 0.88]).configure(term_frequency_adjustments=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("first", "last"),
            block_on("first"),
            block_on("whole"),
        ],
    )
    database = DuckDBAPI()
    # The names sort so that the title is the left side of every pair.
    tables = [
        database.register(titles, dataset_display_name="a_titles"),
        database.register(contacts, dataset_display_name="b_contacts"),
    ]
    linker = Linker(tables, settings)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    for column in ("first", "last"):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(column))
    pairs = linker.inference.predict().as_pandas_dataframe()
    best = pairs.sort_values("match_probability").groupby("unique_id_l").tail(1)
    best = best.rename(
        columns={"unique_id_l": "title", "unique_id_r": "contact", "match_probability": "probability"}
    )
    best[["title", "contact", "probability"]].to_csv(folder / "answers.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

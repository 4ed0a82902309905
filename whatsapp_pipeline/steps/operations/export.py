"""Writing rows to files for people: CSV for a spreadsheet, XLSX and Parquet.

What belongs here: the formats, masks and spreadsheet safety. What does not: the choice of rows
(store/operations/exports.py).

A file is written in a temporary folder beside its final path (export_folder.py), and moved when it is
complete. Only its owner can read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from whatsapp_pipeline.domain.masking import mask_name, mask_path, mask_title
from whatsapp_pipeline.domain.personal_text import hide_personal
from whatsapp_pipeline.safe_text import FORMULA_STARTS, for_spreadsheet
from whatsapp_pipeline.steps.operations.export_folder import folder_beside
from whatsapp_pipeline.store.operations.exports import Export

FORMATS = ("csv", "xlsx", "parquet")
MAX_SHEET_ROWS = 1_048_575
"""Maximum number of rows of an Excel sheet below its heading."""

_LONGEST_CELL = 32_767  # characters
_SLICE_ROWS = 10_000
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class ExportOutcome:
    """Number of written rows, and of texts that were cut because they are too long for a cell of Excel."""

    rows: int = 0
    cut_texts: int = 0


def write_export(
    path: Path,
    chunks: Iterable[pl.DataFrame],
    *,
    decimal_comma: bool = False,
    advance: Callable[[int], None] = lambda rows: None,
) -> ExportOutcome:
    """Write chunks of rows to `path`, in the format that its suffix names.

    Args:
        path: Path of the new file. Its folder must exist. An existing file is replaced.
        chunks: At least one frame; all have the same columns.
        decimal_comma: In CSV, write 1,5 and not 1.5.
        advance: Called with the number of rows of each chunk after it was written.

    Raises:
        OSError: The file can't be written.
    """
    written = ExportOutcome()
    counted = _counted(_slices(chunks) if path.suffix == ".xlsx" else chunks, written, advance)
    with folder_beside(path) as folder:
        whole = folder / path.name
        os.close(os.open(whole, os.O_CREAT | os.O_WRONLY, 0o600))
        if path.suffix == ".csv":
            _write_csv(whole, counted, decimal_comma=decimal_comma)
        elif path.suffix == ".xlsx":
            _write_xlsx(whole, counted, written)
        else:
            _write_parquet(whole, counted)
        whole.replace(path)
    return written


def masked(chunks: Iterable[pl.DataFrame], export: Export) -> Iterator[pl.DataFrame]:
    """Mask names, titles and paths, and hide the numbers and addresses in texts."""
    masks: dict[str, Callable[[str], str]] = {
        **dict.fromkeys(export.names, mask_name),
        **dict.fromkeys(export.titles, mask_title),
        **dict.fromkeys(export.paths, mask_path),
        **dict.fromkeys(export.texts, hide_personal),
    }
    for chunk in chunks:
        yield chunk.with_columns(
            pl.col(name).map_elements(mask, return_dtype=pl.String) for name, mask in masks.items()
        )


def _slices(chunks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Divide chunks into slices that take about a second each, because XLSX is written cell by cell."""
    for chunk in chunks:
        if chunk.is_empty():
            yield chunk
        yield from chunk.iter_slices(_SLICE_ROWS)


def _counted(
    chunks: Iterable[pl.DataFrame], written: ExportOutcome, advance: Callable[[int], None]
) -> Iterator[pl.DataFrame]:
    for chunk in chunks:
        yield chunk
        written.rows += chunk.height
        advance(chunk.height)


def _write_csv(path: Path, chunks: Iterable[pl.DataFrame], *, decimal_comma: bool) -> None:
    with path.open("wb") as file:
        file.write(_BOM)
        for place, chunk in enumerate(chunks):
            _as_cells(chunk).write_csv(
                file,
                separator=";",
                include_header=place == 0,
                datetime_format="%Y-%m-%d %H:%M:%S",
                decimal_comma=decimal_comma,
            )
        file.flush()
        os.fsync(file.fileno())


def _as_cells(chunk: pl.DataFrame) -> pl.DataFrame:
    """Join each list to one text, and change texts that a spreadsheet would read as formulas."""
    lists = pl.selectors.list().list.eval(pl.element().cast(pl.String)).list.join(", ").name.keep()
    flat = chunk.with_columns(lists)
    suspects = pl.selectors.string()
    return flat.with_columns(
        pl.when(suspects.str.slice(0, 1).is_in(FORMULA_STARTS))
        .then(suspects.map_elements(for_spreadsheet, return_dtype=pl.String))
        .otherwise(suspects)
        .name.keep()
    )


def _write_xlsx(path: Path, chunks: Iterable[pl.DataFrame], written: ExportOutcome) -> None:
    # Each row is written to disk at once. A text is always written as text, never as a formula or a link.
    book = xlsxwriter.Workbook(
        str(path),
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "remove_timezone": True,
            "tmpdir": str(path.parent),
        },
    )
    moment = book.add_format({"num_format": "dd/mm/yyyy hh:mm:ss"})
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    heading = book.add_format({"bold": True})
    sheet, line = None, 0
    for chunk in chunks:
        cells = _as_cells(chunk)
        styles = [_style(kind, moment, day) for kind in cells.dtypes]
        for row in cells.iter_rows():
            if sheet is None or line > MAX_SHEET_ROWS:
                sheet, line = book.add_worksheet(), 1
                sheet.freeze_panes(1, 0)
                sheet.write_row(0, 0, cells.columns, heading)
            for column, value in enumerate(row):
                if isinstance(value, str):
                    written.cut_texts += len(value) > _LONGEST_CELL
                    sheet.write_string(line, column, _fitting(value))
                elif value is not None:
                    sheet.write(line, column, value, styles[column])
            line += 1
        if sheet is None:
            sheet, line = book.add_worksheet(), 1
            sheet.write_row(0, 0, cells.columns, heading)
    try:
        book.close()
    except FileCreateError as error:
        # When Python frees the unfinished zip file, it writes once more. Truncating the parts makes room for
        # that.
        for part in path.parent.iterdir():
            os.truncate(part, 0)
        raise OSError(*error.args[0].args) from error


def _fitting(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _style(kind: pl.DataType, moment: object, day: object) -> object:
    if isinstance(kind, pl.Datetime):
        return moment
    return day if kind == pl.Date else None


def _write_parquet(path: Path, chunks: Iterable[pl.DataFrame]) -> None:
    # Each chunk is written to its own file, and polars joins these files without loading all of them. They
    # are uncompressed Arrow files, so that rows are encoded only once.
    parts = []
    for place, chunk in enumerate(chunks):
        part = path.with_name(f"{place:06d}.arrow")
        chunk.write_ipc(part)
        parts.append(part)
    pl.scan_ipc(parts).sink_parquet(path)

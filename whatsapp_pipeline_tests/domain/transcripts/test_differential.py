"""This reader and two others over generated files of every header shape (bench/parse/differential.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.parse import differential


@pytest.mark.parametrize("shape", differential.SHAPES, ids=lambda shape: shape.name)
def test_every_shape_is_read_as_it_was_generated(shape: differential.Shape) -> None:
    text, right = differential.generate(shape)
    assert differential.difference(differential.ours(text), right) is None


@pytest.mark.slow
def test_each_disagreement_with_another_reader_has_a_reason(tmp_path: Path) -> None:
    if lacking := differential.missing():
        pytest.skip(f"not installed: {'; '.join(lacking)}")
    found = differential.disagreements(tmp_path, differential.READERS)
    assert {(reader, shape) for reader, shape, _ in found} <= differential.REASONS.keys()
    # A reason that no longer holds is taken out.
    assert differential.REASONS.keys() <= {(reader, shape) for reader, shape, _ in found}

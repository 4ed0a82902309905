"""Generated files of every header shape are read as they were generated.

`python -m bench.parse.differential` compares two other readers over the same files.
"""

from __future__ import annotations

import pytest

from whatsapp_pipeline_tests.truth.export_shapes import SHAPES, Shape, difference, generate, ours


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_shape_is_read_as_it_was_generated(shape: Shape) -> None:
    text, right = generate(shape)
    assert difference(ours(text), right) is None

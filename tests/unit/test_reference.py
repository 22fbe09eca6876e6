"""The reference: each public class has an example that the guide's tests run."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_each_public_class_has_an_example_in_the_guide() -> None:
    reference = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "reference.py"))
    classes, examples = reference["public_classes"](), reference["examples"]()
    assert len(classes) > 150
    assert not {name for name in classes.values() if name not in examples}

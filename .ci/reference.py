"""Write the reference of the public modules as HTML; exit code 1 if a docstring or a signature could not be read.

Each public class gets an example: the shortest block of the guide that names it, with a link to its page. The tests run
those blocks; a class without one is a fault.

Run it with the Python of an environment that holds pdoc, and the package with the extras ``cluster``, ``otel`` and
``redis``: ``python .ci/reference.py DIR``.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import warnings
from importlib.resources import files
from pathlib import Path

PACKAGE = "octoffm_async"
MODULES = "auth cluster errors events journal ratelimit sandbox stores tabular telemetry transport"
NAMES = [PACKAGE, *(f"{PACKAGE}.{name}" for name in MODULES.split())]
_BLOCK = re.compile(r"^```python(?: \S+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> dict[str, tuple[str, str]]:
    """Return the shortest block of the guide that uses a name, and its page, by name."""
    pages = [page for page in (files(PACKAGE) / "guide").iterdir() if page.name.endswith(".md")]
    blocks = [(block, page.name[:-3]) for page in pages for block in _BLOCK.findall(page.read_text("utf-8"))]
    found: dict[str, tuple[str, str]] = {}
    for block, page in sorted(blocks, key=lambda one: len(one[0])):
        tree = compile(block, page, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for name in {getattr(node, "attr", None) or getattr(node, "id", "") for node in ast.walk(tree)}:
            found.setdefault(name, (block, page))
    return found


def public_classes() -> dict[type, str]:
    """Return the classes of the public modules with their names; those of an earlier release are left out."""
    classes: dict[type, str] = {}
    for module in (__import__(name, fromlist=["*"]) for name in NAMES):
        for name, value in ((each, getattr(module, each)) for each in module.__all__):
            if (
                inspect.isclass(value)
                and value.__module__.startswith(PACKAGE)
                and "deprecated" not in (value.__doc__ or "")
            ):
                classes.setdefault(value, name)
    return classes


def main(folder: Path) -> int:
    """Print what could not be read, and the number of pages; return 1 if there was any."""
    import pdoc

    example = examples()
    lacking: list[str] = []
    for value, name in public_classes().items():
        if hasattr(value, "_fields"):  # named tuples do not know where they are from
            value.__new__.__module__ = value.__module__
        if name in example:
            block, page = example[name]
            value.__doc__ = (
                f"{inspect.getdoc(value)}\n\nExample, from [{page}](guide:{page}):\n\n```python\n{block}```\n"
            )
        else:
            lacking.append(name)
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        pdoc.pdoc(*NAMES, rf"!{PACKAGE}\.\w+\.", output_directory=folder)
    for made in folder.rglob("*.html"):  # the guide's pages stand beside the folder, as .ci/release puts them
        up = "../" * len(made.relative_to(folder).parts)
        made.write_text(re.sub(r'href="guide:([a-z-]+)"', rf'href="{up}\1.html"', made.read_text("utf-8")), "utf-8")
    for warning in found:
        print(warning.message)
    print(
        f"{len(list(folder.rglob('*.html')))} pages of reference, {len(found)} warnings", *lacking, sep="\nno example: "
    )
    return 1 if found or lacking else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

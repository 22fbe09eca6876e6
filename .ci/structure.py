"""Check the structure of the package, and print the count of each kind of fault; exit code 1 if there is any.

- No circle of imports, and none that leads up: a module imports from its own package and from lower floors, imports for
  typing and within functions included.
- At most 13 files in a folder, and no function of more than 70 lines.
- No docstring that opens with a question word or a pronoun: it opens with an imperative or a noun phrase.
- One meaning for each public name of a class or a type: it is defined once in the package.
- Tests of behaviour import public names only, so that a redesign need not touch them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "octoffm_async"
FLOORS = (
    ("text",),
    ("contract", "events", "lazy", "version"),
    ("errors",),
    ("header_rules",),
    ("http_answers", "settings"),
    ("affinity", "config"),
    ("disk",),
    ("stores",),
    ("transport", "tabular"),
    ("auth", "ratelimit", "journal"),
    ("session",),
    ("resources", "feeds"),
    ("bulk",),
    ("client",),
    ("cluster",),
    ("sandbox", "telemetry", "probe"),
    ("cli",),
    ("__main__",),
)
"""Packages and modules of the top level, from the bottom up; the package itself offers names of all of them."""
PUBLIC = frozenset(
    f"{PACKAGE}.{part}"
    for part in (
        "auth",
        "cluster",
        "config",
        "errors",
        "events",
        "journal",
        "ratelimit",
        "sandbox",
        "stores",
        "tabular",
        "telemetry",
    )
)
"""Modules besides the package itself whose names are public."""
FILES_MOST = 13
LINES_MOST = 70
FORBIDDEN = re.compile(
    r"(?:what|who|whom|whose|which|whether|when|where|why|how|as|so (?:many|much)|all that|if|it|its|they|their|them|he"
    r"|she|we|our|you|your|one who|nobody|nothing|somebody|whoever|whatever|wherever|there)\b",
    re.IGNORECASE,
)


class Module(NamedTuple):
    """A module of the package, read."""

    name: str
    path: Path
    tree: ast.Module
    is_package: bool

    @property
    def part(self) -> str:
        """The package or module of the top level that it belongs to; empty for the package itself."""
        return self.name.split(".")[1] if "." in self.name else ""


def read(root: Path) -> dict[str, Module]:
    """Return all modules of the package below ``root``, by name."""
    modules: dict[str, Module] = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        is_package = path.name == "__init__.py"
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if is_package else parts)
        modules[name] = Module(name, path.relative_to(root), ast.parse(path.read_text(encoding="utf-8")), is_package)
    return modules


def imported(module: Module, modules: dict[str, Module]) -> Iterator[str]:
    """Yield the package's modules that a module imports anywhere: a name from a package counts as its module."""
    parts = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = [*parts[: len(parts) - node.level + 1]] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                if (found := f"{source}.{alias.name}") in modules or (found := source) in modules:
                    yield found


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in imports[name]:
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in imports:
        if name not in index:
            visit(name)
    return found


def upward(modules: dict[str, Module], imports: dict[str, set[str]]) -> Iterator[str]:
    """Yield the imports that lead up, or to the side."""
    floor = {part: number for number, parts in enumerate(FLOORS) for part in parts}
    for name, others in imports.items():
        here = modules[name].part
        if not here:
            continue
        if here not in floor:
            yield f"{name} is on no floor"
            continue
        for other in sorted(others):
            there = modules[other].part
            if there != here and floor.get(there, len(FLOORS)) >= floor[here]:
                yield f"{name} imports {other}"


def full_folders(modules: dict[str, Module]) -> Iterator[str]:
    """Yield the folders with too many files."""
    files: defaultdict[Path, int] = defaultdict(int)
    for module in modules.values():
        files[module.path.parent] += 1
    yield from (f"{folder} has {count} files" for folder, count in files.items() if count > FILES_MOST)


def long_functions(modules: dict[str, Module]) -> Iterator[str]:
    """Yield the functions with too many lines."""
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LINES_MOST:
                    yield f"{module.path}:{node.lineno} {node.name} has {lines} lines"


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each docstring with its line: of modules, classes and functions, and below names that are assigned."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for before, statement in zip([None, *node.body], node.body, strict=False):
                is_documented = before is None or isinstance(before, ast.Assign | ast.AnnAssign)
                match statement:
                    case ast.Expr(ast.Constant(str(text))) if is_documented:
                        yield statement.lineno, text


def odd_heads(modules: dict[str, Module]) -> Iterator[str]:
    """Yield the docstrings that open with a question word or a pronoun."""
    for module in modules.values():
        for line, text in docstrings(module.tree):
            if FORBIDDEN.match(text.lstrip()):
                yield f"{module.path}:{line} {text.strip().splitlines()[0][:80]}"


def defined_twice(modules: dict[str, Module]) -> Iterator[str]:
    """Yield the public names of classes and types that more than one module defines."""
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules.values():
        for node in module.tree.body:
            is_alias = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).endswith("TypeAlias")
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(module.name)
            elif is_alias and isinstance(node.target, ast.Name):
                homes[node.target.id].append(module.name)
    for name, where in sorted(homes.items()):
        if len(where) > 1 and not name.startswith("_"):
            yield f"{name}: {', '.join(where)}"


def inside_imports(root: Path) -> Iterator[str]:
    """Yield the imports of tests of behaviour that are not public."""
    for path in sorted((root / "tests" / "behaviour").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith(f"{PACKAGE}.") and name not in PUBLIC:
                    yield f"{path.relative_to(root)}:{node.lineno} {name}"


def main() -> int:
    """Print the faults by kind."""
    root = Path(__file__).resolve().parent.parent
    modules = read(root)
    imports = {name: {*imported(module, modules)} - {name} for name, module in modules.items()}
    kinds = {
        "circles of imports": [" <-> ".join(group) for group in circles(imports)],
        "imports that lead up": [*upward(modules, imports)],
        f"folders of more than {FILES_MOST} files": [*full_folders(modules)],
        f"functions of more than {LINES_MOST} lines": [*long_functions(modules)],
        "docstrings that open with a question word or a pronoun": [*odd_heads(modules)],
        "public names with several meanings": [*defined_twice(modules)],
        "imports of tests of behaviour that are not public": [*inside_imports(root)],
    }
    print(f"{len(modules)} modules, {sum(map(len, imports.values()))} imports")
    for kind, found in kinds.items():
        print(f"{len(found):5} {kind}")
        for each in found:
            print(f"      {each}")
    return int(any(kinds.values()))


if __name__ == "__main__":
    sys.exit(main())

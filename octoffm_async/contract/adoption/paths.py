"""Paths of operations in another description."""

import re
from typing import Any

from ..answers.names import folded
from ..openapi.description import DescribedOperation, Description
from ..operations import Operation
from .synonyms import name_similarity

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_LIKE = 0.6


def fold_path(pattern: str) -> str:
    """Return a path without case and separators, which never distinguish operations."""
    return folded(pattern)


def path_of(operation: Operation[Any], theirs: DescribedOperation, prefix: str) -> str | None:
    """Return their path after the prefix, with our placeholders; None if it equals ours."""
    segments = theirs.path.split("/")[prefix.count("/") + 1 :]
    ours = iter(_PLACEHOLDER.findall(operation.path))
    path = _PLACEHOLDER.sub(lambda _: next(ours), "/" + "/".join(segments))
    return None if path == operation.path else path


def like_paths(operation: Operation[Any], theirs: Description, prefix: str) -> list[str]:
    """Return their paths that may belong to the operation, the most similar first."""
    placeholders = _PLACEHOLDER.findall(operation.path)
    found: list[tuple[float, str]] = []
    for one in theirs.operations:
        if one.method == operation.method and len(_PLACEHOLDER.findall(one.path)) == len(placeholders):
            path = path_of(operation, one, prefix) or operation.path
            found.append((name_similarity(operation.path, path), path))
    return [path for like, path in sorted(found, reverse=True) if like >= _LIKE][:4]

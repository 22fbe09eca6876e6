"""Pairs the operations of two OpenAPI descriptions by method and path, after removing a common path prefix."""

from collections import Counter
from collections.abc import Callable, Mapping

from .description import DescribedOperation, Description

OperationKey = tuple[str, str]
PathNormalizer = Callable[[str], str]


def exact(pattern: str) -> str:
    """Return the path unchanged."""
    return pattern


def operations_by_key(
    description: Description, prefix: str, fold: PathNormalizer = exact
) -> Mapping[OperationKey, DescribedOperation]:
    """Return the operations whose paths begin with ``prefix``, by method and the rest of the path."""
    return {
        (operation.method, fold(operation.pattern).removeprefix(prefix)): operation
        for operation in description.operations
        if fold(operation.pattern).startswith(prefix + "/")
    }


def path_prefix(ours: Description, theirs: Description, fold: PathNormalizer = exact) -> str:
    """Return the path prefix (such as ``/seller/v2``, or none) that most of their operations put before our paths."""
    calls = {(operation.method, fold(operation.pattern)) for operation in ours.operations}
    prefixes = Counter[str]()
    for operation in theirs.operations:
        pattern = fold(operation.pattern)
        segments = pattern.split("/")
        for place in range(1, len(segments)):
            before = "/".join(segments[:place])
            if "{" not in before and (operation.method, pattern.removeprefix(before)) in calls:
                prefixes[before] += 1
    return min(prefixes, key=lambda prefix: (-prefixes[prefix], len(prefix), prefix), default="")

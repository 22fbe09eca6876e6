"""The operations of two descriptions by their calls: method and path, whatever stands before the paths of one."""

from collections import Counter
from collections.abc import Callable, Mapping

from .description import DescribedOperation, Description

Call = tuple[str, str]
Fold = Callable[[str], str]


def exact(pattern: str) -> str:
    """Leave a path as it is."""
    return pattern


def by_call(description: Description, prefix: str, fold: Fold = exact) -> Mapping[Call, DescribedOperation]:
    """The operations whose paths begin with a prefix, by method and the rest of the path."""
    return {
        (operation.method, fold(operation.pattern).removeprefix(prefix)): operation
        for operation in description.operations
        if fold(operation.pattern).startswith(prefix + "/")
    }


def prefix_of(ours: Description, theirs: Description, fold: Fold = exact) -> str:
    """What stands before our paths in most of theirs that are ours: nothing, or ``/seller/v2``."""
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

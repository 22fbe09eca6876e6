"""List the components of a CycloneDX file with their licences; exit code 1 if one names none.

``python .ci/licences.py sbom.cdx.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def licence(component: dict[str, Any]) -> str:
    """Return an SPDX expression, or the names that the component's metadata give."""
    named = [
        each.get("expression") or each["license"].get("id") or each["license"].get("name")
        for each in component.get("licenses", [])
    ]
    return " / ".join(sorted({name for name in named if name}))


def main(path: Path) -> int:
    """Print a line for each component; return 1 if a licence is missing."""
    components = json.loads(path.read_text(encoding="utf-8"))["components"]
    for each in sorted(components, key=lambda each: each["name"].lower()):
        print(f"{each['name']:32} {each['version']:16} {licence(each) or 'UNKNOWN'}")
    return 0 if all(map(licence, components)) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

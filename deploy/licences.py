"""List the licence of every package that the project installs; ends with 1 where one may not be used. ``make licences``.

Only what the metadata of an installed package say is looked at: its SPDX expression, else its classifiers, else its licence
field. A package that says nothing is listed as unknown and fails too, unless KNOWN says what its files say.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# copyleft that reaches what links to it, and licences that limit use; LGPL and MPL bind the library alone
REFUSED = re.compile(
    r"(?<!L)GPL|AGPL|Affero|Business Source|BUSL|SSPL|Commons Clause|Non-?Commercial", re.IGNORECASE
)
# the metadata say nothing or too much: what the files of the package say, read there
KNOWN = {
    "cookiecutter": "BSD-3-Clause",
    # a package of names only: it installs NVIDIA's libraries, which torch uses where there is such a GPU
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    # the one file under the GPL, an Emacs mode, is not in the wheel
    "docutils": "BSD-2-Clause AND LicenseRef-Public-Domain",
    "faster-coco-eval": "Apache-2.0",
    "skops": "MIT",
    "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",
}


def closure(root: str, extras: set[str]) -> dict[str, Distribution]:
    """Every installed distribution that ``root`` needs with its extras."""
    found: dict[str, Distribution] = {}
    waiting, done = [(root, frozenset(extras))], set()
    while waiting:
        name, wanted = waiting.pop()
        key = canonicalize_name(name)
        if (key, wanted) in done:
            continue
        done.add((key, wanted))
        try:
            found[key] = distribution(name)
        except PackageNotFoundError:
            continue  # for another system or Python
        for text in found[key].requires or []:
            needed = Requirement(text)
            scopes = [default_environment() | {"extra": extra} for extra in (wanted or {""})]
            if needed.marker is None or any(needed.marker.evaluate(scope) for scope in scopes):
                waiting.append((needed.name, frozenset(needed.extras)))
    return found


def licence(package: Distribution) -> str:
    """What a package says of its licence, in one line."""
    meta = package.metadata
    if known := KNOWN.get(canonicalize_name(meta["Name"])):
        return known
    if expression := meta.get("License-Expression"):
        return expression
    classified = [
        c.rpartition(" :: ")[2] for c in meta.get_all("Classifier", []) if c.startswith("License ::")
    ]
    classified = [c for c in classified if c != "OSI Approved"]
    if classified:
        return "; ".join(classified)
    first = (meta.get("License") or "").strip().splitlines()
    return first[0][:80] if first else "unknown"


def main() -> int:
    """Print the list; 1 where a licence is refused or unknown."""
    extras = set(distribution("medanomaly").metadata.get_all("Provides-Extra", []))
    packages = closure("medanomaly", extras)
    bad = 0
    for name in sorted(packages):
        if name == "medanomaly":
            continue
        text = licence(packages[name])
        # a choice of licences is the user's
        choices = re.split(r"\s+OR\s+", text)
        refused = all(REFUSED.search(choice) for choice in choices) or text in ("unknown", "UNKNOWN")
        bad += refused
        sys.stdout.write(f"{'!' if refused else ' '} {name:40} {packages[name].version:16} {text}\n")
    sys.stdout.write(f"{len(packages) - 1} packages, {bad} that may not be used\n")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())

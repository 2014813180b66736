"""Names of common symptoms that the English ontology lacks: German, French, and everyday English.

``hp.obo`` has English names only. ``own_names.csv`` is the project's own and short, made for the words of letters and
questionnaires; it is no translation of the ontology. The label after the id is there for readers; the id counts.
"""

import csv
from collections.abc import Iterator
from importlib.resources import files


def own_names() -> Iterator[tuple[str, str, str]]:
    """``(id, language, name)`` of every entry."""
    text = (files(__package__) / "own_names.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        for name in row["names"].split("; "):
            yield row["term"], row["language"], name

"""Which rules of plausibility the values of a table break."""

from collections.abc import Mapping
from typing import Any

from medanomaly.reporting.sections import Cell, Section, Table
from medanomaly.reporting.wording import plural


def quality_section(quality: Mapping[str, Any], noun: str) -> Section:
    """How many records break no rule, and one row per rule that was broken, with the first record as an example.

    Args:
        quality: ``n_records``, ``n_clean_records`` and ``rules``, each with ``column``, ``meaning``, ``n_records`` and
            ``examples`` (``value``, ``message``).
        noun: what a record is called in a sentence.
    """
    rules = sorted(quality["rules"], key=lambda rule: -rule["n_records"])
    rows = [
        (
            rule["column"] or f"whole {noun}",
            rule["meaning"],
            rule["n_records"],
            Cell(rule["examples"][0]["message"] if rule["examples"] else ""),
        )
        for rule in rules
    ]
    text = f"{quality['n_clean_records']:,} of {quality['n_records']:,} {plural(noun)} break no rule of plausibility."
    if rows:
        text += (
            " The others stay in use unless they were set aside. Every flag, with the value that was probably meant, is in "
            "quality_flags.csv."
        )
    columns = ("Column", "What", plural(noun).capitalize(), "For example")
    return Section("Worth checking", text, tables=[Table("", columns, rows)] if rows else [])

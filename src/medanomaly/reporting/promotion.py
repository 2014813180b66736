"""The page about a challenger and a champion: what was compared, and whether the challenger may replace it."""

from collections.abc import Mapping
from typing import Any

from medanomaly import __version__
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.page import render
from medanomaly.reporting.sections import Cell, Section, Table
from medanomaly.reporting.wording import counted

PASSED = "The challenger may replace the champion."
FAILED = "The challenger may not replace the champion."


def comparison_page(found: Mapping[str, Any]) -> str:
    """The page of what ``medanomaly.scoring.promotion.compare_versions`` found."""
    rows = [
        (
            one["name"],
            Cell("holds" if one["passed"] else "fails", badge="pass" if one["passed"] else "fail"),
            one["sentence"],
        )
        for one in found["criteria"]
    ]
    names = found["model"]
    section = Section(
        "Verdict",
        f"{model_label(names['challenger'])} of version {found['challenger']} was compared with "
        f"{model_label(names['champion'])} of version {found['champion']} on the same {found['modality']} cases.",
        lead=PASSED if found["passed"] else FAILED,
        tiles=[
            ("Cases", f"{found['n']:,}", f"of {counted(found['n_patients'], 'patient')}"),
            ("Anomalous", f"{found['n_positive']:,}", "by their labels"),
        ],
        tables=[Table("Conditions", ("Condition", "", "What was found"), rows)],
    )
    run = {"dataset": found["modality"], "version": __version__, "parameters": found["limits"]}
    return render(
        run, [section], title="comparison", heading="Challenger and champion", about=found["challenger"]
    )

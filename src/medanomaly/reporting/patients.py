"""What is said of patients, about whom several modalities speak: one p-value, who speaks, and on what it rests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from medanomaly.evaluation.alarm_choices import CONFIDENCE
from medanomaly.fusion.patient_fusion import TABLE
from medanomaly.reporting.page import render
from medanomaly.reporting.sections import Cell, Fact, Section, Table
from medanomaly.reporting.unusual_cases import label_cell
from medanomaly.reporting.wording import (
    asked,
    counted,
    equals_p_value,
    joined,
    p_value,
    percent,
    short_number,
)

PAGE = "patients/report.html"
# the page shows so many patients in detail, and so many in its table
SHOWN, LISTED, LISTED_FIRST = 6, 50, 10
NOBODY = "nobody"
READING = (
    "The p-value of a patient counts how many normal calibration patients look at least as unusual in all that is known of "
    "them. Speaks: the modality with the smallest p-value, in patients who are flagged."
)


@dataclass(frozen=True)
class PatientResults:
    """What is known of the test patients.

    Attributes:
        fused: one row per patient, most unusual first: :func:`medanomaly.fusion.patient_fusion.fused_table`, ``label``.
        manifest: of the bundle of the fusion.
        alpha: false-alarm rate at which patients were flagged.
        views: modality -> patient -> sections that show the most unusual case.
        bound: alarms whose p-values are exact, and how many of them can be false; None where nobody knows.
    """

    fused: pd.DataFrame
    manifest: Mapping[str, Any]
    alpha: float
    views: Mapping[str, Mapping[str, Sequence[Section]]] = field(default_factory=dict)
    bound: tuple[int, int] | None = None

    @property
    def modalities(self) -> list[str]:
        """That are fused."""
        return [of["modality"] for of in self.manifest["fuses"]]

    @property
    def n_flagged(self) -> int:
        """Patients at or below alpha."""
        return int(self.fused["flagged"].astype(bool).sum())


def shown_patients(fused: pd.DataFrame) -> pd.DataFrame:
    """The patients whom the page shows in detail: the most unusual of every pattern of several modalities, then the next.

    Patients of a single modality are shown only where there are too few others: the page of that modality shows them.
    """
    ordered = fused.sort_values(["p_value", "patient_id"], kind="stable", ignore_index=True)
    place = pd.DataFrame(
        {
            "single": ~ordered["pattern"].str.contains(" + ", regex=False).astype(bool),
            "rank": ordered.groupby("pattern").cumcount(),
        }
    )
    chosen = place.sort_values(["single", "rank"], kind="stable").index[:SHOWN]
    return ordered.loc[sorted(chosen)].reset_index(drop=True)


def patient_section(r: PatientResults) -> Section:
    """What the report of a run says of patients."""
    return Section(
        "Patients",
        lead=_lead(r),
        text=" ".join(_facts(r)),
        cautions=_cautions(r),
        tables=[_table(r, LISTED_FIRST, PAGE)],
        links=[
            ("The most unusual patients with all that is known of them", PAGE),
            ("All test patients", "patients.csv"),
        ],
        key="patients",
    )


def patient_page(run: Mapping[str, Any], r: PatientResults) -> str:
    """The page about patients: as HTML that needs no other file.

    Args:
        run: as of :func:`medanomaly.reporting.report.render_report`.
        r: results.
    """
    answer = Section(
        "The answer",
        lead=_lead(r),
        text=" ".join(_facts(r)),
        cautions=_cautions(r),
        tables=[_table(r, LISTED, "")],
        links=[("All test patients", "../patients.csv")],
        key="answer",
    )
    details = [_patient(r, row, i) for i, row in enumerate(shown_patients(r.fused).itertuples(), start=1)]
    return render(
        run,
        [answer, *details],
        title="patients",
        heading="Who is unusual",
        facts=f"{counted(len(r.fused), 'test patient')}, {joined(r.modalities)}.",
    )


def _lead(r: PatientResults) -> str:
    return (
        f"{r.n_flagged:,} of {counted(len(r.fused), 'test patient')} are unusual at a false-alarm rate of "
        f"{asked(r.alpha)}."
    )


def _facts(r: PatientResults) -> list[str]:
    said = [READING]
    normal = r.fused["label"].eq(0).fillna(False).astype(bool)
    if normal.any():
        share = float(r.fused.loc[normal, "flagged"].astype(bool).mean())
        said.append(f"Of {counted(int(normal.sum()), 'normal patient')} {percent(share)} are flagged.")
    if r.bound is not None:
        n, false = r.bound
        alarms = f"{counted(n, 'alarm')} with an exact p-value"
        said.append(
            f"Of the {alarms} at most {false:,} are false, with a confidence of {percent(CONFIDENCE)}; this needs no label."
            if false < n
            else f"How many of the {alarms} are false cannot be bounded without labels: all of them may be."
        )
    counts = r.fused.loc[r.fused["flagged"].astype(bool), "speaks"].value_counts()
    if len(counts):
        said.append(f"Who speaks: {', '.join(f'{name} {n:,}' for name, n in counts.items())}.")
    return said


def _cautions(r: PatientResults) -> list[str]:
    said = []
    n_table = int(r.fused["basis"].eq(TABLE).sum())
    if n_table:
        said.append(
            f"The p-values of {counted(n_table, 'patient')} come from the table of the Cauchy distribution: fewer than "
            f"{r.manifest['min_joint']} calibration patients have the same modalities. False alarms may exceed "
            f"{asked(r.alpha)} by about a fifth."
        )
    for of in r.manifest["fuses"]:
        floor = 1 / (of["n_patients"] + 1)
        if floor > r.alpha:
            said.append(
                f"{of['modality'].capitalize()} alone cannot flag a patient at {asked(r.alpha)}: with "
                f"{counted(of['n_patients'], 'calibration patient')} its p-value is at least {short_number(floor)}."
            )
    said += [f"{m.capitalize()} is left out: {why}." for m, why in r.manifest["left_out"].items()]
    n_several = r.manifest["patients_in_several_parts"]
    if n_several:
        said.append(
            f"{counted(n_several, 'patient')} left out: different modalities put them into different parts."
        )
    return said


def _table(r: PatientResults, n: int, page: str) -> Table:
    labelled = r.fused["label"].notna().any()
    links = {
        row.patient_id: f"{page}#{_key(i)}"
        for i, row in enumerate(shown_patients(r.fused).itertuples(), start=1)
    }
    rows = []
    for row in r.fused.head(n).to_dict("records"):
        cells = [
            Cell(str(row["patient_id"]), link=links.get(row["patient_id"], "")),
            Cell(p_value(row["p_value"]), "approximate" if row["approximation"] else ""),
            Cell(row["speaks"] or NOBODY),
            *(Cell(p_value(row[f"p_{modality}"])) for modality in r.modalities),
        ]
        rows.append([*cells, label_cell(row["label"], pd.NA)] if labelled else cells)
    columns = ["Patient", "p-value", "Speaks", *(m.capitalize() for m in r.modalities)]
    return Table(
        "Most unusual patients",
        [*columns, "Label"] if labelled else columns,
        rows,
        "Columns of modalities: p-value of each among patients. A dash: the patient has no such case.",
        layout="stacked unusual",
    )


def _key(i: int) -> str:
    return f"patient-{i}"


def _patient(r: PatientResults, row: Any, i: int) -> Section:
    row = row._asdict()
    flagged, given = bool(row["flagged"]), row["pattern"].split(" + ")
    lead = f"p {equals_p_value(row['p_value'])}: "
    lead += f"{row['speaks']} speaks." if flagged else f"not unusual at {asked(r.alpha)}."
    facts = [
        Fact(m.capitalize(), [f"p {equals_p_value(row[f'p_{m}'])} among patients"])
        for m in r.modalities
        if m in given
    ]
    facts.append(Fact("Not given", [joined([m for m in r.modalities if m not in given] or ["nothing"])]))
    # who speaks is shown first
    order = sorted(given, key=lambda m: row[f"p_{m}"])
    shown = [s for m in order for s in r.views.get(m, {}).get(row["patient_id"], [])]
    return Section(
        f"Patient {row['patient_id']}",
        lead=lead,
        cautions=[row["approximation"]] if row["approximation"] else [],
        facts=facts,
        sections=shown,
        key=_key(i),
    )

"""A page per case: the diseases in order, and what each symptom says for and against them, and who says so."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.diagnosis.cautions import cautions, none_of_these
from medanomaly.diagnosis.knowledge.source import versions_in_words
from medanomaly.reporting.page import render
from medanomaly.reporting.sections import Cell, Fact, Section, Table
from medanomaly.reporting.wording import DASH, counted, equals_p_value, percent, signed

# diseases that are listed, and those whose symptoms are shown one by one
LISTED, EXPLAINED = 20, 5
SHOWN_SYMPTOMS = 60
REASON_COLUMNS = (
    "Symptom of the patient",
    "For or against",
    "Known of this disease",
    "How often",
    "Who says so",
)


def page_name(case_id: str) -> str:
    """A case as the name of a file, the same on every system; two cases never share one."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", str(case_id)).strip("._")
    if plain == str(case_id):
        return plain
    return f"{plain or 'case'}-{hashlib.blake2b(str(case_id).encode(), digest_size=4).hexdigest()}"


def case_pages(
    patients: pd.DataFrame,
    symptoms: pd.DataFrame,
    unread: pd.DataFrame,
    rankings: pd.DataFrame,
    reasons: pd.DataFrame,
    questions: pd.DataFrame,
    scores: pd.DataFrame,
    manifest: Mapping[str, Any],
    dataset: str,
) -> dict[str, str]:
    """Name of a page -> HTML, for every case that has reasons.

    Args:
        patients, symptoms, unread: tables of :class:`medanomaly.diagnosis.patients.PatientSymptoms`.
        rankings, reasons, questions: what the model says (:mod:`medanomaly.diagnosis.scorer`).
        scores: score table of the model.
        manifest: of the model.
        dataset: where the cases come from.
    """
    parts = {name: dict(list(table.groupby("case_id", sort=False))) for name, table in (
        ("symptoms", symptoms), ("unread", unread), ("rankings", rankings), ("reasons", reasons),
        ("questions", questions),
    )}  # fmt: skip
    p_value = scores.set_index("case_id")["p_value"]
    about = patients.set_index("case_id")
    pages = {}
    for case, of_case in parts["reasons"].items():
        pages[page_name(case)] = case_page(
            str(case),
            about.loc[case],
            parts["symptoms"][case],
            parts["unread"].get(case, unread.head(0)),
            parts["rankings"][case],
            of_case,
            float(p_value.get(case, np.nan)),
            manifest,
            dataset,
            parts["questions"].get(case),
        )
    return pages


def case_page(
    case: str,
    patient: pd.Series,
    symptoms: pd.DataFrame,
    unread: pd.DataFrame,
    ranking: pd.DataFrame,
    reasons: pd.DataFrame,
    p_value: float,
    manifest: Mapping[str, Any],
    dataset: str = "",
    questions: pd.DataFrame | None = None,
) -> str:
    """One case as a self-contained HTML page.

    Args:
        case: its name.
        patient: row of the table of cases.
        symptoms: ``term``, ``excluded``, ``weight``, ``given``.
        unread: ``given``, ``reason``.
        ranking: its rows of the rankings.
        reasons: its rows of the reasons.
        p_value: of how little it looks like any disease that is known; NaN where it has none.
        manifest: of the model: name, knowledge, version.
        dataset: where the case comes from; empty for a new one.
        questions: symptoms to look for next: ``name``, ``term``, ``gain_bits``, ``yes``, ``for_disease``,
            ``for_name``, ``against_disease``, ``against_name``; None or empty where there are none.
    """
    knowledge = manifest["knowledge"]
    run = {
        "dataset": dataset or "a case that came later",
        "version": manifest.get("version"),
        "Model": f"{manifest['name']}, trained on {manifest.get('dataset', 'unknown data')}",
        **{word.capitalize(): text for word, text in knowledge.items()},
    }
    said: dict[str, list] = {}
    for row in reasons.itertuples(index=False):
        said.setdefault(row.disease, []).append(row)
    sections = [
        _answer(patient, symptoms, ranking, p_value, (manifest.get("probabilities") or {}).get("coverage")),
        _list(ranking, said),
        _for_and_against(ranking, said),
        _symptoms(symptoms, reasons),
        *([_questions(questions)] if questions is not None and len(questions) else []),
        *([_unread(unread)] if len(unread) else []),
        _words(knowledge),
    ]
    return render(
        run,
        [section for section in sections if section is not None],
        title="diagnosis",
        heading="Diseases that fit the symptoms",
        about=case,
        facts=_facts(patient),
    )


def _facts(patient: pd.Series) -> str:
    sex = {"F": "female", "M": "male"}.get(patient.get("sex"), "sex not given")
    age = patient.get("age_years")
    said = f"{sex}, age not given" if pd.isna(age) else f"{sex}, {_age(float(age))}"
    onset = patient.get("onset_years")
    if onset is not None and pd.notna(onset):
        said += f", onset {_when(float(onset))}"
    return said.capitalize() + "."


def _when(onset: float) -> str:
    if onset < 0:
        return "before birth"
    return "at birth" if round(12 * onset) == 0 else f"at {_age(onset)}"


def _age(years: float) -> str:
    if years < 2:
        return counted(round(12 * years), "month")
    return counted(int(years), "year")


def _answer(
    patient: pd.Series, symptoms: pd.DataFrame, ranking: pd.DataFrame, p_value: float, coverage: float | None
) -> Section:
    first = ranking.iloc[0]
    observed = int((~symptoms["excluded"]).sum())
    n_excluded = len(symptoms) - observed
    lead = f"{first['disease_name']} ({first['disease']}) fits best."
    text = (
        f"It rests on {counted(observed, 'observed symptom')} and {counted(n_excluded, 'excluded symptom')}."
    )
    if pd.notna(first["probability"]):
        text += (
            f" Its probability is {percent(first['probability'])}; that it is none of this list, "
            f"{percent(none_of_these(ranking))}. Both hold for cases like those of calibration, which were published."
        )
    if coverage is not None and pd.notna(first["set_size"]):
        text += (
            f" The set that holds the right disease in {percent(coverage)} of such cases has "
            f"{counted(int(first['set_size']), 'disease')}."
        )
    if pd.notna(p_value):
        text += (
            f" The p-value is {equals_p_value(p_value).lstrip('= ')}: the share of patients with a known disease who "
            "look at most as much like one."
        )
    diagnosed = patient.get("disease")
    if diagnosed is not None and pd.notna(diagnosed):
        own = ranking[ranking["disease"] == diagnosed]
        place = f"stands at rank {int(own['rank'].iloc[0])}" if len(own) else "is not in the list"
        name = patient.get("disease_name")
        text += f" The disease that was diagnosed, {name if pd.notna(name) and name else diagnosed}, {place}."
    return Section("The answer", text, lead=lead, cautions=cautions(ranking, p_value, observed), key="answer")


def _list(ranking: pd.DataFrame, reasons: Mapping[str, list]) -> Section:
    table = disease_table(ranking.head(LISTED), reasons, linked=EXPLAINED)
    return Section("Diseases in order", tables=[table], key="list")


def disease_table(ranking: pd.DataFrame, reasons: Mapping[str, Sequence[Any]], linked: int = 0) -> Table:
    """Diseases in order, with what says most for and against each.

    Args:
        ranking: rows of the rankings of one case.
        reasons: disease -> rows of its reasons, the strongest first.
        linked: so many of the first diseases lead to their place on the page.
    """
    rows, marks = [], []
    sure = ranking["probability"].notna().any()
    for place, row in enumerate(ranking.itertuples()):
        of = reasons.get(row.disease, [])
        link = f"#{_key(row.disease)}" if of and place < linked else ""
        cells = [Cell(f"{row.rank}"), Cell(row.disease_name, small=row.disease, link=link)]
        if sure:
            cells.append(Cell(DASH if pd.isna(row.probability) else percent(row.probability)))
        cells += [Cell(_strongest(of, 1)), Cell(_strongest(of, -1))]
        rows.append(cells)
        marks.append("leading" if pd.notna(row.in_set) and row.in_set else "")
    columns = ["Rank", "Disease", *(["Probability"] if sure else []), "Most for it", "Most against it"]
    note = (
        "Equal ranks are ties. Marked rows: the set of diseases that is promised to hold the right one."
        if any(marks)
        else ""
    )
    return Table("", columns, rows, note, marks=marks, layout="stacked")


def _strongest(reasons: Sequence[Any], sign: int, shown: int = 3) -> str:
    """The symptoms that say most for (1) or against (-1) a disease."""
    toward = sorted((row for row in reasons if sign * row.log_ratio > 0), key=lambda row: -abs(row.log_ratio))
    return "; ".join(_written(row) for row in toward[:shown])


def _written(row: Any) -> str:
    return f"no {_lower(row.name)}" if row.excluded else _lower(row.name)


def _lower(name: str) -> str:
    """A name inside of a sentence; abbreviations stay."""
    return name[:1].lower() + name[1:] if name[1:2].islower() or name[1:2] == " " else name


def _key(disease: str) -> str:
    return f"disease-{re.sub(r'[^A-Za-z0-9]+', '-', disease)}"


def _for_and_against(ranking: pd.DataFrame, reasons: Mapping[str, list]) -> Section:
    below = []
    scale = max((abs(row.log_ratio) for of in reasons.values() for row in of), default=1.0) or 1.0
    for row in ranking.head(EXPLAINED).itertuples():
        of = reasons.get(row.disease, [])
        if not of:
            continue
        more = f"{len(of) - SHOWN_SYMPTOMS} further symptoms say less." if len(of) > SHOWN_SYMPTOMS else ""
        rows = [_reason(reason, scale) for reason in of[:SHOWN_SYMPTOMS]]
        chance = f", probability {percent(row.probability)}" if pd.notna(row.probability) else ""
        below.append(
            Section(
                f"{row.rank}. {row.disease_name} ({row.disease}{chance})",
                tables=[Table("", REASON_COLUMNS, rows, more)],
                key=_key(row.disease),
            )
        )
    return Section(
        "What speaks for and against each",
        "The bar is the logarithm of the likelihood ratio: how much more often this disease has the symptom than diseases "
        "have it on average. To the right it speaks for the disease, to the left against it. Excluded symptoms count less.",
        sections=below,
        key="for-and-against",
    )


def _reason(row: Any, scale: float) -> Sequence[Cell]:
    small = [row.term] + ([f"weight {row.weight:g}"] if row.weight < 1 else [])
    matched = "the same" if row.matched_term == row.term else row.matched_name or "nothing like it"
    often = percent(row.frequency) if row.frequency else DASH
    half = 50 * min(abs(row.log_ratio) / scale, 1.0)
    return (
        Cell(f"excluded: {_lower(row.name)}" if row.excluded else row.name, small=", ".join(small)),
        Cell(
            signed(row.log_ratio, 2),
            mark="less" if row.log_ratio >= 0 else "more",
            bar=(50.0 if row.log_ratio >= 0 else 50.0 - half, half),
        ),
        Cell(matched, small="" if matched in ("the same", "nothing like it") else row.matched_term),
        Cell(often, small=row.stated if row.stated and row.frequency else ""),
        Cell(str(row.reference).replace(";", ", ")),
    )


def _symptoms(symptoms: pd.DataFrame, reasons: pd.DataFrame) -> Section:
    names = dict(zip(reasons["term"], reasons["name"], strict=True))
    tables = []
    for word, excluded in (("Observed", False), ("Excluded", True)):
        of = symptoms[symptoms["excluded"] == excluded]
        if of.empty:
            continue
        rows = [
            (
                Cell(names.get(row.term, row.term)),
                Cell(row.term),
                Cell("sure" if row.weight == 1 else f"{row.weight:g}"),
                Cell("" if str(row.given) in (row.term, "") else str(row.given)),
            )
            for row in of.itertuples()
        ]
        folded = len(rows) > SHOWN_SYMPTOMS
        title = f"{word} ({len(rows)})"
        tables.append(
            Table(title, ("Symptom", "Term", "Weight", "Written as, where not so"), rows, folded=folded)
        )
    return Section("Symptoms that were used", tables=tables, key="symptoms")


def _questions(questions: pd.DataFrame) -> Section:
    rows = [
        (
            Cell(row.name, small=row.term),
            Cell(percent(row.yes)),
            Cell(row.for_name, small=row.for_disease),
            Cell(row.against_name, small=row.against_disease),
            Cell(f"{row.gain_bits:.2f}"),
        )
        for row in questions.itertuples(index=False)
    ]
    return Section(
        "What to look for next",
        "Whether the patient has these symptoms is expected to tell most about which disease of the list it is.",
        tables=[
            Table(
                "", ("Symptom", "Expected", "If present, for", "If present, against", "Gain, in bits"), rows
            )
        ],
        key="next",
    )


def _unread(unread: pd.DataFrame) -> Section:
    rows = [(Cell(str(row.given) or DASH), Cell(row.reason)) for row in unread.itertuples(index=False)]
    return Section(
        "What was not read, or otherwise than written",
        tables=[Table("", ("Written", "Why"), rows)],
        key="unread",
    )


_READING = {
    "For or against": "0 says nothing, 1 is 2.7 times as often as on average, 2 is 7.4 times, −3 a twentieth.",
    "Known of this disease": "The term of the statement behind the figure: the symptom itself, a kind of it, or what it is "
    "a kind of.",
    "Who says so": "PMID is a publication. OMIM and ORPHA are the catalogues themselves. Cases are train cases.",
}


def _words(knowledge: Mapping[str, str]) -> Section:
    sources = [versions_in_words(knowledge), knowledge["licence"]]
    return Section(
        "How to read this page",
        facts=[*(Fact(word, [text]) for word, text in _READING.items()), Fact("Knowledge", sources)],
        notes=["A disease that nobody has described, or that is not in this release, cannot be in the list."],
        key="reading",
    )

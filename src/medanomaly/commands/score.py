"""``medanomaly score``: answers for raw cases."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medanomaly.commands.terminal import (
    add_reading_options,
    as_json,
    folder_of_models,
    opened,
    print_table,
    printable,
    progress,
    reading_options,
)
from medanomaly.core.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

    from medanomaly.scoring.answers import Answers
    from medanomaly.scoring.patients import PatientAnswers

SHOWN_REFUSALS, SHOWN_FINDINGS = 5, 10
# refused cases that are named per reason
SHOWN_NAMES = 3


@click.command("score")
@click.argument("raw")
@folder_of_models
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write all answers: a name that ends in .csv, .json or .parquet.",
)
@click.option(
    "--fhir",
    "fhir_path",
    type=click.Path(path_type=Path),
    help="Write all answers as FHIR R4B resources, one per line: RiskAssessment, and DetectedIssue for alarms.",
)
@click.option("--alpha", type=float, help="Flag cases at this false-alarm rate instead of that of training.")
@click.option(
    "--reweight",
    is_flag=True,
    help="Weight the calibration cases so that they are taken as these cases are; for 50 cases or more of another source.",
)
@click.option("--model", "names", multiple=True, help="Ask this model alone; can be given several times.")
@click.option(
    "--patients",
    "of_patients",
    is_flag=True,
    help="RAW is a folder with one folder per patient, or that of one patient; answer with one p-value per patient.",
)
@add_reading_options
@click.option("--top", default=10, show_default=True, type=click.IntRange(0), help="So many cases are shown.")
@as_json
@click.pass_context
def command(
    ctx: click.Context,
    raw: str,
    folder: Path,
    output: Path | None,
    fhir_path: Path | None,
    alpha: float | None,
    reweight: bool,
    names: tuple[str, ...],
    of_patients: bool,
    modality: str | None,
    history: str | None,
    fs: float | None,
    leads: str | None,
    units: str | None,
    top: int,
    as_json: bool,
) -> None:
    """Score the raw cases in RAW: a table, a recording, an image, or a folder of them.

    Models that were trained on events of a hospital also take FHIR (.json, .ndjson), and folders of OMOP, FHIR, MEDS or CSV.

    The most unusual cases come first, with reasons, and what looks wrong in the data. The exit code is 1 where no case could
    be scored; a case that is refused costs only itself.

    \b
    medanomaly score new.csv --models data/06_models/visits
    medanomaly score new.csv --models data/06_models/visits -o answers.csv --history earlier.csv
    medanomaly score ecg.csv --models data/06_models/holter --fs 250 --units mV
    medanomaly score ward --models data/06_models/synthetic --patients
    medanomaly score bundle.json --models data/06_models/omop --fhir answers.ndjson
    """
    from medanomaly.scoring.answers import ENDINGS
    from medanomaly.scoring.models import EXPLAINED

    if output is not None and output.suffix.lower() not in ENDINGS:
        raise ConfigurationError(
            f"'{output}' does not end in {', '.join(ENDINGS)}", remedy="The ending says what is written."
        )
    if of_patients:
        if names or reweight or modality is not None or history is not None:
            raise ConfigurationError(
                "--patients asks the models that the run fuses, of all modalities",
                remedy="Leave out --model, --modality, --history and --reweight.",
            )
        reading = {"fs": fs, "leads": None if leads is None else leads.split(","), "units": units}
        score_patients(ctx, Path(raw), folder, output, fhir_path, alpha, reading, top, as_json)
        return
    with progress("Scoring") as say:
        say("opening the models", 0, 1)
        models = opened(folder)
        options = reading_options(models, raw, modality, history=history, fs=fs, leads=leads, units=units)
        # reasons take most of the time: those that nobody sees are not asked for
        explained = top if output is None and fhir_path is None and not as_json else max(top, EXPLAINED)
        answers = models.score(
            raw,
            modality=modality,
            models=names or None,
            alpha=alpha,
            explain=explained,
            reweight=reweight,
            progress=say,
            **options,
        )
    if output is not None:
        answers.save(output)
    if fhir_path is not None:
        from medanomaly.scoring.fhir import fhir_resources, write_fhir

        n_resources = write_fhir(fhir_resources(answers), fhir_path)
    if as_json:
        click.echo(answers.to_json(indent=1))
    else:
        _show(answers, top)
        if fhir_path is not None:
            click.echo(f"{n_resources:,} FHIR resources: {fhir_path}")
        if output is not None:
            click.echo(f"All answers: {output}")
    if answers.empty:
        ctx.exit(1)


def score_patients(
    ctx: click.Context,
    raw: Path,
    folder: Path,
    output: Path | None,
    fhir_path: Path | None,
    alpha: float | None,
    reading: dict[str, Any],
    top: int,
    as_json: bool,
) -> None:
    """Answers about the patients of a folder."""
    from medanomaly.scoring.patients import PatientAnswers, patient_folders

    with progress("Scoring") as say:
        say("opening the models", 0, 1)
        models = opened(folder)
        found = patient_folders(raw, models.modalities)
        given = {name: value for name, value in reading.items() if value is not None}
        options = {"signals": given} if given else {}
        answered = []
        for i, path in enumerate(found):
            say(path.name, i, len(found))
            answered.append(models.patient(path, alpha=alpha, options=options))
    answers = PatientAnswers(answered)
    if output is not None:
        answers.save(output)
    if fhir_path is not None:
        from medanomaly.scoring.fhir import write_fhir
        from medanomaly.scoring.fhir_patients import patient_resources

        n_resources = write_fhir(patient_resources(answered), fhir_path)
    if as_json:
        click.echo(answers.to_json(indent=1))
    else:
        _show_patients(answers, top)
        if fhir_path is not None:
            click.echo(f"{n_resources:,} FHIR resources: {fhir_path}")
        if output is not None:
            click.echo(f"All answers: {output}")
    if not any(patient.scored for patient in answered):
        ctx.exit(1)


def _show_patients(answers: "PatientAnswers", top: int) -> None:
    from medanomaly.scoring.answers import NOTICE

    scored = [patient for patient in answers.patients if patient.scored]
    first = sorted(scored, key=lambda patient: (patient.p_value, patient.patient_id))[:top]
    rows = [
        (
            patient.patient_id,
            _figure(patient.p_value),
            " and ".join(patient.speaks) or "nobody",
            ", ".join(f"{of['modality']} {of['p_value']:.3g}" for of in patient.to_dict()["modalities"]),
            ", ".join(patient.not_given),
        )
        for patient in first
    ]
    if rows:
        columns = ("patient", ">p-value", "speaks", "p-value of each modality", "not given")
        print_table(
            columns, rows, f"The {len(rows)} most unusual of {len(scored):,} patients", wrapped=columns[3:]
        )
    if scored:
        n, alpha = sum(patient.flagged for patient in scored), scored[0].alpha
        click.echo(f"{n:,} of {len(scored):,} patients are unusual at a false-alarm rate of {alpha:g}.")
    said = Counter(
        patient.to_dict()["approximation"] for patient in scored if patient.to_dict()["approximation"]
    )
    for sentence, times in said.items():
        click.echo(f"{times:,} of {len(scored):,} p-values: {sentence}")
    with_symptoms = [patient for patient in answers.patients if patient.rankings]
    for patient in with_symptoms[:top]:
        first = printable("; ".join(patient.likely_diseases()))
        p = min(p for found in patient.rankings.values() for p in found.p_value.values())
        click.echo(f"Diseases that would explain {printable(patient.patient_id)}: {first}. p-value {p:.3g}.")
    if with_symptoms:
        click.echo(
            "The number behind a disease is its probability. The p-value is small where the symptoms look like those of no "
            "patient whose disease is known."
        )
    for patient in answers.patients:
        for part, reason in list(patient.refused.items())[:SHOWN_REFUSALS]:
            click.echo(f"Refused of {printable(patient.patient_id)}: {printable(part)}: {printable(reason)}")
    click.echo(NOTICE)


def _show(answers: "Answers", top: int) -> None:
    table = answers.table
    scored = table[table["status"] == "scored"]
    n = scored["case_id"].nunique()
    told_apart = scored["model"].isin(set() if answers.classes is None else answers.classes.rows["model"])
    if (~told_apart).any():
        _show_cases(answers, scored[~told_apart], n, top)
    for model, rows in scored[told_apart].groupby("model", sort=False):
        _show_classes(answers, rows, str(model), n, top)
    refused = table[table["status"] == "refused"]
    if len(refused):
        click.echo(f"Refused: {len(refused):,} of {n + len(refused):,}")
        counts = refused["reasons"].value_counts()
        for reason, times in counts.head(SHOWN_REFUSALS).items():
            named = refused.loc[refused["reasons"].eq(reason), "case"].head(SHOWN_NAMES).tolist()
            others = f" and {times - len(named):,} more" if times > len(named) else ""
            click.echo(f"- {printable(', '.join(map(str, named)))}{others}: {printable(reason)}")
        if len(counts) > SHOWN_REFUSALS:
            click.echo(f"- and {len(counts) - SHOWN_REFUSALS} other reasons; -o writes all")
    _show_findings(answers)
    _show_validity(answers, n)
    for note in answers.read.notes:
        click.echo(f"Note: {printable(note)}")
    from medanomaly.scoring.answers import NOTICE

    click.echo(NOTICE)


def _show_cases(answers: "Answers", scored: "pd.DataFrame", n: int, top: int) -> None:
    leading = answers.leading
    of_leading = scored[scored["model"] == leading]
    # a model of probabilities has no p-value, and orders cases by them
    by = "score" if of_leading["score"].notna().any() else "probability"
    first = of_leading.sort_values(by, ascending=False, kind="stable").head(top)
    models = scored["model"].nunique()
    flags = scored["flagged"].eq(True).groupby(scored["case_id"]).sum()
    n_flagged = int(of_leading["flagged"].eq(True).sum())
    rows = [
        (
            row.case,
            _figure(row.p_value if by == "score" else row.probability),
            f"{flags[row.case_id]} of {models}",
            row.reasons,
            "; ".join(filter(None, (row.findings, f"not given: {row.missing}" if row.missing else ""))),
        )
        for row in first.itertuples()
    ]
    noun = f"{answers.noun}{'s' * (n != 1)}"
    shown = f"The {len(rows)} most unusual of {n:,} {noun}" if len(rows) < n else f"{n:,} {noun}"
    columns = (
        answers.noun,
        ">p-value" if by == "score" else ">probability",
        ">flagged by",
        "why",
        "what looks wrong",
    )
    if rows:
        print_table(columns, rows, f"{shown}, by {leading}", wrapped=columns[3:])
    alpha = of_leading["alpha"].dropna()
    at = f" at a false-alarm rate of {float(alpha.iloc[0]):g}" if len(alpha) else ""
    click.echo(f"{leading} flags {n_flagged:,} of {n:,} {noun}{at}.")


def _show_classes(answers: "Answers", scored: "pd.DataFrame", model: str, n: int, top: int) -> None:
    """The class of each case, the least sure first."""
    first = scored.sort_values("probability", kind="stable").head(top)
    rows = [
        (
            row.case,
            row["class"] if isinstance(row["class"], str) else "none",
            _figure(row.probability),
            row.class_set,
            _figure(row.p_value),
            row.reasons,
        )
        for _, row in first.iterrows()
    ]
    columns = (answers.noun, "class", ">probability", "set", ">p-value", "why")
    noun = f"{answers.noun}{'s' * (n != 1)}"
    shown = f"The {len(rows)} least sure of {n:,} {noun}" if len(rows) < n else f"{n:,} {noun}"
    print_table(columns, rows, f"{shown}, by {model}", wrapped=(columns[1], columns[3], columns[5]))
    unlike = int(scored["class"].isna().sum())
    if unlike:
        click.echo(
            f"{model} names no class of {unlike:,} of {n:,} {noun}, which look like no known {answers.noun}."
        )
    click.echo(
        f"The p-value of {model} is the share of known {answers.noun}s that look at least as unusual; where it is small no "
        "class is named."
    )


def _show_findings(answers: "Answers") -> None:
    """What looks wrong in a recording as a whole."""
    from medanomaly.scoring.answers import finding_in_words

    found: dict[tuple, list[str]] = {}
    for one in answers.to_dict()["findings"]:
        key = (one["source"], one.get("column"), one.get("rule"))
        found.setdefault(key, []).append(finding_in_words(one))
    for (source, *_), said in list(found.items())[:SHOWN_FINDINGS]:
        more = f" (and {len(said) - 1:,} more like it)" if len(said) > 1 else ""
        click.echo(f"Looks wrong in {printable(source)}: {printable(said[0])}{more}")
    if len(found) > SHOWN_FINDINGS:
        click.echo(f"and {len(found) - SHOWN_FINDINGS} more kinds of findings; --json has all")


def _figure(value: object) -> str:
    import pandas as pd

    return f"{float(value):.3g}" if pd.notna(value) else ""


def _show_validity(answers: "Answers", n: int) -> None:
    if not n:
        return
    # a model of another modality carries it in its name
    leading = (answers.leading, f"{answers.modality}.{answers.leading}")
    said = {check.reason: check.verdict for model, check in answers.shift.items() if model in leading}
    words = {
        "holds": "P-values hold",
        "broken": "P-values do not hold",
        "unknown": "Nobody can tell whether p-values hold",
    }
    without_weights = {
        "holds": "P-values would hold without weights",
        "broken": "P-values would not hold without weights",
        "unknown": "Nobody can tell whether p-values would hold without weights",
    }
    weighted = [of for model, of in answers.weighted.items() if model in leading]
    for reason, verdict in said.items():
        click.echo(f"{(without_weights if weighted else words)[verdict]} ({reason}).")
    for weighting in weighted:
        click.echo(f"P-values {weighting.in_words}.")
    if not answers.shift and len(answers.scores):
        click.echo("Whether p-values hold is not tested: cases of one recording are not independent.")

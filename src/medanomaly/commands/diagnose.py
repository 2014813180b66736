"""``medanomaly diagnose``: diseases in order for a patient, with what each symptom says."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medanomaly.commands.terminal import as_json, opened, print_table, printable, progress
from medanomaly.core.errors import ConfigurationError, DataNotFoundError

if TYPE_CHECKING:
    from medanomaly.scoring.rankings import Rankings

SHOWN_UNREAD, SHOWN_SYMPTOMS, SHOWN_CASES = 10, 30, 10


@click.command("diagnose")
@click.argument("raw", required=False)
@click.option(
    "--models",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of trained models; where it is left out, the one with a ranker below data/06_models.",
)
@click.option("--text", help="Symptoms in words, such as a sentence of a letter, instead of RAW.")
@click.option("--model", "name", help="Ask this model; the leading one where it is left out.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1, 500), help="So many diseases.")
@click.option(
    "--explain",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="So many of them symptom by symptom.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write all: a name that ends in .csv, .json, .parquet, or .html for a page to read.",
)
@as_json
@click.pass_context
def command(
    ctx: click.Context,
    raw: str | None,
    folder: Path | None,
    text: str | None,
    name: str | None,
    top: int,
    explain: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Rank diseases by the symptoms of the patients in RAW: a phenopacket, a FHIR bundle, a table, or a folder or ZIP.

    Each disease comes with what speaks for and against it, and who says so. What could not be read is listed. The exit code
    is 1 where no case could be ranked.

    \b
    medanomaly diagnose case.json
    medanomaly diagnose --text "seizures since the age of 3 months, no heart defect"
    medanomaly diagnose case.json -o case.html
    """
    from medanomaly.scoring.rankings import ENDINGS

    if (raw is None) == (text is None):
        raise click.UsageError("Give RAW or --text.")
    if output is not None and output.suffix.lower() not in ENDINGS:
        raise ConfigurationError(
            f"'{output}' does not end in {', '.join(ENDINGS)}", remedy="The ending says what is written."
        )
    with progress("Ranking") as say:
        say("opening the models", 0, 1)
        models = opened(folder or _folder())
        options = {} if text is None else {"text": text}
        # a page and a program get the reasons of all diseases that they show
        explained = explain if output is None and not as_json else max(explain, 10)
        found = models.rank(raw, model=name, top=top, explain=explained, **options)
    if output is not None:
        found.save(output)
    if as_json:
        click.echo(found.to_json(indent=1))
    else:
        show(found, explain)
        if output is not None:
            click.echo(f"Written: {output}")
    if found.rankings.empty:
        ctx.exit(1)


def _folder() -> Path:
    """The folder of models with a ranker.

    Raises:
        DataNotFoundError: there is none.
        ConfigurationError: there are several.
    """
    root = Path(os.environ.get("MEDANOMALY_OUTPUTS", "data")) / "06_models"
    found = sorted(path.parents[2] for path in root.glob("*/diagnosis/recipe/manifest.json"))
    if not found:
        raise DataNotFoundError(
            "there is no trained ranker below it",
            source=root,
            remedy="Train one (kedro run --env phenopackets, or kedro run), or name a folder with --models.",
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"there are several trained rankers: {', '.join(path.name for path in found)}",
            remedy=f"Name one, such as --models {found[0]}.",
        )
    return found[0]


def show(found: "Rankings", explain: int) -> None:
    """Print the cases, one after another."""
    answers = found.to_dict()
    for case in answers["cases"][:SHOWN_CASES]:
        _show_case(case, explain)
    if len(answers["cases"]) > SHOWN_CASES:
        click.echo(f"And {len(answers['cases']) - SHOWN_CASES:,} more cases; -o writes all.\n")
    from medanomaly.diagnosis.knowledge.source import versions_in_words

    knowledge = answers["knowledge"]
    click.echo(f"Knowledge: {versions_in_words(knowledge)}. {knowledge['licence']}")
    click.echo(answers["notice"])


def _show_case(case: dict[str, Any], explain: int) -> None:
    click.echo(f"Patient {printable(case['case_id'])}")
    if case["status"] == "refused":
        click.echo(f"Refused: {printable(case['reason'])}")
    else:
        excluded = sum(symptom["excluded"] for symptom in case["symptoms"])
        n = len(case["symptoms"]) - excluded
        click.echo(
            f"{n} observed and {excluded} excluded symptom{'s' * (n + excluded != 1)}. p-value {case['p_value']:.3g}: small "
            "where the patient looks like no disease that is known."
        )
        if case["missing"]:
            click.echo(f"Not given: {', '.join(case['missing'])}")
        if "set_size" in case:
            click.echo(f"The set that is promised to hold the right disease has {case['set_size']} diseases.")
        _show_list(case["diseases"])
        for disease in case["diseases"][:explain]:
            _show_reasons(disease)
        if case.get("look_for_next"):
            _show_questions(case["look_for_next"])
    for part in case["not_read"][:SHOWN_UNREAD]:
        click.echo(
            f"- {printable(part['given'])}: {printable(part['reason'])}"
            if part["given"]
            else f"- {part['reason']}"
        )
    if len(case["not_read"]) > SHOWN_UNREAD:
        click.echo(f"- and {len(case['not_read']) - SHOWN_UNREAD} more remarks; --json has all")
    click.echo("")


def _show_list(diseases: list[dict[str, Any]]) -> None:
    sure = any("probability" in disease for disease in diseases)
    rows = [
        (
            disease["rank"],
            disease["disease_name"],
            disease["disease"],
            *([f"{disease['probability']:.3g}" if "probability" in disease else ""] if sure else []),
            _strongest(disease.get("reasons", []), 1),
            _strongest(disease.get("reasons", []), -1),
        )
        for disease in diseases
    ]
    columns = (">rank", "disease", "id", *([">probability"] if sure else []), "for", "against")
    print_table(columns, rows, wrapped=("disease", "for", "against"))


def _show_questions(questions: list[dict[str, Any]]) -> None:
    rows = [
        (
            question["name"],
            f"{100 * question['yes']:.0f} %",
            question["for_name"],
            question["against_name"],
        )
        for question in questions
    ]
    columns = ("symptom", ">expected", "if present, for", "if present, against")
    print_table(columns, rows, title="What to look for next", wrapped=("symptom", *columns[2:]))


def _strongest(reasons: list[dict[str, Any]], sign: int, shown: int = 3) -> str:
    toward = sorted((r for r in reasons if sign * r["log_ratio"] > 0), key=lambda r: -abs(r["log_ratio"]))
    return "; ".join(f"{'no ' * r['excluded']}{r['name']}" for r in toward[:shown])


def _show_reasons(disease: dict[str, Any]) -> None:
    rows = [
        (
            f"{'excluded: ' * reason['excluded']}{reason['name']}",
            f"{reason['log_ratio']:+.2f}",
            reason.get("matched_name", "nothing like it")
            if reason.get("matched_term") != reason["term"]
            else "the same",
            f"{100 * reason['frequency']:.0f} %" if reason.get("frequency") else "",
            reason.get("reference", ""),
        )
        for reason in disease.get("reasons", [])[:SHOWN_SYMPTOMS]
    ]
    title = f"{disease['rank']}. {disease['disease_name']}: for (+) and against (-), as log likelihood ratio"
    columns = ("symptom", ">for or against", "known of this disease", ">how often", "who says so")
    print_table(columns, rows, title=title, wrapped=("symptom", "known of this disease", "who says so"))

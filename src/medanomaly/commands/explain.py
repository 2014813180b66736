"""``medanomaly explain``: all reasons of one case."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medanomaly.commands.terminal import (
    add_reading_options,
    as_json,
    folder_of_models,
    opened,
    printable,
    progress,
    reading_options,
)
from medanomaly.core.errors import ConfigurationError, InputError, did_you_mean

if TYPE_CHECKING:
    from medanomaly.scoring.answers import Answers

# reasons that are shown to a person; JSON has all
SHOWN = 12


@click.command("explain")
@click.argument("raw")
@folder_of_models
@click.option("--case", "wanted", help="Id of the case; the most unusual one where it is left out.")
@click.option("--model", "names", multiple=True, help="Ask this model alone; can be given several times.")
@add_reading_options
@as_json
def command(
    raw: str,
    folder: Path,
    wanted: str | None,
    names: tuple[str, ...],
    modality: str | None,
    history: str | None,
    fs: float | None,
    leads: str | None,
    units: str | None,
    as_json: bool,
) -> None:
    """Say in words why one case of RAW is unusual, model by model.

    \b
    medanomaly explain new.csv --models data/06_models/visits
    medanomaly explain new.csv --models data/06_models/visits --case V-1017 --model ecdf
    """
    with progress("Explaining") as say:
        say("opening the models", 0, 1)
        models = opened(folder)
        options = reading_options(models, raw, modality, history=history, fs=fs, leads=leads, units=units)
        asked = {"modality": modality, "models": names or None, "progress": say, **options}
        case = wanted
        if case is None:
            case = _most_unusual(models.score(raw, explain=False, **asked))
        answers = models.score(raw, explain=[case], **asked)
    found = _of_case(answers.to_dict(), case)
    if found is None:
        ids = [*answers.read.cases["case_id"], *answers.read.refused["case_id"]]
        shown = ", ".join(printable(name) for name in ids[:10]) + (" ..." if len(ids) > 10 else "")
        raise ConfigurationError(
            f"there is no case '{case}'", remedy=f"{did_you_mean(case, ids)}There are {shown}."
        )
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(found, answers.noun)


def _most_unusual(answers: "Answers") -> str:
    scores = answers.table[answers.table["model"].eq(answers.leading)]
    if scores.empty and answers.classes is not None and len(answers.classes.rows):
        # nothing says what is unusual: the case whose class is least sure
        first = answers.classes.rows.drop_duplicates("case_id")
        return str(first["case_id"].iloc[int(first["probability"].to_numpy().argmin())])
    if scores.empty:
        reason = answers.read.refused["reason"]
        raise InputError(
            f"no case can be scored: {reason.iloc[0]}" if len(reason) else "there is no case to explain"
        )
    order = scores["score"].astype(float).fillna(scores["probability"].astype(float))
    return str(scores["case_id"].iloc[int(order.to_numpy().argmax())])


def _of_case(answers: dict[str, Any], case: str) -> dict[str, Any] | None:
    found = next((one for one in answers["cases"] if case in (one["case_id"], one["case"])), None)
    return (
        None if found is None else found | {name: answers[name] for name in ("modality", "notes", "notice")}
    )


def _show(case: dict[str, Any], noun: str) -> None:
    from medanomaly.scoring.answers import finding_in_words

    click.echo(f"{noun.capitalize()} {printable(case['case'])}")
    if case["status"] == "refused":
        click.echo(f"It cannot be scored: {printable(case['reason'])}")
    for answer in case.get("answers", ()):
        click.echo(f"\n{answer['model']}: {_verdict(answer)}")
        reasons = answer.get("reasons", [])
        for reason in reasons[:SHOWN]:
            click.echo(f"- {printable(in_words(reason))}")
        if len(reasons) > SHOWN:
            click.echo(f"- and {len(reasons) - SHOWN} more; --json has all")
        if not reasons:
            click.echo("- this model gives no reasons")
    for answer in case.get("classes", ()):
        click.echo(f"\n{answer['model']}: {printable(class_in_words(answer))}")
        for reason in [r for r in answer.get("reasons", []) if r["contribution"] > 0][:SHOWN]:
            click.echo(f"- {printable(in_words(reason))} to its log-odds")
    for finding in case["findings"]:
        click.echo(f"\nLooks wrong: {printable(finding_in_words(finding))}")
    if case.get("missing"):
        click.echo(f"\nNot given: {printable(', '.join(case['missing']))}")
    click.echo(f"\n{case['notice']}")


def class_in_words(answer: dict[str, Any]) -> str:
    """Which class a model names, how sure it is, and which others are in the set."""
    others = [name for name in answer["set"] if name != answer.get("class")]
    rest = (
        f"; {'could also be' if 'class' in answer else 'most alike are'} {', '.join(others)}"
        if others
        else ""
    )
    if answer["abstains"]:
        return f"{answer['reason']}{rest}"
    return (
        f"{answer['class']}, probability {answer['probability']:.3g}, p-value {answer['p_value']:.3g}{rest}"
    )


def _verdict(answer: dict[str, Any]) -> str:
    if "probability" in answer:
        between = f" ({answer['low']:.3g} to {answer['high']:.3g})" if "low" in answer else ""
        return f"probability {answer['probability']:.3g}{between}"
    flagged = "flagged" if answer["flagged"] else "not flagged"
    return f"p-value {answer['p_value']:.3g}, {flagged} at {answer['alpha']:g}; score {answer['score']:.4g}"


def in_words(reason: dict[str, Any]) -> str:
    """One reason as a sentence: the value with its unit, the usual range, and what it adds to the score."""
    unit = f" {reason['unit']}" if reason.get("unit") else ""
    known = reason.get("value") not in (None, "missing")
    said = f"{reason['feature']} is {reason['value']}{unit}" if known else f"{reason['feature']} is missing"
    if "usual_low" in reason and "usual_high" in reason:
        low, high = reason["usual_low"], reason["usual_high"]
        said += f", {_place(reason.get('value'), low, high)} {low:.4g} to {high:.4g}{unit}"
    contribution = reason.get("contribution", 0.0)
    effect = "adds" if contribution > 0 else "takes"
    about = "" if reason.get("exact", True) else "about "
    return f"{said}; {effect} {about}{abs(contribution):.3g}"


def _place(value: Any, low: float, high: float) -> str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return "usual is"
    if number > high:
        return "above the usual"
    return "below the usual" if number < low else "within the usual"

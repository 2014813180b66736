"""The page about a period: what crossed a limit, what came in, what was flagged, what has shifted, how well models do."""

from collections.abc import Mapping, Sequence
from typing import Any

from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.page import render
from medanomaly.reporting.sections import Cell, Section, Table
from medanomaly.reporting.wording import (
    DASH,
    asked,
    counted,
    interval,
    number,
    p_value,
    percent,
    plural,
)

NOTHING = "Nothing crossed a limit."
NO_RAW_CASES = (
    "Raw cases of this period were not given, so columns, subgroups and refused cases were not looked at."
)
BY_CHOICE = "Flagged cases of {} are labelled more often, or less often, than the others, so its measured figures are off."
ESTIMATE_HOLDS = (
    "Without labels: estimated from scores alone, while a score means what it meant in the cases with labels that it was "
    "learned from (small type)."
)
ESTIMATE_FAILS = "not valid: shifted"
_SHOWN_COLUMNS = 12
_VERDICTS = {"holds": "pass", "unknown": "warn", "broken": "fail"}


def period_page(
    period: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    changes: tuple[Sequence[dict], Sequence[dict], Sequence[dict]],
    run: Mapping[str, Any],
) -> str:
    """The page.

    Args:
        period: figures of ``medanomaly.scoring.periods.measure_period``.
        previous: those of the period before; None without one.
        changes: warnings that are new, that still stand, and that are gone.
        run: ``dataset``, ``version`` and what else is said of how the page was made.
    """
    parts = [_warnings(period, previous, changes)]
    then = {one["modality"]: one for one in (previous or {}).get("modalities", [])}
    parts += [_modality(one, then.get(one["modality"]), previous) for one in period["modalities"]]
    return render(
        run,
        parts,
        title="period",
        heading="What changed",
        subtitle=f"Predictions from {_moment(period['since'])} to {_moment(period['until'])} (UTC).",
        about=str(run["dataset"]),
    )


def _moment(text: str) -> str:
    return text[:10] if text[10:19] == "T00:00:00" else text[:16].replace("T", " ")


def _warnings(
    period: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    changes: tuple[Sequence[dict], Sequence[dict], Sequence[dict]],
) -> Section:
    new, standing, gone = changes
    n = len(period["warnings"])
    lead = NOTHING if not n else f"{counted(n, 'warning')}: {len(new)} new, {len(standing)} as before."
    rows = [
        (Cell(word, badge=badge), one["sentence"])
        for word, badge, found in (
            ("new", "fail", new),
            ("as before", "warn", standing),
            ("gone", "pass", gone),
        )
        for one in found
    ]
    if not period["modalities"]:
        lead = "The store holds no prediction of these models in this period."
    cautions = []
    if period["n_of_other_models"]:
        cautions.append(
            f"{counted(period['n_of_other_models'], 'prediction')} of this period are of other models and are not counted."
        )
    compared = (
        "There is no earlier period to compare with."
        if previous is None
        else f"Compared with {_moment(previous['since'])} to {_moment(previous['until'])}."
    )
    return Section(
        "Warnings",
        compared,
        lead=lead,
        cautions=cautions,
        tables=[Table("", ("", "What was found"), rows)] if rows else [],
    )


def _modality(
    now: Mapping[str, Any], then: Mapping[str, Any] | None, previous: Mapping[str, Any] | None
) -> Section:
    noun = now["noun"]
    before = {one["model"]: one for one in (then or {}).get("models", [])}
    tiles = [
        (plural(noun).capitalize(), f"{now['n_cases']:,}", f"of {counted(now['n_patients'], 'patient')}"),
        ("Labels known", f"{now['n_labelled']:,}", f"{now['n_abnormal']:,} anomalous"),
    ]
    cautions = []
    if now["n_read"] is None:
        cautions.append(NO_RAW_CASES)
    else:
        tiles.append(("Refused", f"{now['n_refused']:,}", f"of {now['n_read'] + now['n_refused']:,}"))
        tiles.append(("With findings", f"{now['n_with_findings']:,}", "values that look wrong"))
        if now["n_not_in_store"]:
            cautions.append(
                f"{counted(now['n_not_in_store'], f'raw {noun}')} have no prediction in the store for this period."
            )
    cautions += [
        BY_CHOICE.format(model_label(one["model"])) for one in now["models"] if one["labelled_by_choice"]
    ]
    tables = [_models_table(now, before), _performance_table(now, before)]
    groups = _groups_table(now)
    columns = _columns_tables(now)
    return Section(
        now["modality"].capitalize(),
        f"Compared with {counted(now['n_reference'], f'calibration {noun}')} of the training, one per patient.",
        tiles=tiles,
        cautions=cautions,
        tables=[table for table in (*tables, *groups, *columns) if table is not None],
    )


def _models_table(now: Mapping[str, Any], before: Mapping[str, Any]) -> Table | None:
    rows = []
    for one in now["models"]:
        whole = next((row for row in one["groups"] if not row["group"]), None)
        share = one["n_flagged"] / one["n"]
        span = interval("sensitivity", whole["low"], whole["high"]) if whole else ""
        then = before.get(one["model"])
        check, scores = one["validity"], one["scores"]
        rows.append(
            (
                model_label(one["model"]),
                one["n"],
                Cell(percent(share, 1), span),
                DASH if then is None else percent(then["n_flagged"] / then["n"], 1),
                DASH if one["alpha"] is None else asked(one["alpha"]),
                DASH if scores is None else number(scores["psi"]),
                DASH if scores is None else p_value(scores["p_adjusted"]),
                Cell(DASH) if check is None else Cell(check["verdict"], badge=_VERDICTS[check["verdict"]]),
                DASH if check is None else check["reason"],
            )
        )
    if not rows:
        return None
    note = (
        "Flagged: share of all cases; anomalous ones are among them, so it may be above the share that was asked for. "
        "Score shift: population stability index against the calibration cases, with the p-value of the "
        "Kolmogorov-Smirnov test, corrected for the number of models."
    )
    columns = (
        "Model", plural(now["noun"]).capitalize(), "Flagged", "Before", "Asked for", "Score shift", "p-value",
        "P-values hold", "Why",
    )  # fmt: skip
    return Table("What was flagged", columns, rows, note)


def _performance_table(now: Mapping[str, Any], before: Mapping[str, Any]) -> Table | None:
    rows = []
    for one in now["models"]:
        found = {row["metric"]: row for row in one["measured"] if not row["subgroup"]}
        estimate = one["estimated"]
        then = before.get(one["model"])
        earlier = {row["metric"]: row for row in then["measured"] if not row["subgroup"]} if then else {}
        cells = [_figure(found.get(name), name) for name in ("auroc", "sensitivity", "false_alarm_rate")]
        if estimate is None:
            guess = Cell(DASH)
        elif not estimate["holds"]:
            guess = Cell(ESTIMATE_FAILS, mark="high")
        else:
            guess = Cell(
                number(_nan(estimate["value"])),
                interval("auroc", _nan(estimate["low"]), _nan(estimate["high"])),
            )
        known = one["earlier_auroc"]
        rows.append(
            (
                model_label(one["model"]),
                *cells,
                _figure(earlier.get("auroc"), "auroc"),
                guess,
                DASH if known is None else Cell(number(known), one["learned_from"]),
            )
        )
    if not rows:
        return None
    columns = (
        "Model", "AUROC", "Caught", "False alarms", "AUROC before", "AUROC without labels", "AUROC expected",
    )  # fmt: skip
    note = (
        f"Measured on {counted(now['n_labelled'], now['noun'])} whose label is known by now. {ESTIMATE_HOLDS}"
    )
    return Table("How well the models do", columns, rows, note)


def _figure(row: Mapping[str, Any] | None, metric: str) -> Cell:
    if row is None or row["value"] is None:
        return Cell(DASH)
    text = percent(row["value"], 1) if metric != "auroc" else number(row["value"])
    return Cell(text, interval(metric, _nan(row["ci_low"]), _nan(row["ci_high"])))


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _groups_table(now: Mapping[str, Any]) -> list[Table]:
    rows = []
    for one in now["models"]:
        for row in one["groups"]:
            if not row["group"]:
                continue
            expected = row["false_alarms"] is not None
            high = expected and row["false_alarms"] > row["expected_high"]
            rows.append(
                (
                    model_label(one["model"]),
                    row["group"].replace("=", ": ").replace("_", " "),
                    row["n"],
                    Cell(percent(row["rate"], 1), interval("sensitivity", row["low"], row["high"])),
                    Cell(percent(row["false_alarms"], 1), mark="high" if high else "")
                    if expected
                    else Cell(DASH),
                    interval("sensitivity", row["expected_low"], row["expected_high"]) if expected else DASH,
                )
            )
    if not rows:
        return []
    note = (
        "Intervals hold for all groups of a model together. False alarms: share of the cases known to be normal that is "
        "flagged; expected: where it lies while p-values hold."
    )
    columns = (
        "Model", "Group", plural(now["noun"]).capitalize(), "Flagged", "False alarms", "False alarms expected",
    )  # fmt: skip
    return [Table("Alarms by subgroup", columns, rows, note, folded=True)]


def _columns_tables(now: Mapping[str, Any]) -> list[Table]:
    if not now["columns"]:
        return []
    ordered = sorted(
        now["columns"], key=lambda row: (not row["shifted"], -(row["psi"] or 0.0), str(row["column"]))
    )

    def table(title: str, rows: Sequence[Mapping[str, Any]], folded: bool) -> Table:
        cells = [
            (
                Cell(str(row["column"]), mark="strong" if row["shifted"] else ""),
                number(_nan(row["psi"])),
                number(_nan(row["distance"])),
                p_value(_nan(row["p_adjusted"])),
                percent(_nan(row["missing"]), 1),
                percent(_nan(row["missing_reference"]), 1),
                percent(_nan(row["outside"]), 1),
                Cell("shifted", badge="fail") if row["shifted"] else Cell(""),
            )
            for row in rows
        ]
        columns = (
            "Column", "Stability index", "Distance", "p-value", "Missing", "At training", "Out of range", "",
        )  # fmt: skip
        return Table(title, columns, cells, "" if folded else note, folded=folded)

    n_shifted = sum(row["shifted"] for row in ordered)
    note = (
        f"{n_shifted} of {counted(len(ordered), 'column')} shifted: different enough, and certain after correction for all "
        "tests. Distance: of Kolmogorov and Smirnov for numbers, of Jensen and Shannon for levels."
    )
    shown = max(n_shifted, min(_SHOWN_COLUMNS, len(ordered)))
    tables = [table("Columns", ordered[:shown], False)]
    if rest := ordered[shown:]:
        tables.append(table(f"{counted(len(rest), 'further column')}", rest, True))
    return tables

"""Numbers and findings in words that a clinician reads without a statistics book."""

import datetime
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.evaluation.known_metrics import metric_of
from medanomaly.evaluation.resampling.intervals import false_alarm_interval
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.results import ModalityResults

DASH = "–"
_SPACE = "\u00a0"


def percent(share: float, decimals: int | None = None, sign: bool = True) -> str:
    """``0.053`` to ``5.3 %``; by default no decimal from 10 to 99 %, one elsewhere."""
    if pd.isna(share):
        return DASH
    value = 100 * float(share)
    if decimals is None:
        decimals = 0 if 10 <= value < 99 or value in (0, 100) else 1
    return f"{value:.{decimals}f}" + (f"{_SPACE}%" if sign else "")


def asked(alpha: float) -> str:
    """Alpha as it was asked for, without decimals that nobody typed: ``0.05`` to ``5 %``."""
    return f"{100 * alpha:g}{_SPACE}%"


def number(value: float) -> str:
    """Three decimals, with a true minus sign."""
    return DASH if pd.isna(value) else f"{float(value):.3f}".replace("-", "−")


def signed(value: float, decimals: int = 3) -> str:
    """A difference with its sign."""
    if pd.isna(value):
        return DASH
    text = f"{float(value):+,.{decimals}f}"
    # what rounds to zero has no sign
    return text[1:] if not text.strip("+-0.") else text.replace("-", "−")


def written(metric: str, value: float) -> str:
    """A value of a metric as tables show it."""
    return percent(value, 1) if metric_of(metric).share else number(value)


def interval(metric: str, low: float, high: float) -> str:
    """``0.893–0.931`` or ``4.6–6.1``; empty where there is none."""
    if pd.isna(low) or pd.isna(high):
        return ""
    if metric_of(metric).share:
        return f"{percent(low, 1, sign=False)}–{percent(high, 1, sign=False)}"
    return f"{number(low)}–{number(high)}"


def p_value(p: float) -> str:
    """A p-value with two significant digits."""
    if pd.isna(p):
        return DASH
    return "<" + _SPACE + "0.0001" if p < 1e-4 else f"{float(f'{p:.2g}'):.4f}".rstrip("0").rstrip(".")


def counted(n: int, noun: str) -> str:
    """``1,204 records``, ``1 record``."""
    if n == 1:
        return f"1{_SPACE}{noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"
    return f"{n:,}{_SPACE}{plural}"


def day(created: object) -> str:
    """An ISO date or time as ``1 March 2025``; other text as it is, nothing for None."""
    if created is None:
        return ""
    try:
        date = datetime.datetime.fromisoformat(str(created))
    except ValueError:
        return str(created)
    return f"{date.day}{_SPACE}{date:%B %Y}"


def joined(names: list[str]) -> str:
    """``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


class Answer(NamedTuple):
    """The finding of one modality.

    Attributes:
        model: the leading model's name.
        lead: what it does, to be read after the name.
        details: sentences that follow.
        cautions: reasons to trust it less.
    """

    model: str
    lead: str
    details: list[str]
    cautions: list[str]


def answer(results: ModalityResults) -> Answer:
    """Which model finds anomalies best, at which false-alarm rate, and how sure that is."""
    if results.judged:
        return Answer(
            model_label(results.leading),
            _ranking(results),
            [*_at_threshold(results), *_against_others(results)],
            [*_broken_p_values(results), *_unbeaten_baseline(results), *_audit_cautions(results.audit)],
        )
    flagged = results.most_unusual["flagged"].fillna(False).astype(bool)
    lead = (
        f"flags {int(flagged.sum()):,} of {counted(len(flagged), 'test ' + results.noun)} "
        f"({percent(flagged.mean())}). Were all of them normal, about {asked(results.alpha)} would be expected."
    )
    details = [
        f"There are not enough labels to judge by, so this report says which {results.noun}s are unusual, "
        "and not how often that is right."
    ]
    return Answer(model_label(results.leading), lead, details, _audit_cautions(results.audit))


def _ranking(r: ModalityResults) -> str:
    row = r.metric(r.leading, "auroc")
    share, low, high = (percent(row[c], 0, sign=c == "value") for c in ("value", "ci_low", "ci_high"))
    sure = f" (95{_SPACE}% interval {low}–{high})" if not pd.isna(row["ci_low"]) else ""
    return f"ranks an anomalous {r.noun} above a normal one {share} of the time{sure}."


def _at_threshold(r: ModalityResults) -> list[str]:
    alarms, caught = r.metric(r.leading, "false_alarm_rate"), r.metric(r.leading, "sensitivity")
    if alarms is None or caught is None:
        return []
    spans = [
        f" (95{_SPACE}% interval {percent(row['ci_low'], sign=False)}–{percent(row['ci_high'], sign=False)})"
        if not pd.isna(row["ci_low"])
        else ""
        for row in (alarms, caught)
    ]
    return [
        f"At a threshold meant for {asked(r.alpha)} false alarms it raised {percent(alarms['value'])}{spans[0]} "
        f"and caught {percent(caught['value'])} of anomalies{spans[1]}."
    ]


def _difference(r: ModalityResults, other: str) -> tuple[float, float] | None:
    """Interval of the AUROC of the leading model minus that of ``other``, where the two were compared."""
    if r.comparisons is None or r.comparisons.empty:
        return None
    rows = r.comparisons[r.comparisons["metric"] == "auroc"]
    for first, second, sign in ((r.leading, other, 1), (other, r.leading, -1)):
        found = rows[(rows["model_a"] == first) & (rows["model_b"] == second)]
        if len(found) and not found[["ci_low", "ci_high"]].isna().any(axis=None):
            ends = sorted(sign * float(found.iloc[0][end]) for end in ("ci_low", "ci_high"))
            return ends[0], ends[1]
    return None


def _against_others(r: ModalityResults) -> list[str]:
    said = []
    others = [model for model in r.contenders if model != r.leading]
    if others:
        said.append(
            f"It is the best of {len(r.contenders)} models, chosen on the same {counted(len(r.test_cases), r.noun)} "
            "it is judged on, so a little luck is in its figure."
        )
        tied = [m for m in others if (d := _difference(r, m)) is not None and d[0] <= 0 <= d[1]]
        if tied:
            said.append(
                f"Its lead over {joined([model_label(m) for m in tied])} is not distinguishable from zero."
            )
    baseline = _best_baseline(r)
    if baseline is not None:
        difference = _difference(r, baseline)
        if difference is None or difference[0] > 0:
            value = percent(r.metric(baseline, "auroc")["value"], 0)
            said.append(f"The best baseline, {model_label(baseline)}, reaches {value}.")
    return said


def _best_baseline(r: ModalityResults) -> str | None:
    ranked = [m for m in r.models if m in r.baselines and r.metric(m, "auroc") is not None]
    return ranked[0] if ranked and ranked[0] != r.leading else None


def _unbeaten_baseline(r: ModalityResults) -> list[str]:
    baseline = _best_baseline(r)
    if baseline is None:
        return []
    of_baseline = r.metric(baseline, "auroc")["value"]
    lead = r.metric(r.leading, "auroc")["value"] - of_baseline
    low, high = _difference(r, baseline) or (lead, lead)
    if low > 0:
        return []
    name = model_label(baseline)
    if high < 0:
        return [
            f"The baseline {name} ranks better than every model ({percent(of_baseline, 0)}): nothing speaks for them."
        ]
    return [f"No model is distinguishable from the baseline {name}, so nothing speaks for the models yet."]


def _broken_p_values(r: ModalityResults) -> list[str]:
    row = r.metric(r.leading, "false_alarm_rate")
    calibration = reference_cases(r.cases, "calibration")
    n_test = r.test_cases.loc[r.test_cases["label"] == 0, "patient_id"].nunique()
    n_calibration = r.cases.loc[calibration, "patient_id"].nunique()
    if row is None or not n_test or not n_calibration:
        return []
    low, high, _ = false_alarm_interval(n_calibration, n_test, r.alpha)
    # half a case of slack, since a rate over cases is held against a count of patients
    slack = 0.5 / n_test
    if low - slack <= row["value"] <= high + slack:
        return []
    expected = f"{percent(low, sign=False)}–{percent(high)} would be expected from {asked(r.alpha)}"
    if row["value"] > high:
        return [
            f"{percent(row['value'])} false alarms are more than chance explains ({expected}): the test {r.noun}s may "
            "differ from those it was calibrated on, and p-values may not hold for them."
        ]
    return [
        f"{percent(row['value'])} false alarms are fewer than chance explains ({expected}): it is too cautious."
    ]


def _audit_cautions(audit: Mapping | None) -> list[str]:
    checks = (audit or {}).get("checks", [])
    said = [
        f"The audit failed at “{check['title']}” ({check['figure']}). Do not rely on the figures before this is settled."
        for check in checks
        if check["verdict"] == "fail"
    ]
    warned = [f"“{check['title']}”" for check in checks if check["verdict"] == "warn"]
    return [*said, f"The audit warns at {joined(warned)}."] if warned else said


def comparison_words(row: pd.Series) -> str:
    """One paired comparison as a sentence; "not distinguishable from zero" where the interval covers 0."""
    name = metric_of(row["metric"])
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return "no interval, so nothing can be said"
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return "difference not distinguishable from zero"
    ahead = row["model_a"] if (row["difference"] > 0) == (name.better >= 0) else row["model_b"]
    if name.better == 0:
        return f"{model_label(ahead)} is higher"
    return f"{model_label(ahead)} is better"

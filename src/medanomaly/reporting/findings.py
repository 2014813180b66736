"""What a modality's results say, sentence by sentence: what is flagged, how well it ranks, why to trust it less."""

from collections.abc import Mapping

import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.evaluation.resampling.intervals import false_alarm_interval
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.wording import asked, counted, joined, percent, plural

_SPACE = "\u00a0"


def flagged_lead(r: ModalityResults) -> str:
    """How many test cases the leading model flags."""
    flagged = r.most_unusual["flagged"]
    tested = counted(len(flagged), f"test {r.noun}")
    if flagged.isna().all():
        return f"{model_label(r.leading)} has no p-values, so it flags none of {tested}."
    n = int(flagged.fillna(False).sum())
    return f"{model_label(r.leading)} flags {n:,} of {tested} ({percent(n / len(flagged))})."


def flagged_details(r: ModalityResults) -> list[str]:
    """How many would be flagged by chance, and what the labels say of those that are."""
    flagged = r.most_unusual["flagged"].fillna(False).astype(bool)
    said = []
    if not r.most_unusual["flagged"].isna().all():
        said.append(f"Were all of them normal, about {asked(r.alpha)} would be expected.")
    labels = r.most_unusual.loc[flagged, "label"]
    if r.test_cases["label"].notna().any() and len(labels):
        parts = [
            f"{n:,} {word}"
            for n, word in (
                (int((labels == 1).sum()), "anomalous"),
                (int((labels == 0).sum()), "normal"),
                (int(labels.isna().sum()), "without a label"),
            )
            if n
        ]
        said.append(f"By their labels, those flagged are {joined(parts)}.")
    return said


def ranking(r: ModalityResults) -> list[str]:
    """How well the leading model ranks, what it does at its threshold, and how it compares; without labels, that."""
    if not r.judged:
        said = (
            "There are not enough labels to judge by, so this report says which "
            f"{plural(r.noun)} are unusual, and not how often that is right."
        )
        if len(r.contenders) > 1 and r.leading == r.default:
            why = f"the declared default for {plural(r.noun)}: no label says which of {len(r.contenders)} models is best"
            return [said, f"{model_label(r.leading)} leads it as {why}."]
        return [said]
    row = r.metric(r.leading, "auroc")
    share, low, high = (percent(row[c], 0, sign=c == "value") for c in ("value", "ci_low", "ci_high"))
    sure = f" (95{_SPACE}% interval {low}–{high})" if not pd.isna(row["ci_low"]) else ""
    first = (
        f"{model_label(r.leading)} ranks an anomalous {r.noun} above a normal one {share} of the time{sure}."
    )
    return [first, *_at_threshold(r), *_against_others(r)]


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


def _against_others(r: ModalityResults) -> list[str]:
    said = []
    if len(r.contenders) > 1:
        said.append(
            f"It is the best of {len(r.contenders)} models. It was chosen on the same "
            f"{counted(len(r.test_cases), r.noun)} it is judged on, so a little luck is in its figure."
        )
        if r.tied:
            names = joined([model_label(model) for model in r.tied])
            said.append(f"Its lead over {names} is not distinguishable from zero.")
    baseline = r.best_baseline
    if baseline is not None:
        lead = r.lead_over(baseline)
        if lead is None or lead[0] > 0:
            value = percent(r.metric(baseline, "auroc")["value"], 0)
            said.append(f"The best baseline, {model_label(baseline)}, reaches {value}.")
    return said


def cautions(r: ModalityResults) -> list[str]:
    """Reasons to trust the leading model less; checks of the audit that failed are in :func:`failed_checks`."""
    judged = [*_broken_p_values(r), *_unbeaten_baseline(r)] if r.judged else []
    warned = [f"“{check['title']}”" for check in _checks(r.audit, "warn")]
    if not (r.audit or {}).get("checks"):
        name = r.name.replace("_", " ")
        return [*judged, f"No audit was run for {name}: leaks and shortcuts have not been looked for."]
    return [*judged, *([f"The audit warns at {joined(warned)}."] if warned else [])]


def failed_checks(audit: Mapping | None) -> list[str]:
    """A sentence per check of the audit that failed."""
    return [
        f"The audit failed at “{check['title']}” ({check['figure']}). Do not rely on the figures before this is settled."
        for check in _checks(audit, "fail")
    ]


def _checks(audit: Mapping | None, verdict: str) -> list[Mapping]:
    return [check for check in (audit or {}).get("checks", []) if check["verdict"] == verdict]


def _unbeaten_baseline(r: ModalityResults) -> list[str]:
    baseline = r.best_baseline
    if baseline is None:
        return []
    of_baseline = r.metric(baseline, "auroc")["value"]
    lead = r.metric(r.leading, "auroc")["value"] - of_baseline
    low, high = r.lead_over(baseline) or (lead, lead)
    if low > 0:
        return []
    name = model_label(baseline)
    if high < 0:
        return [
            f"The baseline {name} ranks better than every model ({percent(of_baseline, 0)}): nothing speaks for them."
        ]
    return [
        f"{model_label(r.leading)} is not distinguishable from the baseline {name}, so nothing speaks for it yet."
    ]


def _broken_p_values(r: ModalityResults) -> list[str]:
    row = r.metric(r.leading, "false_alarm_rate")
    calibration = reference_cases(r.cases, "calibration")
    n_test = r.test_cases.loc[r.test_cases["label"] == 0, "patient_id"].nunique()
    n_calibration = r.cases.loc[calibration, "patient_id"].nunique()
    if row is None or not n_test or not n_calibration:
        return []
    low, high, _ = false_alarm_interval(n_calibration, n_test, r.alpha)
    # half a case of slack, since a rate over cases is compared with a count of patients
    slack = 0.5 / n_test
    if low - slack <= row["value"] <= high + slack:
        return []
    expected = f"{percent(low, sign=False)}–{percent(high)} would be expected from {asked(r.alpha)}"
    found = percent(row["value"])
    if row["value"] > high:
        return [
            f"{found} false alarms are more than chance explains ({expected}). The test {plural(r.noun)} may differ from "
            "those it was calibrated on, and p-values may not hold for them."
        ]
    return [f"{found} false alarms are fewer than chance explains ({expected}): it is too cautious."]

"""Model cards: what a model is for, what it was made from, and what is known about it, in Markdown.

The sections follow Mitchell et al. 2019, "Model Cards for Model Reporting"; the front matter follows the metadata that the
Hugging Face hub reads from a ``README.md`` (``model-index`` for the metrics).
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml

from medanomaly.detectors.kinds import detector_class, detector_names
from medanomaly.evaluation.known_metrics import METRICS, metric_of
from medanomaly.evaluation.membership import remarkable
from medanomaly.reporting.figures.explanations import usual_range
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.scored_cases import TEST
from medanomaly.reporting.wording import asked, interval, percent, written

# members of a model of classes that hold counts or means of each class
_DESCRIBE_CLASSES = ("bayes", "prototypes")
_FEW_CASES = 5
_MODEL_INDEX_METRICS = ("auroc", "auprc", "sensitivity", "false_alarm_rate")


def render_card(manifest: Mapping[str, Any], metrics: pd.DataFrame | None = None) -> str:
    """Describe one bundle: an anomaly model, or a model that learned from labels, whose manifest has a ``meaning``.

    Args:
        manifest: the bundle's manifest. ``name`` is needed; ``dataset``, ``modality``, ``kind``, ``options``,
            ``population``, ``version``, ``created``, ``seed``, ``libraries``, ``training_data``, ``input_contract``,
            ``thresholds``, ``p_value_floor``, ``calibration``, ``risk_threshold``, ``box_threshold``, ``outline_threshold``,
            ``rows_kept``, ``prototypes``, ``differential_privacy`` and ``membership`` are described where they are there.
        metrics: metrics table; this model's test rows are shown. None where it has not been judged yet.

    Returns:
        Markdown with YAML front matter. The same input gives the same text.
    """
    rows = _metric_rows(manifest, metrics)
    front = yaml.safe_dump(_front_matter(manifest, rows), sort_keys=False, allow_unicode=True)
    sections = [
        f"# {_plain(model_label(manifest['name']))}",
        "> **Research use only. Not a medical device.** Nothing this model says is a diagnosis, and no decision about a "
        "patient may rest on it.",
        _prediction(manifest) if "meaning" in manifest else _intended_use(manifest),
        _training_data(manifest),
        _input_contract(manifest),
        _threshold(manifest),
        _risk_threshold(manifest),
        _metrics(rows, "Positive" if "meaning" in manifest else "Anomalous"),
        _gives_away(manifest),
        _limits(manifest),
        _provenance(manifest),
    ]
    return f"---\n{front}---\n\n" + "\n\n".join(section for section in sections if section) + "\n"


def _metric_rows(manifest: Mapping[str, Any], metrics: pd.DataFrame | None) -> pd.DataFrame | None:
    if metrics is None or metrics.empty:
        return None
    rows = metrics[
        (metrics["model"] == manifest["name"])
        & (metrics["split"] == TEST)
        & (metrics["subgroup"].fillna("") == "")
        & metrics["value"].notna()
    ]
    if "modality" in manifest and "modality" in rows:
        rows = rows[rows["modality"] == manifest["modality"]]
    return None if rows.empty else rows.drop_duplicates("metric").set_index("metric")


def _front_matter(manifest: Mapping[str, Any], rows: pd.DataFrame | None) -> dict[str, Any]:
    modality = manifest.get("modality")
    front: dict[str, Any] = {
        "library_name": "medanomaly",
        "license": manifest.get("license", "mit"),
        "tags": [
            *(["risk-model"] if "meaning" in manifest else ["anomaly-detection", "conformal-prediction"]),
            "medical",
            "research-use-only",
        ],
    }
    if modality:
        front["tags"].append(str(modality))
    if rows is None:
        return front
    dataset = str(manifest.get("dataset", "unknown"))
    # models of images that learned from labels have no figures on their cards
    task = "tabular-classification" if "meaning" in manifest else "anomaly-detection"
    values = [
        {"type": metric, "name": _heading(metric), "value": round(float(rows.loc[metric, "value"]), 6)}
        for metric in _MODEL_INDEX_METRICS
        if metric in rows.index
    ]
    if values:
        front["model-index"] = [
            {
                "name": str(manifest["name"]),
                "results": [
                    {
                        "task": {"type": task, "name": task.replace("-", " ").capitalize()},
                        "dataset": {
                            "type": re.sub(r"[^a-z0-9_.-]+", "-", dataset.lower()),
                            "name": dataset,
                            "split": TEST,
                        },
                        "metrics": values,
                    }
                ],
            }
        ]
    return front


def _heading(metric: str) -> str:
    return metric_of(metric).label if metric in METRICS else metric.replace("_", " ")


def _plain(value: Any) -> str:
    """A value as Markdown text that stays text: no table break, markup or HTML of its own."""
    text = re.sub(r"\s+", " ", str(value)).strip()
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", text)


def _intended_use(manifest: Mapping[str, Any]) -> str:
    detector = manifest.get("kind", manifest["name"])
    modality = f" {_plain(manifest['modality'])}" if manifest.get("modality") else ""
    dataset = f" like those of *{_plain(manifest['dataset'])}*" if manifest.get("dataset") else ""
    return (
        "## Intended use\n\n"
        f"Says how unusual one{modality} case is compared with normal cases{dataset}, for research on data quality and "
        f"anomaly detection. Detector: {_plain(model_label(detector))}. A higher score is more unusual; the conformal "
        "p-value is the share of normal cases that look at least as unusual.\n\n"
        "Not for diagnosis, treatment, triage, billing, or judging people. Not for cases from another place, device or "
        "population before it has been calibrated and judged on them."
    )


def _prediction(manifest: Mapping[str, Any]) -> str:
    outcome = f" Label 1 means: {_plain(manifest['outcome'])}." if manifest.get("outcome") else ""
    members = f" Members: {_plain(' + '.join(manifest['members']))}." if manifest.get("members") else ""
    if "classes" in manifest:
        listed = ", ".join(f"{_plain(of['name'])} ({of['n_cases']:,})" for of in manifest["classes"])
        return (
            f"## What it says\n\nThe {_plain(manifest['meaning'])}.{members} Classes, with the cases that were learned "
            f"from: {listed}. It names one of them, a set of them, and none where a case looks like no known one."
        )
    return (
        f"## What it says\n\nThe {_plain(manifest['meaning'])}.{outcome}{members} It is not an anomaly score: it learned "
        "from labels, does not know what is unusual otherwise, and has no conformal p-value."
    )


def _training_data(manifest: Mapping[str, Any]) -> str:
    data = manifest.get("training_data") or {}
    population = {
        "normals": "normal cases alone",
        "all": "all train cases, whatever their label",
        "labelled": "cases with a label, of both labels",
        "classes": "cases of a known class, of all classes",
    }.get(manifest.get("population", ""), "")
    facts = [
        ("Data set", manifest.get("dataset")),
        ("Fitted on", population or None),
        ("Train cases", _thousands(data.get("n_cases"))),
        ("Train patients", _thousands(data.get("n_patients"))),
        ("Calibration cases", _thousands(data.get("n_calibration"))),
        ("Cases with label 1", _share(data)),
        ("Labels", {True: "yes", False: "none"}.get(data.get("labelled"))),
    ]
    lines = [f"- {name}: {_plain(value)}" for name, value in facts if value is not None]
    if data.get("fingerprint"):
        lines.append(f"- Fingerprint (SHA-256): `{_code(data['fingerprint'])}`")
    return "## Training data\n\n" + "\n".join(lines) if lines else ""


def _thousands(n: int | None) -> str | None:
    return None if n is None else f"{n:,}"


def _share(data: Mapping[str, Any]) -> str | None:
    return f"{data['n_positive']:,} ({percent(data['prevalence'])})" if "prevalence" in data else None


def _code(value: Any) -> str:
    return re.sub(r"[\s`]+", " ", str(value)).strip()


def _input_contract(manifest: Mapping[str, Any]) -> str:
    contract = manifest.get("input_contract") or []
    if not isinstance(contract, list):
        lines = [f"- {_plain(name)}: {_plain(value)}" for name, value in contract.items()]
        return "## Input\n\n" + "\n".join(lines)
    if not contract:
        return ""
    lines = [
        "| Feature | Kind | Unit | Usual range or levels | Missing in training |",
        "|---|---|---|---|---|",
    ]
    for entry in contract:
        levels = ", ".join(map(str, entry.get("levels", [])))
        usual = levels or usual_range(
            entry.get("usual_low", float("nan")), entry.get("usual_high", float("nan"))
        )
        missing = percent(entry["missing_share"]) if "missing_share" in entry else "–"
        cells = (entry["name"], entry.get("kind", ""), entry.get("unit", "") or "–", usual or "–", missing)
        lines.append("| " + " | ".join(_plain(cell) for cell in cells) + " |")
    return (
        "## Input\n\nUsual range: 5th to 95th percentile of the training cases. Values in other units give wrong answers "
        "without an error.\n\n" + "\n".join(lines)
    )


def _threshold(manifest: Mapping[str, Any]) -> str:
    thresholds, lines = manifest.get("thresholds") or {}, []
    if "alpha" in thresholds:
        lines.append(f"- Alpha, the share of normal cases that may be flagged: {asked(thresholds['alpha'])}")
        score = thresholds.get("score")
        lines.append(
            "- Score threshold: none. There are too few calibration cases to flag anything at this alpha."
            if score is None
            else f"- Score threshold: {score:.6g}; a higher score is flagged"
        )
    title = "Threshold" if lines else "P-values"
    if manifest.get("p_value_floor") is not None:
        lines.append(f"- Smallest possible p-value: {manifest['p_value_floor']:.2g}")
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _known_percent(share: float | None) -> str:
    return "an unknown share" if share is None else percent(share)


def _risk_threshold(manifest: Mapping[str, Any]) -> str:
    lines = []
    if manifest.get("calibration"):
        calibration = manifest["calibration"]
        on = (
            f", on {calibration['n_cases']:,} calibration cases"
            if "n_cases" in calibration
            else ", out of fold by patient"
        )
        lines.append(f"- Calibration of probabilities: {_plain(calibration['name'])}{on}")
    if "risk_threshold" in manifest:
        threshold = manifest["risk_threshold"]
        where = "calibration" if "calibration" in threshold else "out_of_fold"
        found, others = threshold[where], threshold[where]["specificity"]
        said = {"calibration": "on the calibration cases", "out_of_fold": "on out-of-fold predictions"}[where]
        lines.append(
            f"- Threshold: {threshold['probability']:.4g}, chosen {said}. There it flags "
            f"{_known_percent(found['sensitivity'])} of the cases with label 1 and "
            f"{_known_percent(None if others is None else 1 - others)} of the others."
        )
    if "box_threshold" in manifest:
        lines.append(_box_threshold(manifest["box_threshold"]))
    if "outline_threshold" in manifest:
        lines.append(f"- Threshold of best Dice on calibration images: {manifest['outline_threshold']:g}")
    return "## Calibration and threshold\n\n" + "\n".join(lines) if lines else ""


def _box_threshold(threshold: Mapping[str, Any]) -> str:
    asked, n = threshold["false_boxes_per_image"], threshold["n_patients"]
    if threshold["score"] is None:
        needed = threshold["n_patients_needed"]
        return (
            f"- No box is drawn: calibration has normal images of {n:,} patients, and {needed:,} are needed for {asked:g} "
            "false boxes per normal image."
        )
    return (
        f"- Boxes are drawn from a score of {threshold['score']:.4g} on, chosen on normal calibration images of {n:,} "
        f"patients for {asked:g} false boxes per normal image or fewer on average."
    )


def _metrics(rows: pd.DataFrame | None, positive: str) -> str:
    if rows is None:
        return "## Metrics\n\nNot judged when this card was written. The report of the run holds the figures."
    names = [name for name in METRICS if name in rows.index] + [
        name for name in rows.index if name not in METRICS
    ]
    lines = [f"| Metric | Value | 95 % interval | Cases | {positive} |", "|---|---|---|---|---|"]
    for name in names:
        row = rows.loc[name]
        span = interval(name, row["ci_low"], row["ci_high"]) or "–"
        cells = (
            _heading(name),
            written(name, row["value"]),
            span,
            *("–" if pd.isna(row[column]) else f"{int(row[column]):,}" for column in ("n", "n_positive")),
        )
        lines.append("| " + " | ".join(_plain(cell) for cell in cells) + " |")
    return "## Metrics\n\nOn the test cases, which neither fitting nor threshold has seen.\n\n" + "\n".join(
        lines
    )


def _gives_away(manifest: Mapping[str, Any]) -> str:
    lines = []
    # a model of classes holds a detector of known records
    known = manifest.get("known", {})
    of = known if "rows_kept" in known else manifest
    if kept := of.get("rows_kept"):
        lines.append(
            f"It holds {kept:,} of its training rows, without ids. Whoever has the bundle can read them: it is patients' "
            f"data. {_instead_of_rows(of.get('kind', ''), ' of `known`' if of is known else '')}"
        )
    if prototypes := manifest.get("prototypes") or known.get("prototypes"):
        lines.append(
            f"It holds {prototypes['n']:,} means of training rows, each of at least {prototypes['patients_each']} patients, "
            "and no row."
        )
    few = [c for c in manifest.get("classes", []) if c["n_cases"] < _FEW_CASES]
    if few and set(_DESCRIBE_CLASSES) & set(manifest.get("members", [])):
        lines.append(
            f"It holds counts or means per class, and {len(few)} of its classes have fewer than {_FEW_CASES} cases. What it "
            "holds of them may tell what these cases are like."
        )
    if promised := manifest.get("differential_privacy"):
        lines.append(
            f"Its weights were trained with differential privacy of a row: epsilon {promised['epsilon']:.3g} at delta "
            f"{promised['delta']:.1g}, counted by {_plain(promised['accountant'])}. Means, spreads and calibration scores "
            "are not covered."
        )
    lines.append(_membership(manifest.get("membership"), "meaning" in manifest))
    return "## What it gives away\n\n" + "\n".join(f"- {line}" for line in lines)


def _instead_of_rows(kind: str, whose: str) -> str:
    if kind in detector_names() and "prototypes" in inspect.signature(detector_class(kind)).parameters:
        return f"The option `prototypes`{whose} leaves them out."
    return "This kind of model has no option that leaves them out."


def _membership(measured: Mapping[str, float] | None, learned_labels: bool) -> str:
    answers = "predictions" if learned_labels else "scores"
    if measured is None:
        return f"Whether its {answers} tell who was in training was not measured when this card was written."
    between = interval("auroc", measured["ci_low"], measured["ci_high"])
    figure = f"AUROC {written('auroc', measured['auroc'])}" + (f" ({between})" if between else "")
    known = "may" if remarkable(measured["auroc"], measured["ci_high"]) else "hardly"
    cases, others = ("labelled", "others with the same labels") if learned_labels else ("normal", "others")
    return (
        f"Its {answers} {known} tell who was in training: {figure} of {measured['n_members']:,} {cases} cases of training "
        f"against {measured['n_others']:,} {others}, where 0.5 is a guess."
    )


_LIMITS = (
    "Unusual is not the same as wrong, ill or dangerous, and usual is not the same as well.",
    "p-values hold while new cases come from where the calibration cases came from. Check for a shift first.",
    "How well it works in groups of patients that are rare in the training data is not known.",
    "Explanations say what moved the score, not what caused it.",
)
_RISK_LIMITS = (
    "Probabilities hold where the outcome is as frequent, and recorded in the same way, as in training. Another site moves "
    "them first.",
    "A prediction is no effect: changing a value does not change the risk as the model says.",
    "Treatment is hidden in the data: a low risk can mean that it worked.",
    "How well it works in groups of patients that are rare in the training data is not known.",
)
_IMAGE_LIMITS = (
    "Probabilities hold for images of the same site, devices and patients. Another site moves them first.",
    "It may have learned how images were taken: look at the figures at equal image shape.",
    "Do not expect it to find what it was not shown in training.",
)


def _limits(manifest: Mapping[str, Any]) -> str:
    of_risk = _IMAGE_LIMITS if str(manifest.get("modality")).startswith("imaging") else _RISK_LIMITS
    limits = of_risk if "meaning" in manifest else _LIMITS
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _provenance(manifest: Mapping[str, Any]) -> str:
    facts = [("Version", "version"), ("Created", "created"), ("Seed", "seed")]
    lines = [f"- {word}: {_plain(manifest[key])}" for word, key in facts if manifest.get(key) is not None]
    if manifest.get("options"):
        options = ", ".join(f"{name} = {value}" for name, value in manifest["options"].items())
        lines.append(f"- Options: `{_code(options)}`")
    if manifest.get("libraries"):
        lines.append(
            "- Libraries: " + ", ".join(f"{_plain(n)} {_plain(v)}" for n, v in manifest["libraries"].items())
        )
    return "## How it was made\n\n" + "\n".join(lines) if lines else ""

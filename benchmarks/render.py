"""Write ``docs/results/<area>.md`` from ``benchmarks/results/*.json``: figures are never typed."""

import ast
import json
from pathlib import Path

ROOT = Path(__file__).parent
DOCS = ROOT.parent / "docs" / "results"

# area -> title, and its benchmarks in the order in which they are shown
AREAS = {
    "spine": (
        "The spine: validity, speed, and the first data sets",
        ("conformal_validity", "auroc_bootstrap", "isolation_forest_onnx", "ecdf_speed"),
    ),
    "tabular": (
        "Tabular: detectors and risk models",
        (
            "tabular_oneclass",
            "tabular_networks",
            "tabular_explanations",
            "physionet_mortality",
            "group_calibration",
            "detector_latency",
        ),
    ),
    "signals": (
        "Signals: beats, features, episodes",
        (
            "mitbih_beats",
            "r_peaks",
            "signal_quality",
            "ecg5000_autoencoder",
            "ucr",
            "synthetic_signals",
            "signal_features",
            "signal_feature_cost",
            "streaming",
            "vus_speed",
        ),
    ),
    "imaging": (
        "Imaging: density models, networks, shift",
        ("imaging_lbe", "imaging_networks", "imaging_scoring", "imaging_gpu", "imaging_shift"),
    ),
}


# what the README shows of each modality, good or not: benchmark, name of the result, what it is called there
HEADLINES = {
    "Tables": (
        (
            "tabular_oneclass",
            "one-class auroc, two-view ensemble",
            "two-view ensemble, AUROC, mean of 7 ADBench sets",
        ),
        (
            "tabular_oneclass",
            "one-class auroc, two-view ensemble minus isolation forest (scikit-learn, 100 trees)",
            "two-view ensemble less isolation forest, paired",
        ),
        (
            "tabular_networks",
            "one-class auroc, denoising autoencoder minus isolation forest (scikit-learn, 100 trees)",
            "denoising autoencoder less isolation forest, paired",
        ),
        (
            "conformal_validity",
            "realised false-alarm rate at alpha = 0.05, mammography",
            "false alarms where 5 % were asked, mammography",
        ),
        (
            "group_calibration",
            "appointments, age_band: gap in one split, calibrated by group",
            "gap of false-alarm rates between age bands of one split, appointments, calibrated by group",
        ),
        (
            "physionet_mortality",
            "gradient boosting, wide: auroc",
            "risk of death in hospital, PhysioNet 2012, AUROC",
        ),
        (
            "physionet_mortality",
            "isolation forest (anomaly score): auroc",
            "an anomaly score taken for that risk, AUROC",
        ),
    ),
    "Signals": (
        (
            "mitbih_beats",
            "variant either, causal: AUROC",
            "abnormal beats, MIT-BIH, reference R marks, AUROC",
        ),
        (
            "mitbih_beats",
            "variant either, causal, own R peaks, missed beats score 0 and false ones are normal: AUPRC",
            "the same, own R peaks, every missed beat counted, AUPRC",
        ),
        (
            "mitbih_beats",
            "stress, all conditions pooled, variant A: AUROC",
            "the same under stress (ectopic rhythm, fibrillation, noise), AUROC",
        ),
        ("r_peaks", "R peaks, sensitivity, ours, two leads", "R peaks found, MIT-BIH"),
        ("ucr", "share located, six profiles, earlier neighbours", "anomalies located, UCR archive"),
    ),
    "Images": (
        ("imaging_lbe", "AUROC, LBE", "pneumonia, paediatric films, band energies, AUROC"),
        (
            "imaging_lbe",
            "AUROC within 8 strata of aspect ratio, LBE",
            "the same among films of one shape, AUROC",
        ),
        ("imaging_lbe", "AUROC, aspect ratio", "the shape of the film alone, AUROC"),
        (
            "imaging_networks",
            "AUROC difference, reversed autoencoder: embedding_distance minus autoencoder, latent 16",
            "Reversed Autoencoder less a plain autoencoder, paired",
        ),
        ("imaging_networks", "AUROC, classifier", "pneumonia, classifier that learned from labels, AUROC"),
        (
            "imaging_shift",
            "false alarms at 10 % asked: blurrier and wider, 40% abnormal, none",
            "false alarms where 10 % were asked, blurrier and wider films (lowest to highest of 10 splits)",
        ),
        (
            "imaging_shift",
            "false alarms at 10 % asked: blurrier and wider, 40% abnormal, mixture",
            "the same after recalibration without labels (likewise)",
        ),
    ),
}


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def section(path: Path) -> str:
    rows = json.loads(path.read_text())
    head = rows[0]
    lines = [
        f"## {path.stem}",
        "",
        f"`{head['command']}`, {head['date']}, {head['machine']}.",
        "",
        "| what | value | 95 % interval | peer | ratio | target | reached | data |",
        "|---|---:|---|---|---:|---|---|---|",
    ]
    for r in rows:
        interval = f"{number(r['ci_low'])} to {number(r['ci_high'])}" if r["ci_low"] is not None else ""
        peer = f"{r['peer']}: {number(r['peer_value'])}" if r["peer"] else ""
        reached = {True: "yes", False: "**no**", None: ""}[r["reached"]]
        cells = [
            r["name"],
            f"{number(r['value'])} {r['unit']}".strip(),
            interval,
            peer,
            f"{r['ratio']:.3g}" if r["ratio"] is not None else "",
            r["target"] or "",
            reached,
            r["data"] or "",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def not_measured(name: str) -> str:
    """A benchmark that has left no results: what it asks, so that nobody takes the silence for an answer."""
    about = ast.get_docstring(ast.parse((ROOT / f"{name}.py").read_text())) or ""
    asks = " ".join(about.partition("\n\n")[0].split())
    return f"## {name}\n\n`make bench NAME={name}`: **not measured yet.** {asks}\n"


def environment_table() -> str:
    """The results of every environment, one row a data set and model."""
    rows = json.loads((ROOT / "results" / "environments.json").read_text())
    columns = ("auroc", "auprc", "sensitivity", "false_alarm_rate")
    table: dict[tuple, dict] = {}
    for r in rows:
        key, _, what = r["name"].partition(": ")
        model, _, metric = what.rpartition(", ")
        if metric in columns:
            table.setdefault((key, model, r["data"]), {})[metric] = r
    lines = ["| command | model | AUROC | AUPRC | caught | false alarms |", "|---|---|---|---|---|---|"]
    shown = None
    for (key, model, data), found in table.items():
        command, _, counts = data.partition("; ")
        modality = f" ({key.split(' ')[1]})" if " " in key else ""
        first = f"`{command}`{modality}<br>{counts}" if key != shown else ""
        shown = key
        cells = []
        for metric in columns:
            r = found.get(metric)
            known = r is not None and r["value"] is not None
            if not known:
                cells.append("")
            elif r["ci_low"] is None:
                cells.append(f"{r['value']:.3f} (no interval)")
            else:
                cells.append(f"{r['value']:.3f} ({r['ci_low']:.3f} to {r['ci_high']:.3f})")
        lines.append("| " + " | ".join([first, model, *cells]) + " |")
    return "\n".join(lines)


def headline_table() -> str:
    """A few figures of each modality, with the command that prints each; results that are not there are left out."""
    lines = ["| | what | value | 95 % interval | beside it | command |", "|---|---|---:|---|---|---|"]
    for modality, headlines in HEADLINES.items():
        first = modality
        for benchmark, name, called in headlines:
            path = ROOT / "results" / f"{benchmark}.json"
            found = [r for r in json.loads(path.read_text()) if r["name"] == name] if path.exists() else []
            if not found:
                print(f"README.md: {benchmark} has no '{name}', left out")
                continue
            r = found[0]
            known = r["ci_low"] is not None
            interval = f"{number(r['ci_low'])} to {number(r['ci_high'])}" if known else ""
            peer = f"{r['peer']}: {number(r['peer_value'])}" if r["peer"] else ""
            unit = r["unit"] if r["unit"] in ("%", "points") else ""
            value = f"{number(r['value'])} {unit}".strip()
            cells = [first, called, value, interval, peer, f"`{r['command']}`"]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            first = ""
    return "\n".join(lines)


def write_readme() -> None:
    path = ROOT.parent / "README.md"
    text = path.read_text()
    start, end = "<!-- headlines: rendered by make results -->", "<!-- end of headlines -->"
    before, _, rest = text.partition(start)
    path.write_text(f"{before}{start}\n{headline_table()}\n{end}{rest.partition(end)[2]}")
    print("README.md")


def write_environments() -> None:
    text = "\n".join(
        [
            "# Every data set as a user runs it",
            "",
            "Test cases of each data set, models fitted on train normals alone, thresholds from calibration normals,",
            "95 % intervals from 2,000 resamples of patients. Rendered by `make results` from",
            "`benchmarks/results/environments.json`; `make bench NAME=environments` runs the commands again.",
            "",
            environment_table(),
            "",
        ]
    )
    (DOCS / "environments.md").write_text(text)
    print("docs/results/environments.md")


def main() -> None:
    write_readme()
    DOCS.mkdir(parents=True, exist_ok=True)
    write_environments()
    placed = {name for _, names in AREAS.values() for name in names} | {"environments"}
    forgotten = sorted({path.stem for path in (ROOT / "results").glob("*.json")} - placed)
    if forgotten:
        raise SystemExit(f"{forgotten} belong to no area of benchmarks/render.py")
    for area, (title, names) in AREAS.items():
        paths = [ROOT / "results" / f"{name}.json" for name in names]
        text = "\n".join(
            [
                f"# {title}",
                "",
                "Rendered by `make results` from `benchmarks/results/*.json`; every line names the command that prints it.",
                "Ratios say how many times better than the peer, measured in the same process and run.",
                "",
                *[section(path) if path.exists() else not_measured(path.stem) for path in paths],
            ]
        )
        (DOCS / f"{area}.md").write_text(text)
        print(f"docs/results/{area}.md")


if __name__ == "__main__":
    main()

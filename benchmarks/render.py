"""Write ``docs/results/<area>.md`` from ``benchmarks/results/*.json``: figures are never typed."""

import json
from pathlib import Path

ROOT = Path(__file__).parent
DOCS = ROOT.parent / "docs" / "results"

# area -> title, and its benchmarks in the order in which they are shown
AREAS = {
    "spine": (
        "The spine: validity, speed, and the first data sets",
        ("conformal_validity", "auroc_bootstrap", "isolation_forest_onnx", "ecdf_speed", "environments"),
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
        ("imaging_lbe", "imaging_networks", "imaging_shift"),
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


def readme_table() -> str:
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
        first = f"`{command}`<br>{counts}" if key != shown else ""
        shown = key
        cells = []
        for metric in columns:
            r = found.get(metric)
            known = r is not None and r["value"] is not None
            cells.append(f"{r['value']:.3f} ({r['ci_low']:.3f} to {r['ci_high']:.3f})" if known else "")
        lines.append("| " + " | ".join([first, model, *cells]) + " |")
    return "\n".join(lines)


def write_readme() -> None:
    path = ROOT.parent / "README.md"
    text = path.read_text()
    start, end = "<!-- results: rendered by make results -->", "<!-- end of results -->"
    before, _, rest = text.partition(start)
    path.write_text(f"{before}{start}\n{readme_table()}\n{end}{rest.partition(end)[2]}")
    print("README.md")


def main() -> None:
    write_readme()
    DOCS.mkdir(parents=True, exist_ok=True)
    placed = {name for _, names in AREAS.values() for name in names}
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
                *[section(path) for path in paths if path.exists()],
            ]
        )
        (DOCS / f"{area}.md").write_text(text)
        print(f"docs/results/{area}.md")


if __name__ == "__main__":
    main()

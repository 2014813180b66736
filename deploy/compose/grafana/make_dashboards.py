"""Write the dashboards of Grafana: ``python deploy/compose/grafana/make_dashboards.py``. Edit this file, never the JSON."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
YES_NO = [{"type": "value", "options": {"0": {"text": "no"}, "1": {"text": "yes"}}}]
PER_MODEL = "{{modality}} {{model}}"


def panel(
    kind: str, title: str, at: tuple[int, int, int, int], *asked: tuple[str, str], about: str = ""
) -> dict[str, Any]:
    """What all panels have.

    Args:
        kind: of Grafana.
        title: above it.
        at: left, top, width and height; a row is 24 wide.
        asked: expressions of Prometheus with their legends.
        about: what a reader has to know.
    """
    targets = [
        {"datasource": SOURCE, "expr": expr, "legendFormat": legend, "refId": chr(ord("A") + i)}
        for i, (expr, legend) in enumerate(asked)
    ]
    place = dict(zip("xywh", at, strict=True))
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": targets,
    }


def stat(
    title: str,
    left: int,
    expr: str,
    unit: str = "short",
    colours: tuple[tuple[str, float | None], ...] = (("blue", None),),
    about: str = "",
    mappings: list | None = None,
) -> dict[str, Any]:
    """One number in the top row, in the colour of the last threshold that it reaches."""
    steps = [{"color": colour, "value": value} for colour, value in colours]
    return panel("stat", title, (left, 0, 4, 4), (expr, ""), about=about) | {
        "fieldConfig": {
            "defaults": {"unit": unit, "mappings": mappings or [], "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value", "graphMode": "area", "textMode": "auto",
        },
    }  # fmt: skip


def lines(
    title: str,
    at: tuple[int, int, int, int],
    unit: str,
    *asked: tuple[str, str],
    about: str = "",
    stacked: bool = False,
    least: float | None = 0,
) -> dict[str, Any]:
    """Values over time."""
    style = {
        "drawStyle": "line", "fillOpacity": 10, "lineWidth": 1, "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }  # fmt: skip
    defaults = {"unit": unit} | ({} if least is None else {"min": least}) | {"custom": style}
    return panel("timeseries", title, at, *asked, about=about) | {
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def models_served(top: int) -> dict[str, Any]:
    """Which bundles each service serves."""
    made = panel("table", "Models served", (0, top, 24, 7), ("medanomaly_model_info", ""))
    made["targets"][0] |= {"format": "table", "instant": True}
    hidden = dict.fromkeys(("Time", "Value", "__name__", "job"), True)
    named = {"model": "model", "bundle": "first digits of the bundle hash", "instance": "service"}
    return made | {
        "transformations": [{"id": "organize", "options": {"excludeByName": hidden, "renameByName": named}}],
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {"showHeader": True},
    }


def dashboard(
    uid: str, title: str, about: str, since: str, refresh: str, panels: list[dict]
) -> dict[str, Any]:
    """A dashboard of panels, which get their numbers here."""
    return {
        "uid": uid, "title": title, "description": f"{about} Research use only.", "tags": ["medanomaly"],
        "timezone": "browser", "schemaVersion": 39, "version": 1, "editable": False, "refresh": refresh,
        "time": {"from": since, "to": "now"}, "templating": {"list": []}, "annotations": {"list": []},
        "panels": [{"id": i} | one for i, one in enumerate(panels, start=1)],
    }  # fmt: skip


def per(labels: str, name: str, over: str = "1h") -> str:
    """Growth of a counter within a time, by labels."""
    return f"sum by ({labels}) (increase({name}[{over}]))"


def rate(name: str, labels: str = "") -> str:
    """Growth of a counter per second."""
    return f"sum{f' by ({labels}) ' if labels else ''}(rate({name}[$__rate_interval]))"


def service() -> dict[str, Any]:
    """What the service is asked and answers."""
    bucket = "rate(medanomaly_request_seconds_bucket[$__rate_interval])"
    quantile = "histogram_quantile({}, sum by (le, route) (" + bucket + "))"
    failing = (
        'sum(rate(medanomaly_requests_total{status=~"5.."}[5m])) / sum(rate(medanomaly_requests_total[5m]))'
    )
    scored, flagged = "medanomaly_cases_scored_total", "medanomaly_cases_flagged_total"
    panels = [
        stat("Models are served", 0, "min(medanomaly_ready)", "none", (("red", None), ("green", 1)), mappings=YES_NO),
        stat("Requests", 4, rate("medanomaly_requests_total"), "reqps"),
        stat("Requests that fail", 8, failing, "percentunit", (("green", None), ("red", 0.01)),
             "Share of answers of 5xx within 5 minutes."),
        stat("Cases scored in 24 h", 12, f"sum(increase({scored}[24h]))", about="Cases times models."),
        stat("Answers that wait to be stored", 16, "sum(medanomaly_store_waiting)",
             colours=(("green", None), ("red", 500))),
        stat("Answers not stored in 24 h", 20, "sum(increase(medanomaly_store_failures_total[24h]))",
             colours=(("green", None), ("red", 1)), about="They were not given either."),
        lines("Requests per route", (0, 4, 12, 8), "reqps", (rate("medanomaly_requests_total", "route"), "{{route}}")),
        lines("Time to the answer per route", (12, 4, 12, 8), "s", (quantile.format(0.5), "{{route}} p50"),
              (quantile.format(0.99), "{{route}} p99")),
        lines("Answers per status", (0, 12, 12, 8), "reqps", (rate("medanomaly_requests_total", "status"), "{{status}}"),
              stacked=True),
        lines("Requests and live ECGs now", (12, 12, 12, 8), "short", ("sum(medanomaly_requests_in_progress)", "requests"),
              ("sum(medanomaly_live_streams)", "live ECGs")),
        lines("Cases scored per model", (0, 20, 12, 8), "cps", (rate(scored, "modality, model"), PER_MODEL)),
        lines("Share of cases flagged per model", (12, 20, 12, 8), "percentunit",
              (f"{per('modality, model', flagged)} / {per('modality, model', scored)}", PER_MODEL),
              about="Of the cases of one hour. Far above the false-alarm rate of the models, either the cases are ill or "
              "the data have changed: p_values_hold of the answers tells them apart."),
        lines("Cases refused per modality", (0, 28, 12, 8), "short",
              (per("modality", "medanomaly_cases_refused_total"), "{{modality}}"),
              about="Within one hour. The answers say why."),
        lines("Alarms of live ECGs", (12, 28, 12, 8), "short", (per("kind", "medanomaly_live_alarms_total"), "{{kind}}"),
              about="Within one hour."),
        lines("Predictions stored", (0, 36, 12, 8), "wps", (rate("medanomaly_predictions_stored_total"), "stored")),
        lines("Memory", (12, 36, 6, 8), "bytes",
              ('process_resident_memory_bytes{job="medanomaly"}', "memory of {{instance}}")),
        lines("Processor time", (18, 36, 6, 8), "short",
              ('rate(process_cpu_seconds_total{job="medanomaly"}[$__rate_interval])', "cores of {{instance}}")),
        lines("Champions loaded, and not loaded", (0, 44, 24, 6), "short",
              ("sum(increase(medanomaly_model_reloads_total[1h]))", "loaded"),
              ("sum(increase(medanomaly_model_reload_failures_total[1h]))", "not loaded"),
              about="Promotions and roll-backs of the registry, within one hour."),
        models_served(50),
    ]  # fmt: skip
    about = "What the service is asked, how fast it answers, what it flags, and whether the store keeps up."
    return dashboard("medanomaly", "medanomaly", about, "now-6h", "30s", panels)


def periods() -> dict[str, Any]:
    """What the monitoring of periods found."""
    holds = "medanomaly_period_p_values_hold"
    panels = [
        stat("Warnings", 0, "sum(medanomaly_period_warnings)", colours=(("green", None), ("red", 1)),
             about="Limits that were crossed in the last period. Its page says which."),
        stat("Time since the last period", 4, "time() - max(medanomaly_period_end_seconds)", "s",
             (("green", None), ("red", 129_600))),
        stat("P-values hold", 8, f"min({holds})", "none", (("red", None), ("green", 1)), mappings=YES_NO),
        stat("Columns shifted", 12, "sum(medanomaly_period_shifted_columns)", colours=(("green", None), ("red", 1))),
        stat("Cases", 16, "sum(medanomaly_period_cases)"),
        stat("Raw cases refused", 20, "max(medanomaly_period_refused_share)", "percentunit",
             (("green", None), ("red", 0.05))),
        lines("Score shift", (0, 4, 12, 8), "short", ("medanomaly_period_score_shift", PER_MODEL),
              about="Population stability index against the calibration cases; 0.2 is the limit."),
        lines("AUROC", (12, 4, 12, 8), "short", ("medanomaly_period_auroc", f"{PER_MODEL} by {{{{basis}}}}"),
              ("medanomaly_period_expected_auroc", f"{PER_MODEL} expected"), least=None,
              about="By labels: measured. By scores: estimated without labels, where nothing has shifted."),
        lines("Share of cases flagged", (0, 12, 12, 8), "percentunit", ("medanomaly_period_flagged_share", PER_MODEL)),
        lines("False alarms beyond what is to be expected", (12, 12, 12, 8), "percentunit",
              ("medanomaly_period_false_alarm_excess", PER_MODEL), least=None,
              about="Of the worst group; above 0 more normal cases are flagged than p-values allow."),
        lines("P-values hold", (0, 20, 12, 6), "short", (holds, PER_MODEL)),
        lines("Warnings by what crossed a limit", (12, 20, 12, 6), "short",
              ("sum by (modality, kind) (medanomaly_period_warnings)", "{{modality}} {{kind}}")),
    ]  # fmt: skip
    about = "What changed from one period to the next: columns, scores, alarms, performance."
    return dashboard("medanomaly-periods", "medanomaly periods", about, "now-90d", "5m", panels)


DASHBOARDS = {"medanomaly.json": service, "periods.json": periods}


def text(name: str) -> str:
    """Content of a dashboard's file."""
    return json.dumps(DASHBOARDS[name](), indent=1) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / name).write_text(text(name), encoding="utf-8")

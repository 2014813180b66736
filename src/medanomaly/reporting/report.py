"""The report: one HTML file that needs no network, no script and no other file."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import InputError
from medanomaly.evaluation.known_metrics import METRICS
from medanomaly.reporting import tables, unusual_cases
from medanomaly.reporting.figures.standard import CAPTIONS, EXPLAINED, Caption
from medanomaly.reporting.figures.style import GRID, INK, MUTED, SURFACE, model_label
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.sections import Section
from medanomaly.reporting.summary import summary_rows
from medanomaly.reporting.wording import (
    answer,
    asked,
    counted,
    day,
    interval,
    p_value,
    percent,
    written,
)

__all__ = ["ModalityResults", "render_report", "summary_rows"]

# figures that stand in a section of their own instead of the gallery
_PLACED = ("sensitivity_by_kind", "subgroups")
_HALF_POINTS = 420
_RUN_WORDS = {
    "dataset": "Data set",
    "created": "Made on",
    "command": "Command",
    "seed": "Seed",
    "version": "medanomaly",
    "fingerprint": "Data fingerprint",
}


def render_report(run: Mapping[str, Any], modalities: Sequence[ModalityResults]) -> str:
    """Render the results of one run as a self-contained HTML page.

    Nothing is computed from scores here beyond counts and order: metrics, comparisons and audit are shown as given, and a
    part that is absent (labels, explanations, comparisons, ...) leaves out its section.

    Args:
        run: how the results were made. ``dataset`` is required; ``description``, ``created`` (date as text), ``command``,
            ``seed``, ``version``, ``fingerprint``, ``libraries`` (name to version) and ``parameters`` (nested) are shown
            where given, as are any further plain values.
        modalities: results of each modality, in the order of their sections; at least one.

    Returns:
        HTML. The same input gives the same text. Every value is escaped; only the SVG figures are inserted as they are,
        and the page's content-security policy lets no script run.

    Raises:
        InputError: there is no modality, two of them share a name, or a figure is not SVG.
    """
    if not modalities:
        raise InputError("there is nothing to report", remedy="Give the results of at least one modality.")
    names = [results.name for results in modalities]
    if len(set(names)) < len(names):
        raise InputError(f"two modalities have one name: {names}", remedy="Give each a name of its own.")
    return _render("report.html", run, modalities=[_view(results) for results in modalities])


def render_page(
    run: Mapping[str, Any], title: str, heading: str, lead: str, sections: Sequence[Section]
) -> str:
    """Render sections that stand by themselves as a self-contained HTML page.

    Args:
        run: as of :func:`render_report`.
        title: what the page is (``risk report``).
        heading: what is looked for, to be read before "in <data set>".
        lead: the finding in one sentence.
        sections: in order.
    """
    views = [_section_view(section) for section in sections]
    return _render("page.html", run, title=title, heading=heading, lead=lead, sections=views)


def _render(template: str, run: Mapping[str, Any], **views: Any) -> str:
    environment = Environment(
        loader=PackageLoader("medanomaly.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = counted
    environment.filters["thousands"] = lambda n: f"{n:,}"
    source, _, _ = environment.loader.get_source(environment, "report.css")
    return environment.get_template(template).render(
        run=run,
        css=Markup(source),
        made_on=day(run.get("created")),
        facts=[(word, run[key]) for key, word in _RUN_WORDS.items() if run.get(key) is not None],
        libraries=dict(run.get("libraries") or {}),
        parameters=_flat({**_further(run), **(run.get("parameters") or {})}),
        **views,
    )


def _further(run: Mapping[str, Any]) -> dict[str, Any]:
    known = {*_RUN_WORDS, "description", "libraries", "parameters"}
    return {key: value for key, value in run.items() if key not in known}


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in parameters.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", "not set" if value is None else str(value)))
    return rows


def _view(r: ModalityResults) -> dict[str, Any]:
    """Everything the template shows of one modality, in plain types."""
    comparisons, comparisons_left_out = tables.comparison_rows(r) if r.judged else ([], 0)
    figures = [_figure_view(name, svg) for name, svg in r.figures.items() if not name.startswith(EXPLAINED)]
    n_calibration = int(reference_cases(r.cases, "calibration").sum())
    gallery = [figure for figure in figures if figure["name"] not in _PLACED]
    return {
        "slug": re.sub(r"[^a-z0-9]+", "-", r.name.lower()).strip("-") or "modality",
        "name": r.name.replace("_", " "),
        "noun": r.noun,
        "alpha": asked(r.alpha),
        "judged": r.judged,
        "leading": model_label(r.leading),
        "answer": answer(r),
        "tiles": _tiles(r),
        "audit": tables.audit_rows(r),
        "splits": tables.split_rows(r),
        "counts": tables.counts(r),
        "quarantine": tables.quarantine_rows(r.quarantine),
        "quality": tables.quality_rows(r.quality),
        "n_without_flag": (r.quality or {}).get("n_clean_records"),
        "n_checked": (r.quality or {}).get("n_records"),
        "notes": list((r.summary or {}).get("notes", [])),
        "results": tables.results_table(r) if r.judged else None,
        "flagged": tables.flagged_rows(r),
        "choices": tables.choice_rows(r),
        "comparisons": comparisons,
        "comparisons_left_out": comparisons_left_out,
        "gallery": _paired(gallery),
        "realised": tables.realised_rates(r),
        "placed": {figure["name"]: figure for figure in figures if figure["name"] in _PLACED},
        "subgroups": tables.subgroup_rows(r) if r.judged else [],
        "suppressed": tables.suppressed_rows(r, kinds=False),
        "suppressed_kinds": tables.suppressed_rows(r, kinds=True),
        "kinds": tables.kind_table(r) if r.judged else {"models": [], "rows": []},
        "unusual": unusual_cases.unusual_rows(r),
        "n_test": len(r.test_cases),
        "n_calibration": n_calibration,
        "floor": p_value(1 / (n_calibration + 1)),
        "explained": unusual_cases.explained_cases(r),
        "sections": [_section_view(section) for section in r.sections],
    }


def _tiles(r: ModalityResults) -> list[dict[str, str]]:
    """The four figures that a reader should take away."""
    n_anomalous = int((r.test_cases["label"] == 1).sum())
    tested = {
        "label": f"{r.noun}s tested",
        "value": f"{len(r.test_cases):,}",
        "note": f"{n_anomalous:,} of them anomalous" if r.judged else "not labelled well enough to judge by",
    }
    if not r.judged:
        flagged = int(r.most_unusual["flagged"].fillna(False).sum())
        share = percent(flagged / max(1, len(r.test_cases)))
        return [
            {
                "label": "flagged",
                "value": f"{flagged:,}",
                "note": f"{share}; {asked(r.alpha)} expected if all normal",
            },
            tested,
        ]
    tiles = []
    for metric, label in (
        ("auroc", "AUROC"),
        ("false_alarm_rate", "false alarms"),
        ("sensitivity", "anomalies caught"),
    ):
        row = r.metric(r.leading, metric)
        if row is None:
            continue
        span = interval(metric, row["ci_low"], row["ci_high"])
        note = f"95 % interval {span}" if span else METRICS[metric].meaning
        heading = f"{label}, {asked(r.alpha)} asked for" if metric == "false_alarm_rate" else label
        tiles.append({"label": heading, "value": written(metric, row["value"]), "note": note})
    return [*tiles, tested]


def _section_view(section: Section) -> dict[str, Any]:
    figures = [_figure_view(f.title, f.svg, Caption(f.title, f.reading)) for f in section.figures]
    return {
        "slug": re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-"),
        "title": section.title,
        "text": section.text,
        "gallery": _paired(figures),
        "tables": [
            {
                "title": table.title,
                "columns": table.columns,
                "note": table.note,
                "rows": [[_cell(value) for value in row] for row in table.rows],
            }
            for table in section.tables
        ],
    }


def _cell(value: str | int | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"text": value, "number": value[:1].isdigit() or value[:1] in "+-−.–"}
    return {"text": f"{value:,}" if isinstance(value, int) else f"{value:.3g}", "number": True}


def _figure_view(name: str, svg: str, caption: Caption | None = None) -> dict[str, Any]:
    if not svg.startswith("<svg"):
        raise InputError(f"figure '{name}' is not SVG", remedy="Draw it with medanomaly.reporting.figures.")
    caption = caption or CAPTIONS.get(name, Caption(name.replace("_", " "), ""))
    box = re.search(r'viewBox="0 0 ([0-9.]+)', svg)
    wide = box is not None and float(box.group(1)) > _HALF_POINTS
    for colour, variable in ((INK, "ink"), (MUTED, "muted"), (GRID, "line"), (SURFACE, "surface")):
        svg = svg.replace(colour, f"var(--{variable})")
    return {
        "name": name,
        "title": caption.title,
        "reading": caption.reading,
        "svg": Markup(svg),
        "wide": wide,
    }


def _paired(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Half-wide figures first, two a row; one left alone gets its caption at its side instead of an empty half."""
    half = [figure for figure in figures if not figure["wide"]]
    for position, figure in enumerate(half):
        figure["alone"] = position == len(half) - 1 and len(half) % 2 == 1
    return [*half, *({**figure, "alone": False} for figure in figures if figure["wide"])]

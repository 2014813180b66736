"""The report: which sections a page has, in which order.

It answers its title first: how many cases are flagged and which are the most unusual. Then comes how far that can be
trusted, then the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from medanomaly.core.cases import DIVIDED_IN_TIME
from medanomaly.core.errors import InputError
from medanomaly.evaluation.known_metrics import METRICS
from medanomaly.reporting import tables
from medanomaly.reporting.cards import why_section
from medanomaly.reporting.figures.standard import CAPTIONS, EXPLAINED, Caption
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.findings import cautions, failed_checks, flagged_details, flagged_lead, ranking
from medanomaly.reporting.glossary import GLOSSARY, LIMITS
from medanomaly.reporting.page import render
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.sections import Figure, Section, Table, slug
from medanomaly.reporting.tabular import every_record
from medanomaly.reporting.unusual_cases import unusual_table
from medanomaly.reporting.wording import asked, counted, interval, plural, written

__all__ = ["ModalityResults", "render_page", "render_report"]

# figures that have a section of their own
_PLACED = ("p_value_calibration", "sensitivity_by_kind", "subgroups")
_FOLDED = ("confusion_of_others",)
# what is true of cases by how the data declares them
CASES = {
    "beats": "Each case is one beat of a recording.",
    "cut_beats": "The data set holds single beats, cut out and standardised: there is no rhythm, no time and no millivolt.",
    "windows": "Each case is one window of a long series.",
}


def render_report(
    run: Mapping[str, Any], modalities: Sequence[ModalityResults], patients: Sequence[Section] = ()
) -> str:
    """Render the results of one run as a self-contained HTML page.

    Nothing is computed from scores here beyond counts and order: metrics, comparisons and audit are shown as given. A part
    that is absent (labels, explanations, comparisons, ...) leaves out its section.

    Args:
        run: how the results were made. ``dataset`` is required; ``description``, ``created`` (date as text), ``command``,
            ``seed``, ``version``, ``fingerprint``, ``libraries`` (name to version) and ``parameters`` (nested) are shown
            where given, as are any further plain values.
        modalities: results of each modality, in the order of their sections; at least one. Among several, a modality with
            a ``page`` of its own is linked instead of shown in detail.
        patients: sections about patients, which come first.

    Returns:
        HTML. The same input gives the same text.

    Raises:
        InputError: there is no modality, two of them share a name, or a figure is not SVG.
    """
    if not modalities:
        raise InputError("there is nothing to report", remedy="Give the results of at least one modality.")
    names = [results.name for results in modalities]
    if len(set(names)) < len(names):
        raise InputError(f"two modalities have one name: {names}", remedy="Give each a name of its own.")
    several = len(modalities) > 1
    modalities = list(modalities) if several else [replace(modalities[0], page="")]
    answers = [answer_section(r) for r in modalities]
    trust = [trust_section(r) for r in modalities]
    if several:
        answers = [Section("The answer", sections=answers, key="answer")]
        trust = [Section("How far can this be trusted?", sections=trust, key="trust")]
    else:
        answers = [replace(answers[0], title="The answer", key="answer")]
        trust = [replace(trust[0], title="How far can this be trusted?", key="trust")]
    details = [detail_section(r) for r in modalities if not r.page]
    facts = [
        f"{_name(r)}: {counted(r.scores['model'].nunique() - len(r.baselines), 'model')} on "
        f"{counted(len(r.test_cases), r.noun)} set aside for testing."
        for r in modalities
    ]
    return render(
        run,
        [*patients, *answers, *trust, *details, GLOSSARY, LIMITS],
        title="report",
        heading="What is unusual",
        subtitle=str(run.get("description") or ""),
        facts=" ".join(facts),
    )


def render_page(
    run: Mapping[str, Any], title: str, heading: str, lead: str, sections: Sequence[Section]
) -> str:
    """Render sections that form a page of their own as a self-contained HTML page.

    Args:
        run: as of :func:`render_report`.
        title: what the page is (``risk report``).
        heading: what is looked for, to be read before "in <data set>".
        lead: the finding in one sentence.
        sections: in order.
    """
    answer = Section("The answer", lead=lead, key="answer")
    return render(run, [answer, *sections], title=title, heading=heading)


def answer_section(r: ModalityResults) -> Section:
    """How many cases are flagged, the most unusual ones, and where all of them are."""
    # cards are where the details are: on this page, or on the modality's own
    why = why_section(r)
    carded = {card.case_id: f"{r.page}#{card.key}" for card in why.cards} if why else {}
    links = []
    if r.cases_file:
        links.append((f"All {counted(len(r.test_cases), f'test {r.noun}')} with their scores", r.cases_file))
    if r.page:
        links.append(
            (
                f"Everything about {_name(r).lower()}: figures, subgroups, data, and why cases are unusual",
                r.page,
            )
        )
    if any(section.title == every_record.TITLE for section in r.sections):
        address = f"{r.page}#{r.slug}-{slug(every_record.TITLE)}"
        links.append((f"{every_record.TITLE}, those of train and calibration too", address))
    return Section(
        _name(r),
        lead=flagged_lead(r),
        text=" ".join(flagged_details(r)),
        cautions=failed_checks(r.audit),
        tables=[replace(unusual_table(r, carded), title=f"Most unusual {plural(r.noun)}")],
        links=links,
        key=f"{r.slug}-answer",
    )


def trust_section(r: ModalityResults) -> Section:
    """How well the leading model ranks, reasons for doubt, the models compared, the audit."""
    return Section(
        _name(r),
        text=" ".join(ranking(r)),
        cautions=cautions(r),
        tiles=_tiles(r),
        sections=[_results(r), *_audit(r)],
        key=f"{r.slug}-trust",
    )


def _tiles(r: ModalityResults) -> list[tuple[str, str, str]]:
    """The figures that a reader should take away."""
    if not r.judged:
        return []
    n_anomalous = int((r.test_cases["label"] == 1).sum())
    tiles = []
    for metric, label in (
        ("auroc", "AUROC"),
        ("false_alarm_rate", f"False alarms, {asked(r.alpha)} asked for"),
        ("sensitivity", "Anomalies caught"),
    ):
        row = r.metric(r.leading, metric)
        if row is not None:
            span = interval(metric, row["ci_low"], row["ci_high"])
            note = f"95 % interval {span}" if span else METRICS[metric].meaning
            tiles.append((label, written(metric, row["value"]), note))
    tested = (
        f"{plural(r.noun).capitalize()} tested",
        f"{len(r.test_cases):,}",
        f"{n_anomalous:,} of them anomalous",
    )
    return [*tiles, tested]


def _results(r: ModalityResults) -> Section:
    shown = [table for table in (tables.choice_table(r), tables.comparison_table(r)) if table and r.judged]
    key = f"{r.slug}-results"
    if r.judged:
        return Section("Results", tables=[*tables.results_tables(r), *shown], key=key)
    choices = tables.choice_table(r)
    return Section(
        "Results",
        "Without labels of both classes nothing can be said about how often a model is right. What each one flags:",
        tables=[tables.flagged_table(r), *([choices] if choices else [])],
        key=key,
    )


def _audit(r: ModalityResults) -> list[Section]:
    found = tables.audit_tables(r.audit)
    return (
        [Section("Audit: leaks, shortcuts and p-values", tables=found, key=f"{r.slug}-audit")]
        if found
        else []
    )


def detail_section(r: ModalityResults) -> Section:
    """Everything else that is known of a modality, in order."""
    why = why_section(r)
    own = [
        replace(section, key=f"{r.slug}-{slug(section.title)}")
        for section in r.sections
        if section is not why
    ]
    parts = [
        why and replace(why, key=f"{r.slug}-why"),
        _figures(r),
        _p_values(r),
        _kinds(r),
        _subgroups(r),
        *own,
        _data(r),
    ]
    return Section(f"{_name(r)}: details", sections=[part for part in parts if part is not None], key=r.slug)


def _figure(name: str, svg: str) -> Figure:
    caption = CAPTIONS.get(name, Caption(name.replace("_", " "), ""))
    return Figure(caption.title, caption.reading, svg, folded=name in _FOLDED)


def _figures(r: ModalityResults) -> Section | None:
    shown = [
        _figure(name, svg)
        for name, svg in r.figures.items()
        if name not in _PLACED and not name.startswith(EXPLAINED)
    ]
    return Section("Figures", figures=shown, key=f"{r.slug}-figures") if shown else None


def _placed(r: ModalityResults, name: str) -> list[Figure]:
    return [_figure(name, r.figures[name])] if name in r.figures else []


def _p_values(r: ModalityResults) -> Section | None:
    found = _placed(r, "p_value_calibration")
    if not found:
        return None
    return Section(
        "Do p-values mean what they say?",
        figures=found,
        tables=[tables.realised_rates(r)],
        key=f"{r.slug}-p-values",
    )


def _kinds(r: ModalityResults) -> Section | None:
    table = tables.kind_table(r) if r.judged else None
    if table is None:
        return None
    small = [f"{kind} ({counted(n, r.noun)})" for kind, n in tables.suppressed_groups(r, kinds=True)]
    return Section(
        "What is caught, by kind of anomaly",
        figures=_placed(r, "sensitivity_by_kind"),
        tables=[replace(table, note=f"Too few to measure: {', '.join(small)}." if small else "")],
        key=f"{r.slug}-kinds",
    )


def _subgroups(r: ModalityResults) -> Section | None:
    table = tables.subgroup_table(r) if r.judged else None
    small = [f"{group} ({counted(n, r.noun)})" for group, n in tables.suppressed_groups(r, kinds=False)]
    notes = []
    if small:
        notes.append(f"Not shown, because they are too small to say anything: {', '.join(small)}.")
    if table is None:
        return Section("Subgroups", notes=notes, key=f"{r.slug}-groups") if notes else None
    notes.append("With many groups some look different by chance alone.")
    return Section(
        "Subgroups: does it work for everyone?",
        f"All of {model_label(r.leading)}. A group differs from the whole where its interval leaves the line of all test "
        f"{plural(r.noun)}.",
        figures=_placed(r, "subgroups"),
        tables=[table],
        notes=notes,
        key=f"{r.slug}-groups",
    )


def _data(r: ModalityResults) -> Section:
    counts = tables.counts(r)
    text = f"{counted(counts['read'], r.noun)} read = {counts['used']:,} used + {counts['set_aside']:,} set aside."
    if counts["refused"]:
        lost = counted(counts["refused"], "whole recording")
        text += f" Set aside besides: {lost}, the {plural(r.noun)} of which nobody has counted."
    doubts = []
    if counts["unexplained"]:
        lost = counted(counts["unexplained"], r.noun)
        doubts.append(f"These counts do not add up: {lost} cannot be accounted for.")
    elif DIVIDED_IN_TIME in r.cases:
        text += " The parts are divided in time: the same patients are in all of them. Figures come from test alone."
    else:
        text += f" A patient's {plural(r.noun)} are all in one part; figures come from test alone."
    summary = r.summary or {}
    text += f" {CASES[summary['cases']]}" if summary.get("cases") in CASES else ""
    below = [tables.split_table(r), tables.quarantine_table(r)]
    return Section(
        "Data",
        text,
        cautions=doubts,
        tables=[table for table in below if isinstance(table, Table)],
        notes=list(summary.get("notes", [])),
        key=f"{r.slug}-data",
    )


def _name(r: ModalityResults) -> str:
    return r.name.replace("_", " ").capitalize()

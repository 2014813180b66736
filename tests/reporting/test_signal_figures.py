"""Drawings of signals: true to scale, small, deterministic, and clear about what is in them."""

import re

import numpy as np
import pandas as pd
import pytest

from medanomaly.reporting.figures.ecg import beat_shapes, ecg_strip, episode_timeline, loss_bars, poincare
from medanomaly.reporting.figures.series import found_place
from medanomaly.reporting.sections import from_json, to_json
from medanomaly.reporting.signals import beats as beat_report
from medanomaly.reporting.signals import series as series_report
from medanomaly.signals.beats.table import beat_names


def strip(n_leads=2, seconds=8.0, focus=4.0):
    time_s = np.arange(0, seconds, 1 / 180) + 60
    signal = np.tile(np.sin(2 * np.pi * time_s)[:, None], (1, n_leads))
    beats = pd.DataFrame({"time_s": [62.0, 60 + focus], "mark": ["N", "V"], "flagged": [False, True]})
    return ecg_strip(time_s, signal, [f"L{i}" for i in range(n_leads)], beats, 60 + focus, "p = 0.01")


def test_a_second_of_a_strip_is_25_millimetres_wide():
    svg = strip()
    width_pt = float(re.search(r'viewBox="0 0 ([0-9.]+)', svg).group(1))
    # 8 s, 0.4 s of calibration pulse, 1 mm at each side
    assert width_pt / 72 * 25.4 == pytest.approx(8.4 * 25 + 2, abs=0.3)


def test_a_strip_names_leads_beats_and_p_value_and_stays_small():
    svg = strip()
    for text in ("L0", "L1", ">V<", "p = 0.01", "1:01"):
        assert text in svg
    assert len(svg) < 200_000


@pytest.mark.parametrize("n_leads", [1, 2])
def test_gaps_and_one_lead_are_drawn(n_leads):
    time_s = np.arange(0, 8, 1 / 180)
    signal = np.full((len(time_s), n_leads), np.nan)
    beats = pd.DataFrame({"time_s": [4.0], "mark": ["·"], "flagged": [False]})
    assert ecg_strip(time_s, signal, ["I", "II"][:n_leads], beats, 4.0, "").startswith("<svg")


def test_the_ellipse_has_the_spreads_of_brennan_2001():
    rng = np.random.default_rng(0)
    before, after = rng.normal(800, 30, 4000), rng.normal(800, 30, 4000)
    rows = pd.DataFrame({"before": before, "after": after, "aami": "N", "nn": True})
    # independent neighbours: both spreads are the deviation itself
    found = [int(x) for x in re.search(r"SD1 (\d+) ms, SD2 (\d+) ms", poincare({"r": rows})).groups()]
    assert found == pytest.approx([30, 30], abs=1)


def test_figures_say_in_words_what_they_show():
    episodes = pd.DataFrame({"record": ["a"], "kind": ["AF"], "start_s": [10.0], "end_s": [70.0]})
    assert "1 AF" in episode_timeline(episodes, {"a": 300.0})
    assert "rr 0.100" in loss_bars(
        pd.DataFrame({"name": ["rr"], "loss": [0.1], "spread": [0.01]}), "AUROC lost"
    )
    assert "not" in found_place(np.arange(5000.0), 1000, 1100, 4000, False)
    assert "PVC" in beat_shapes([("PVC", np.zeros(20))], np.random.default_rng(0).normal(size=(9, 20)))


def test_sections_travel_through_json():
    quality = pd.DataFrame(
        {"record": ["a"], "lead": ["II"], "windows": [10], "bad": [0.3], "reasons": ["noise (3)"]}
    )
    sections = [beat_report.quality_section(quality, pd.Series({"a": 0.25}))]
    back = from_json(to_json(sections))
    assert back[0].tables[0].rows[0][:2] == ("a", "25\u00a0%")
    assert "noise (3)" in back[0].tables[0].rows[0][3]


def test_a_beat_goes_by_record_and_time():
    beats = pd.DataFrame({"record": ["100", "100"], "sample": [261108, 21586], "time_s": [725.3, 59.96]})
    assert beat_names(beats) == {"100:261108": "100 at 12:05.3", "100:21586": "100 at 1:00.0"}


def test_the_table_of_the_standard_is_spoken_of_only_where_it_is_shown():
    table = pd.DataFrame(
        [{"name": "V", "n": 9, "patients": 2} | dict.fromkeys(("auroc", "sensitivity", "ppv"), 0.5)]
    ).assign(**{f"{m}_{end}": 0.4 for m in ("auroc", "sensitivity", "ppv") for end in ("low", "high")})
    lines = pd.DataFrame([{"record": "100", "N": 1, "S": 0, "V": 0, "F": 0, "Q": 0, "qrs_ppv": 0.9}])
    gross = pd.DataFrame({"statistic": ["qrs_ppv"], "ci_low": [0.8], "ci_high": [1.0]})
    with_table = beat_report.classes_section(table, "m", 0.05, lines, gross)
    without = beat_report.classes_section(table, "m", 0.05, lines.iloc[:0], gross)
    assert "counts them as missed" in with_table.text
    assert "counts them as missed" not in without.text


def test_cut_beats_alone_do_not_say_what_the_data_set_lacks():
    section = beat_report.cut_beats_section({}, np.zeros((3, 8)), "pca", 0.05)
    assert section.text == "Flagged at 5\u00a0%."


@pytest.mark.parametrize(("model", "said"), [("matrix_profile", True), ("moving_average", False)])
def test_matrix_profiles_are_spoken_of_only_where_one_was_run(model, said):
    found = pd.DataFrame(
        {"model": model, "record": ["a", "b"], "source": ["s", "t"], "located": [True, False], "chance": 0.1}
    )
    section = series_report._located(found, [model], 50, 0)
    assert ("Matrix profiles look at the whole series" in section.tables[0].note) == said


def burden(promised, **pooled):
    about = {"threshold": 12.0, "per_hour": 5.0, "patients": 9, "promised": promised, "most": 4.0}
    return about | {"pooled": {"threshold": 9.5, "false_per_hour": 6.25, "beats": 0.912} | pooled}


@pytest.mark.parametrize(
    ("facts", "said", "unsaid"),
    [
        (
            burden(True),
            (
                "a new patient is expected to have 5 false episodes per hour at most, where one patient counts with 20 at",
                "from 9 calibration patients",
                "together is 9.50; it would have had 6.25 false episodes per hour",
                "and 91.2\u00a0% of the abnormal beats above it",
            ),
            ("too few to promise",),
        ),
        (
            burden(True, false_per_hour=None, beats=None),
            ("together is 9.50.",),
            ("it would have had",),
        ),
        (
            burden(False),
            (
                "(12.00) is the lowest at which the calibration recordings have 5 false episodes per hour",
                "too few to promise",
            ),
            ("a new patient is expected", "9.50"),
        ),
    ],
)
def test_the_report_says_whose_false_episodes_the_threshold_limits_and_what_the_other_costs(
    facts, said, unsaid
):
    none = pd.DataFrame({"record": [], "kind": [], "start_s": [], "end_s": []})
    section = beat_report.episodes_section(none, {"r": 0.5}, {"r": (0.0, 1800.0)}, facts, None)
    assert all(part in section.text for part in said)
    assert not any(part in section.text for part in unsaid)

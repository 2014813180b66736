"""What every feature is: formula, unit and source. ``docs/signals/features.md`` is made from it."""

from dataclasses import dataclass

SIGNAL = "signal"  # the unit of the signal itself, mostly mV


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes:
        name: column.
        formula: how it is computed.
        unit: ``signal`` stands for the unit of the signal, ``1`` for none.
        source: paper or definition.
    """

    name: str
    formula: str
    unit: str
    source: str


_MOMENT = "moments of the sample"
_CHANGE = "Esteller et al. 2001, line length"
_HJORTH = "Hjorth 1970"
_PEAKS = "number of peaks of support n, Christ et al. 2018"
_QUANTILE = "Hyndman and Fan 1996, type 7"
_PERIODOGRAM = "periodogram, Oppenheim and Schafer 2010"
_WELCH = "Welch 1967"
_TASK_FORCE = "Task Force of ESC and NASPE 1996"
_POINCARE = "Brennan et al. 2001"
_DE_CHAZAL = "de Chazal et al. 2004, RR features"
_OWN = "own definition"
_ELGENDI = "Elgendi 2012"

_BANDS = (
    ("0_1", "below 1 Hz"),
    ("1_5", "from 1 to below 5 Hz"),
    ("5_15", "from 5 to below 15 Hz"),
    ("15_40", "from 15 to below 40 Hz"),
    ("40_up", "from 40 Hz up"),
)

WINDOW = (
    Feature("mean", "m = Σx / n", SIGNAL, _MOMENT),
    Feature("sd", "s = √(Σ(x − m)² / n)", SIGNAL, _MOMENT),
    Feature("skewness", "Σ(x − m)³ / (n s³); 0 where s = 0", "1", _MOMENT),
    Feature("kurtosis", "Σ(x − m)⁴ / (n s⁴) − 3; 0 where s = 0", "1", _MOMENT),
    Feature("rms", "√(Σx² / n)", SIGNAL, _MOMENT),
    Feature("mean_absolute_deviation", "Σ|x − m| / n", SIGNAL, _MOMENT),
    Feature("line_length", "Σ|xᵢ − xᵢ₋₁| fs / (n − 1)", "signal/s", _CHANGE),
    Feature("slope_max", "max|xᵢ − xᵢ₋₁| fs", "signal/s", _OWN),
    Feature(
        "crossing_rate",
        "changes of x > m to x ≤ m and back, fs / (n − 1) each",
        "1/s",
        "Kedem 1986, of the mean",
    ),
    Feature(
        "turning_rate",
        "changes of the sign of xᵢ − xᵢ₋₁ between neighbours, fs / (n − 1) each",
        "1/s",
        "Kendall 1973, turning points",
    ),
    Feature("hjorth_activity", "var(x)", "signal²", _HJORTH),
    Feature("hjorth_mobility", "M(x) = √(var(Δx) / var(x)); 0 where x is constant", "1", _HJORTH),
    Feature("hjorth_complexity", "M(Δx) / M(x); 0 where x or Δx is constant", "1", _HJORTH),
    Feature("peak_rate", "samples above all others within 0.1 s on both sides, fs / n each", "1/s", _PEAKS),
    Feature(
        "peak_interval_mean",
        "mean time between neighbouring peaks; length of the window with fewer than two",
        "s",
        _OWN,
    ),
    Feature("peak_interval_sd", "standard deviation of these times; 0 with fewer than two peaks", "s", _OWN),
    Feature("peak_height_mean", "mean of x − m over the peaks; 0 without one", SIGNAL, _OWN),
    Feature("minimum", "min x", SIGNAL, _QUANTILE),
    Feature("maximum", "max x", SIGNAL, _QUANTILE),
    Feature("range", "max x − min x", SIGNAL, _QUANTILE),
    Feature("quantile_05", "5 % quantile", SIGNAL, _QUANTILE),
    Feature("quantile_25", "25 % quantile", SIGNAL, _QUANTILE),
    Feature("median", "50 % quantile", SIGNAL, _QUANTILE),
    Feature("quantile_75", "75 % quantile", SIGNAL, _QUANTILE),
    Feature("quantile_95", "95 % quantile", SIGNAL, _QUANTILE),
    Feature("interquartile_range", "75 % quantile − 25 % quantile", SIGNAL, _QUANTILE),
    Feature("median_absolute_deviation", "median|x − median x|", SIGNAL, "Hampel 1974, not scaled"),
    Feature(
        "sample_entropy",
        "−ln(A / B), m = 2, r = 0.2 s: pairs of 2 samples within r, B, and of 3, A; ln((n − 2)(n − 3) / 2) where A = 0",
        "nat",
        "Richman and Moorman 2000",
    ),
    Feature(
        "approximate_entropy",
        "φ²(r) − φ³(r), r = 0.2 s, φᵐ the mean of ln of the share within r",
        "nat",
        "Pincus 1991",
    ),
    Feature(
        "permutation_entropy",
        "−Σ p ln p / ln 6 over the 6 orders of 3 neighbours",
        "1",
        "Bandt and Pompe 2002",
    ),
    *(
        Feature(
            f"power_{key}_hz",
            f"share of the power of the periodogram {text}; 0 where x is constant",
            "1",
            _PERIODOGRAM,
        )
        for key, text in _BANDS
    ),
    Feature("spectral_entropy", "−Σ p ln p / ln K, p the share of each of K bins", "1", "Inouye et al. 1991"),
    Feature("dominant_frequency", "frequency of the largest bin", "Hz", _PERIODOGRAM),
    Feature("spectral_centroid", "c = Σ f p", "Hz", "Peeters et al. 2011, of power"),
    Feature("spectral_spread", "√(Σ(f − c)² p)", "Hz", "Peeters et al. 2011, of power"),
    Feature(
        "spectral_edge_95",
        "lowest frequency with 95 % of the power at or below it",
        "Hz",
        "Rampil 1998",
    ),
    *(
        Feature(
            f"welch_power_{key}_hz",
            f"share of the power {text}, Hann segments of 1 s that overlap by half",
            "1",
            _WELCH,
        )
        for key, text in _BANDS
    ),
    Feature("welch_entropy", "−Σ p ln p / ln K over the bins of the averaged periodogram", "1", _WELCH),
)

HRV = (
    Feature("nn_mean", "mean of the NN intervals", "ms", _TASK_FORCE),
    Feature("nn_median", "median", "ms", _TASK_FORCE),
    Feature("nn_min", "shortest", "ms", _TASK_FORCE),
    Feature("nn_max", "longest", "ms", _TASK_FORCE),
    Feature("nn_iqr", "75 % quantile − 25 % quantile", "ms", _QUANTILE),
    Feature("nn_mad", "1.4826 median|NN − median NN|", "ms", "Hampel 1974"),
    Feature("heart_rate_mean", "60000 / mean NN", "1/min", _TASK_FORCE),
    Feature("sdnn", "standard deviation of NN, divisor n − 1", "ms", _TASK_FORCE),
    Feature("rmssd", "√mean(ΔNN²)", "ms", _TASK_FORCE),
    Feature("sdsd", "standard deviation of ΔNN, divisor n − 1", "ms", _TASK_FORCE),
    Feature("pnn20", "share of |ΔNN| > 20 ms in the number of NN intervals", "%", "Mietus et al. 2002"),
    Feature("pnn50", "share of |ΔNN| > 50 ms in the number of NN intervals", "%", _TASK_FORCE),
    Feature("cvnn", "SDNN / mean NN", "1", _TASK_FORCE),
    Feature("cvsd", "RMSSD / mean NN", "1", _TASK_FORCE),
    Feature(
        "triangular_index", "number of NN / height of their histogram, bins of 1/128 s", "1", _TASK_FORCE
    ),
    Feature(
        "sd1", "standard deviation of ΔNN / √2, divisor n − 1: across the identity line", "ms", _POINCARE
    ),
    Feature("sd2", "standard deviation of (NNᵢ + NNᵢ₊₁) / √2, divisor n − 1: along it", "ms", _POINCARE),
    Feature("sd1_sd2", "SD1 / SD2", "1", _POINCARE),
    Feature(
        "nn_sample_entropy",
        "sample entropy of NN, m = 2, r = 0.2 standard deviations (divisor n)",
        "nat",
        "Richman and Moorman 2000",
    ),
    Feature("vlf", "power of NN at 0.003 to 0.04 Hz", "ms²", _TASK_FORCE + "; Lomb 1976"),
    Feature("lf", "power at 0.04 to 0.15 Hz", "ms²", _TASK_FORCE + "; Lomb 1976"),
    Feature("hf", "power at 0.15 to 0.4 Hz", "ms²", _TASK_FORCE + "; Lomb 1976"),
    Feature("total_power", "VLF + LF + HF", "ms²", _TASK_FORCE),
    Feature("lf_hf", "LF / HF", "1", _TASK_FORCE),
    Feature("lf_nu", "100 LF / (LF + HF)", "%", _TASK_FORCE),
    Feature("hf_nu", "100 HF / (LF + HF)", "%", _TASK_FORCE),
)

BEAT = (
    Feature("rr_pre", "time from the beat before", "s", _DE_CHAZAL),
    Feature("rr_post", "time to the beat after", "s", _DE_CHAZAL),
    Feature(
        "rr_local",
        "median of the up to 8 intervals before rr_pre",
        "s",
        "after de Chazal et al. 2004, median for mean",
    ),
    Feature("rr_pre_ratio", "rr_pre / rr_local", "1", _DE_CHAZAL),
    Feature("rr_post_ratio", "rr_post / rr_local", "1", _DE_CHAZAL),
    Feature("rr_post_pre", "rr_post / rr_pre", "1", _DE_CHAZAL),
    Feature("rr_change", "rr_pre − the interval before it", "s", _OWN),
    Feature("r_amplitude", "y(R), y the signal − its median over R − 250 to R + 400 ms", SIGNAL, _OWN),
    Feature("qrs_maximum", "max y over R ± 100 ms", SIGNAL, _OWN),
    Feature("qrs_minimum", "min y over R ± 100 ms", SIGNAL, _OWN),
    Feature("qrs_amplitude", "qrs_maximum − qrs_minimum", SIGNAL, _OWN),
    Feature("p_amplitude", "y of largest |y| from R − 250 to R − 80 ms", SIGNAL, _OWN),
    Feature("t_amplitude", "y of largest |y| from R + 120 to R + 400 ms", SIGNAL, _OWN),
    Feature(
        "qrs_width",
        "time from the first to the last sample within R ± 150 ms whose slope over ± 8 ms is at least 0.2 of the steepest",
        "s",
        _OWN,
    ),
    Feature("qrs_area", "∫|y| dt over R ± 100 ms, trapezoids", "signal·s", _OWN),
    Feature("qrs_slope_max", "steepest of these slopes", "signal/s", _OWN),
    Feature("beat_rms", "√mean(y²) over R − 250 to R + 400 ms", SIGNAL, _OWN),
    Feature(
        "template_correlation",
        "Pearson's r with the median beat of the reference; 0 for a flat beat",
        "1",
        "Pearson 1896",
    ),
    Feature("template_distance", "‖b − T‖ / ‖T‖, beat and template − their means", "1", _OWN),
    *(
        Feature(
            f"pc_{k}",
            f"score on principal component {k} of the beats of the reference",
            SIGNAL,
            "Castells et al. 2007",
        )
        for k in range(1, 5)
    ),
    Feature("pc_residual", "root mean square of what the 4 components leave", SIGNAL, "Castells et al. 2007"),
)

PULSE = (
    Feature("pulse_interval", "time from onset to onset", "s", _ELGENDI),
    Feature("amplitude", "y(peak), y the signal above the line between the two onsets", SIGNAL, _ELGENDI),
    Feature("rise_time", "onset to peak", "s", _ELGENDI),
    Feature("decay_time", "peak to next onset", "s", _ELGENDI),
    Feature("crest_ratio", "rise_time / pulse_interval", "1", _ELGENDI),
    Feature("width_25", "width of y at 25 % of the amplitude", "s", "Awad et al. 2007"),
    Feature("width_50", "width at 50 %", "s", "Awad et al. 2007"),
    Feature("width_75", "width at 75 %", "s", "Awad et al. 2007"),
    Feature("area_systolic", "∫y dt from onset to peak, trapezoids", "signal·s", _ELGENDI),
    Feature("area_diastolic", "∫y dt from peak to next onset", "signal·s", _ELGENDI),
    Feature("area_ratio", "area_diastolic / area_systolic", "1", _ELGENDI),
    Feature("upslope_max", "steepest rise between two samples", "signal/s", _ELGENDI),
    Feature("notch_time", "onset to dicrotic notch", "s", _ELGENDI),
    Feature("augmentation_index", "height of the diastolic peak / amplitude", "1", "Millasseau et al. 2002"),
    Feature(
        "apg_b_a",
        "b / a of the second derivative: its least value after a up to the peak, and its largest, a, before",
        "1",
        "Takazawa et al. 1998",
    ),
)

GROUPS = {"window": WINDOW, "hrv": HRV, "beat": BEAT, "pulse": PULSE}

_HEADINGS = {
    "window": (
        "Windows",
        "`windows.feature_matrix`, `windows.windowed_features` and, for signals that do not fit into memory, "
        "`windows.stream_windowed_features`. A window has `n` samples `x` of one lead at `fs` Hz. A window with a missing "
        "or infinite sample is NaN in every column; every other window has a number in every column. In a constant window "
        "mean, rms, minimum, maximum and quantiles are its value, the peak interval is its length, and the rest is 0.",
    ),
    "hrv": (
        "Heart-rate variability",
        "`heart_rate_variability.hrv_features` and `windowed_hrv`. NN are the intervals between neighbouring normal beats, "
        "200 to 3000 ms; ΔNN are differences of neighbouring NN. Fewer than 5 intervals give NaN and a flag. The frequency "
        'domain is Lomb\'s periodogram of the intervals at their own times (`method="welch"`: spline to 4 Hz, Welch); HF '
        "needs 50 s, LF 110 s, VLF 280 s, otherwise NaN.",
    ),
    "beat": (
        "Beats",
        "`morphology.beat_features`. Features of rhythm come once per beat, features of shape once per beat and lead. A "
        "beat that reaches past an end of the signal or has a gap is flagged, and its shape is NaN. A beat without two "
        "intervals before it or one after it is flagged, and its rhythm is NaN. The reference (template and principal "
        "components) comes from `morphology.beat_reference`: from a patient's own beats, or from a population's.",
    ),
    "pulse": (
        "Pulse waves",
        "`ppg.pulse_features`. A pulse lies between its onset (the lowest sample in the last 60 % of the time since the "
        "peak before, at most 1 s back) and the next onset, above the line between the two. Gaps, pauses over 3 s and the "
        "last pulse give NaN and a flag.",
    ),
}


def catalogue_markdown() -> str:
    """The page of the docs that lists every feature."""
    lines = [
        "# Features of signals",
        "",
        "Made from `medanomaly.signals.features.catalogue`; a test compares this page with the code. The unit "
        "`signal` is the unit of the signal (mV for an ECG), `1` means none.",
    ]
    for group, features in GROUPS.items():
        title, text = _HEADINGS[group]
        lines += [
            "",
            f"## {title}",
            "",
            text,
            "",
            "| feature | formula | unit | source |",
            "|---|---|---|---|",
        ]
        # a bar would end the cell
        lines += [f"| `{f.name}` | {f.formula.replace('|', '∣')} | {f.unit} | {f.source} |" for f in features]
    return "\n".join(lines) + "\n"

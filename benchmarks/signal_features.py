"""How fast are the features of windows compared with tsfresh, tsfel and antropy? Same features, same process."""

import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.record import Result, write
from medanomaly.signals.features import entropies, spectral, statistics

FS, N_SAMPLES, N_WINDOWS = 360.0, 720, 1024
RECORDS = ("208", "119")


def folder() -> Path:
    return Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "mitdb"


def seconds_in_turn(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Shortest duration of each call; the calls take turns, so that a slow moment of the machine affects all of them."""
    shortest = dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            shortest[name] = min(shortest[name], time.perf_counter() - start)
    return shortest


def windows() -> np.ndarray:
    """(1024, 720) of two records, plus noise far below a step of the converter: tsfresh may order equal samples freely."""
    import wfdb

    leads = [wfdb.rdrecord(str(folder() / name)).p_signal[: 900 * N_SAMPLES, 0] for name in RECORDS]
    cut = np.concatenate(leads).reshape(-1, N_SAMPLES)[:N_WINDOWS]
    return cut + 1e-6 * np.random.default_rng(0).standard_normal(cut.shape)


# shared features: our name, then the call of the other library; a few differ by a known factor
def ours_plain(x: np.ndarray) -> dict[str, np.ndarray]:
    moved, _ = statistics.movement(x, FS)
    columns = np.column_stack((moved, statistics.order_statistics(np.sort(x, axis=1))))
    return dict(zip((*statistics.MOVEMENT, *statistics.ORDER), columns.T, strict=True))


def ours_with_spectrum(x: np.ndarray) -> dict[str, np.ndarray]:
    _, centred = statistics.movement(x, FS)
    found = dict(zip(spectral.PERIODOGRAM, spectral.periodogram_features(centred, FS).T, strict=True))
    return ours_plain(x) | found


def ours_with_entropies(x: np.ndarray) -> dict[str, np.ndarray]:
    order = x.argsort(axis=1)
    sample, approximate = entropies.regularity(x, order, 0.2 * x.std(axis=1))
    found = {
        "sample_entropy": sample,
        "approximate_entropy": approximate,
        "permutation_entropy": entropies.permutation_entropy(x),
    }
    return ours_plain(x) | found


TSFRESH = {
    "mean": ("mean", None),
    "sd": ("standard_deviation", None),
    "hjorth_activity": ("variance", None),
    "rms": ("root_mean_square", None),
    "line_length": ("absolute_sum_of_changes", None),
    "median": ("median", None),
    "minimum": ("minimum", None),
    "maximum": ("maximum", None),
    "skewness": ("skewness", None),
    "kurtosis": ("kurtosis", None),
    "quantile_05": ("quantile", {"q": 0.05}),
    "quantile_25": ("quantile", {"q": 0.25}),
    "quantile_75": ("quantile", {"q": 0.75}),
    "quantile_95": ("quantile", {"q": 0.95}),
    "peak_rate": ("number_peaks", {"n": 36}),
}
TSFRESH_ENTROPIES = {
    "sample_entropy": ("sample_entropy", None),
    "approximate_entropy": ("approximate_entropy", {"m": 2, "r": 0.2}),
    "permutation_entropy": ("permutation_entropy", {"tau": 1, "dimension": 3}),
}
TSFEL = {
    "mean": ("statistical", "Mean"),
    "sd": ("statistical", "Standard deviation"),
    "hjorth_activity": ("statistical", "Variance"),
    "rms": ("statistical", "Root mean square"),
    "minimum": ("statistical", "Min"),
    "maximum": ("statistical", "Max"),
    "median": ("statistical", "Median"),
    "range": ("statistical", "Peak to peak distance"),
    "skewness": ("statistical", "Skewness"),
    "kurtosis": ("statistical", "Kurtosis"),
    "interquartile_range": ("statistical", "Interquartile range"),
    "mean_absolute_deviation": ("statistical", "Mean absolute deviation"),
    "median_absolute_deviation": ("statistical", "Median absolute deviation"),
    "line_length": ("temporal", "Sum absolute diff"),
    "spectral_entropy": ("spectral", "Spectral entropy"),
}


def in_our_terms(found: dict[str, np.ndarray], adjusted_moments: bool) -> dict[str, np.ndarray]:
    """Convert: other libraries count per window, we count per second; tsfresh corrects moments for the sample size."""
    n, found = N_SAMPLES, dict(found)
    found["line_length"] = found["line_length"] * FS / (n - 1)
    if "peak_rate" in found:
        found["peak_rate"] = found["peak_rate"] * FS / n
    if adjusted_moments:
        found["skewness"] = found["skewness"] * (n - 2) / np.sqrt(n * (n - 1))
        found["kurtosis"] = (found["kurtosis"] * (n - 2) * (n - 3) / (n - 1) - 6) / (n + 1)
    if "permutation_entropy" in found:
        found["permutation_entropy"] = found["permutation_entropy"] / np.log(6)
    return found


def tsfresh_calculators(x: np.ndarray, wanted: dict) -> dict[str, np.ndarray]:
    """Only the calculators of tsfresh, called one by one: the floor of its time."""
    from tsfresh.feature_extraction import feature_calculators

    calls = {name: (getattr(feature_calculators, f), given or {}) for name, (f, given) in wanted.items()}
    return {name: np.array([f(row, **given) for row in x]) for name, (f, given) in calls.items()}


def tsfresh_library(long: pd.DataFrame, wanted: dict) -> object:
    from tsfresh import extract_features

    settings = {}
    for function, given in wanted.values():
        settings.setdefault(function, []).append(given)
    settings = {f: None if given == [None] else given for f, given in settings.items()}
    return extract_features(
        long,
        column_id="window",
        column_sort="i",
        column_value="x",
        default_fc_parameters=settings,
        n_jobs=0,
        disable_progressbar=True,
    )


def tsfel_settings() -> dict:
    import tsfel

    offered, settings = tsfel.get_features_by_domain(), {}
    for domain, name in TSFEL.values():
        settings.setdefault(domain, {})[name] = offered[domain][name]
    return settings


def tsfel_calculators(x: np.ndarray) -> dict[str, np.ndarray]:
    import tsfel

    settings, out = tsfel_settings(), {}
    for ours, (domain, name) in TSFEL.items():
        function = getattr(tsfel, settings[domain][name]["function"].removeprefix("tsfel."))
        given = (FS,) if domain == "spectral" else ()
        out[ours] = np.array([function(row, *given) for row in x])
    return out


def against(
    what: str, ours: float, peer: float, peer_name: str, n: int, target: float | None, data: str
) -> Result:
    return Result(
        name=what,
        value=n / ours,
        unit="windows/s",
        peer=peer_name,
        peer_value=n / peer,
        ratio=peer / ours,
        target=f"ratio >= {target:g}" if target else None,
        reached=bool(peer / ours >= target) if target else None,
        data=data,
    )


def largest_difference(ours: dict, theirs: dict, names: object) -> float:
    return max(float(np.max(np.abs(ours[k] - theirs[k]) / (1 + np.abs(theirs[k])))) for k in names)


def compare_libraries(x: np.ndarray, data: str) -> list[Result]:
    import tsfel

    n = len(x)
    long = pd.DataFrame({"window": np.repeat(np.arange(n), N_SAMPLES), "i": np.tile(np.arange(N_SAMPLES), n)})
    long["x"] = x.ravel()
    rows, settings = list(x), tsfel_settings()
    taken = seconds_in_turn(
        {
            "ours plain": lambda: ours_plain(x),
            "tsfresh": lambda: tsfresh_library(long, TSFRESH),
            "tsfresh calculators": lambda: tsfresh_calculators(x, TSFRESH),
            "ours spectrum": lambda: ours_with_spectrum(x),
            "tsfel": lambda: tsfel.time_series_features_extractor(settings, rows, fs=FS, verbose=0),
            "tsfel calculators": lambda: tsfel_calculators(x),
        },
        rounds=3,
    )
    slow = seconds_in_turn(
        {
            "ours": lambda: ours_with_entropies(x),
            "tsfresh": lambda: tsfresh_calculators(x, TSFRESH | TSFRESH_ENTROPIES),
        },
        rounds=1,
    )
    few = x[:64]
    fresh = in_our_terms(tsfresh_calculators(few, TSFRESH | TSFRESH_ENTROPIES), adjusted_moments=True)
    fel = in_our_terms(tsfel_calculators(few), adjusted_moments=False)
    with_entropies, with_spectrum = ours_with_entropies(few), ours_with_spectrum(few)
    exact = (set(TSFRESH) | set(TSFRESH_ENTROPIES)) - {"sample_entropy"}
    shared = len(TSFRESH)
    return [
        against(
            f"{shared} statistics, through the library (n_jobs=0)",
            taken["ours plain"], taken["tsfresh"], "tsfresh", n, 10, data,
        ),
        against(
            f"{shared} statistics, bare calculators",
            taken["ours plain"], taken["tsfresh calculators"], "tsfresh", n, 10, data,
        ),
        against(
            f"{shared} statistics and 3 entropies, bare calculators",
            slow["ours"], slow["tsfresh"], "tsfresh", n, 10, data,
        ),
        against(
            f"{len(TSFEL)} features, through the library (no extra process)",
            taken["ours spectrum"], taken["tsfel"], "tsfel", n, 10, data,
        ),
        against(
            f"{len(TSFEL)} features, bare calculators",
            taken["ours spectrum"], taken["tsfel calculators"], "tsfel", n, 10, data,
        ),
        Result(
            name="largest relative difference from tsfresh; its sample entropy counts one template more, left out",
            value=largest_difference(with_entropies, fresh, exact),
            unit="",
            data="64 windows of these",
        ),
        Result(
            name="largest relative difference from tsfel; its spectral entropy divides by the bins that are not 0, left out",
            value=largest_difference(with_spectrum, fel, set(TSFEL) - {"spectral_entropy"}),
            unit="",
            data="64 windows of these",
        ),
    ]  # fmt: skip


def compare_sample_entropy(x: np.ndarray, data: str) -> list[Result]:
    import antropy

    n = len(x)
    bits = np.zeros((n, N_SAMPLES, -(-N_SAMPLES // 64)), dtype=np.uint64)
    taken = seconds_in_turn(
        {
            "ours": lambda: entropies.sample_entropy(x),
            "alone": lambda: [entropies.sample_entropy(row) for row in x],
            "antropy": lambda: [antropy.sample_entropy(row) for row in x],
            "floor": lambda: [np.bitwise_count(row).sum() for row in bits],
        },
        rounds=5,
    )
    difference = np.abs(entropies.sample_entropy(x) - [antropy.sample_entropy(row) for row in x]).max()
    both = "sample (and approximate) entropy"
    return [
        against(f"{both}, one call", taken["ours"], taken["antropy"], "antropy, sample entropy", n, 3, data),
        against(
            f"{both}, a call a window",
            taken["alone"],
            taken["antropy"],
            "antropy, sample entropy",
            n,
            3,
            data,
        ),
        Result(
            name="largest difference from antropy",
            value=float(difference),
            unit="nat",
            target="<= 1e-9",
            reached=bool(difference <= 1e-9),
            data=data,
        ),
        Result(
            name="sample entropy: share of the floor, counting every bit of the recurrence matrix once",
            value=taken["floor"] / taken["ours"],
            unit="",
            peer="numpy bitwise_count and sum",
            peer_value=n / taken["floor"],
            data=data,
        ),
    ]


def main() -> None:
    if not (folder() / f"{RECORDS[0]}.hea").exists():
        print(f"MIT-BIH is not in {folder()}, left out")
        return
    warnings.filterwarnings("ignore", module="tsf(el|resh)")
    x = windows()
    data = f"{len(x)} windows of {N_SAMPLES} samples, MIT-BIH {' and '.join(RECORDS)}, one process"
    ours_with_entropies(x[:8])
    ours_with_spectrum(x[:8])
    results = [*compare_sample_entropy(x, data), *compare_libraries(x, data)]
    write("signal_features", results, command="make bench NAME=signal_features")


if __name__ == "__main__":
    main()

"""Models for benchmarks of the service, trained in a minute and written as a run leaves them."""

from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, write_bundle
from medanomaly.core.models import FitContext, ModelInput, kind
from medanomaly.core.splits import SplitParams, split_by_patient

FS, WINDOW, IMAGE = 360.0, 720, 128


def cases_of(ids: list[str]) -> pd.DataFrame:
    """A case table of unlabelled cases, each of a patient of its own."""
    names = pd.Series(ids, dtype="string")
    cases = pd.DataFrame(
        {"case_id": names, "patient_id": names, "label": pd.array([pd.NA] * len(ids), "Int8")}
    )
    cases["kind"] = pd.Series(pd.NA, index=cases.index, dtype="string")
    cases["split"] = split_by_patient(cases["patient_id"], cases["label"], SplitParams())
    return cases


def seal(folder: Path, recipe: Bundle, models: dict[str, tuple[ModelInput, dict]]) -> None:
    """Write a recipe, and fit the models that read what it makes; the name of a model is its kind."""
    modality = recipe.manifest.modality
    write_bundle(folder / modality / "recipe", recipe)
    for name, (data, options) in models.items():
        of = kind(name)
        context = FitContext(name, modality, stamp={"recipe": recipe.bundle_hash})
        write_bundle(folder / modality / name, of.fit(data, of.params(**options), context)[0])


def table(folder: Path, case_id: str | None = None) -> dict[str, float]:
    """A forest on the 30 features of Wisconsin breast cancer; returns one of its records, without the id of the case."""
    from sklearn.datasets import load_breast_cancer

    from medanomaly.tabular.features.record_features import fit_features, record_features
    from medanomaly.tabular.table.cleaning import clean_table
    from medanomaly.tabular.table.description import TableSpec

    raw = load_breast_cancer(as_frame=True).data
    spec = TableSpec(case_id=case_id)
    named = raw if case_id is None else raw.assign(**{case_id: [f"c{i}" for i in range(len(raw))]})
    clean = clean_table(named, spec, "wdbc")
    cases = clean.cases.assign(split=cases_of([str(i) for i in range(len(raw))])["split"])
    recipe = fit_features(clean.records, cases, spec, learned=clean.learned)
    features = record_features(clean.records, cases, spec, recipe)
    data = ModelInput(cases, features, {"units": {}})
    seal(folder, recipe, {"isolation_forest": (data, {"options": {"n_estimators": 300}})})
    return {name: float(value) for name, value in raw.iloc[0].items()}


def plain_forest():
    """The forest of :func:`table` as scikit-learn alone fits it, and the names of its columns."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import IsolationForest

    data = load_breast_cancer(as_frame=True).data
    return IsolationForest(n_estimators=300, random_state=0).fit(data), list(data.columns)


def ecg(seed: int, seconds: float) -> np.ndarray:
    """(n, 2) a made-up ECG in mV."""
    random = np.random.default_rng(seed)
    t, at = np.arange(round(seconds * FS)) / FS, 0.4
    x = 0.01 * random.standard_normal(len(t))
    while at < seconds - 0.5:
        x += np.exp(-(((t - at) / 0.012) ** 2)) + 0.25 * np.exp(-(((t - at - 0.25) / 0.05) ** 2))
        at += 0.8 + 0.03 * random.standard_normal()
    return np.column_stack([x, 0.6 * x])


def windows(folder: Path) -> list[float]:
    """Forest and LSTM autoencoder on windows of 720 samples; returns one window."""
    from medanomaly.signals.beats.feature_table import cut_beat_features, feature_units
    from medanomaly.signals.recipe import signal_recipe

    cut = np.concatenate([ecg(i, 90)[:, 0].reshape(-1, WINDOW) for i in range(8)]).astype(np.float32)
    cases = cases_of([f"w{i}" for i in range(len(cut))])
    features, waveforms = cut_beat_features(cut)
    features.insert(0, "case_id", cases["case_id"])
    recipe = signal_recipe("cut_beat_recipe", _none(), {"n_points": WINDOW}, {})
    lstm = {"hidden": 64, "latent": 16, "training": {"max_epochs": 1, "patience": 0, "accelerator": "cpu"}}
    forest = {"options": {"n_estimators": 100}}
    seal(
        folder,
        recipe,
        {
            "isolation_forest": (ModelInput(cases, features, {"units": feature_units()}), forest),
            "lstm_autoencoder": (ModelInput(cases, waveforms), lstm),
        },
    )
    return cut[0].astype(float).round(4).tolist()


def _none():
    from medanomaly.signals.beats.params import BeatParams

    return BeatParams()


def images(folder: Path) -> bytes:
    """The density on band energies of phantoms of 128 px; returns one as PNG."""
    import io

    from PIL import Image

    from medanomaly.imaging.recipe import image_recipe
    from medanomaly.imaging.sources.contract import InputContract
    from medanomaly.imaging.sources.image_cases import ImageParams
    from medanomaly.synthetic.chest import ChestParams, chest_images
    from medanomaly.synthetic.patients import draw_patients

    contract = InputContract(size=IMAGE)
    raw = chest_images(draw_patients(80, 0), ChestParams(height=IMAGE)).images
    squares = np.stack([contract.prepare(image) for image in raw])
    recipe = image_recipe(ImageParams(contract=contract, store="unused"), {})
    cases = cases_of([f"i{i}" for i in range(len(squares))])
    seal(folder, recipe, {"lbe": (ModelInput(cases, squares, {"contract": contract}), {})})
    out = io.BytesIO()
    Image.fromarray(np.round(255 * squares[0]).astype(np.uint8)).save(out, format="PNG")
    return out.getvalue()


def beats(folder: Path) -> None:
    """The beat detector, for live ECGs."""
    from medanomaly.signals.beats.params import BeatParams
    from medanomaly.signals.beats.table import beat_cases, beats_and_marks
    from medanomaly.signals.kinds import RecordedBeats
    from medanomaly.signals.recipe import signal_recipe
    from medanomaly.signals.recordings.recording import Recording

    raw = {
        f"p{i}": Recording(f"p{i}", f"p{i}", ecg(i, 60).astype(np.float32), FS, ("II", "V1"), ("mV", "mV"))
        for i in range(10)
    }
    found = pd.concat(
        [beats_and_marks(recording, BeatParams())[0] for recording in raw.values()], ignore_index=True
    )
    cases = beat_cases(found).drop(columns="record")
    cases.insert(4, "split", split_by_patient(cases["patient_id"], cases["label"], SplitParams()))
    data = ModelInput(cases, RecordedBeats(raw, found, cases["case_id"]))
    seal(
        folder,
        signal_recipe("beat_recipe", BeatParams(), {}, {}),
        {"beat_detector": (data, {"learn_s": 12.0})},
    )

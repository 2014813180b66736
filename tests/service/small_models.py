"""Models of every modality, trained in seconds on made-up data and written as a run leaves them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from medanomaly.core.bundle import write_bundle
from medanomaly.core.models import FitContext, ModelInput, kind
from medanomaly.core.splits import SplitParams, split_by_patient

FS = 360.0


def _split(patient_id, label):
    return split_by_patient(patient_id.astype("string"), label, SplitParams())


def _seal(folder, recipe, fits):
    """Write the recipe, and the model of each ``(name, kind, data, params)``."""
    modality = recipe.manifest.modality
    write_bundle(folder / modality / "recipe", recipe)
    for name, data, params in fits:
        of = kind(params.kind or name)
        context = FitContext(name, modality, stamp={"recipe": recipe.bundle_hash})
        write_bundle(folder / modality / name, of.fit(data, params, context)[0])


def table(n=240, seed=0):
    """Raw records."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "record_id": [f"r{i}" for i in range(n)],
            "age": random.integers(20, 90, n),
            "sex": random.choice(["F", "M"], n),
            "ward": random.choice(["north", "south", "west"], n),
            "potassium": random.normal(4.2, 0.3, n).round(2),
            "sodium": random.normal(140, 2.5, n).round(1),
            "temperature": random.normal(36.8, 0.3, n).round(1),
            "systolic": random.normal(125, 10, n).round(),
            "diastolic": random.normal(80, 7, n).round(),
            "admitted": pd.to_datetime("2024-03-02") + pd.to_timedelta(random.integers(0, 9000, n), unit="min"),
        }
    ).assign(
        left=lambda t: (t["admitted"] + pd.to_timedelta(random.integers(60, 9000, n), unit="min")).astype(str),
        admitted=lambda t: t["admitted"].astype(str),
    )  # fmt: skip


def spec():
    """Description of :func:`table`."""
    from medanomaly.tabular.table.description import TableSpec

    return TableSpec(
        case_id="record_id",
        age="age",
        subgroups={"sex": "sex"},
        columns={
            "age": {"kind": "number", "unit": "years", "possible": [0, 120]},
            "sex": {"kind": "category"},
            "potassium": {"kind": "number", "unit": "mmol/L"},
            "temperature": {"kind": "number", "unit": "°C"},
            "systolic": {"kind": "number", "unit": "mmHg"},
            "diastolic": {"kind": "number", "unit": "mmHg"},
            "admitted": {"kind": "time"},
            "left": {"kind": "time"},
        },
        durations={"stay": {"start": "admitted", "end": "left", "unit": "hours"}},
        ratios={"pressures": ["diastolic", "systolic"]},
        rules={"order": {"pressure": {"lower": "diastolic", "upper": "systolic", "equal": False}}},
    )


def tabular(folder):
    from medanomaly.detectors.kind import kinds
    from medanomaly.tabular.features.record_features import feature_units, fit_features, record_features
    from medanomaly.tabular.table.cleaning import clean_table

    clean = clean_table(table(), spec(), "table")
    cases = clean.cases.assign(split=_split(clean.cases["patient_id"], clean.cases["label"]))
    recipe = fit_features(clean.records, cases, spec(), learned=clean.learned)
    features = record_features(clean.records, cases, spec(), recipe)
    data = ModelInput(cases, features, {"units": feature_units(spec(), clean.summary["columns"])})
    params = {name: kinds()[name]().params for name in ("isolation_forest", "ecdf")}
    _seal(
        folder,
        recipe,
        [
            ("isolation_forest", data, params["isolation_forest"](options={"n_estimators": 20})),
            ("ecdf", data, params["ecdf"]()),
        ],
    )


def ecg(seed, seconds=60.0, leads=2):
    """(n, leads) an ECG in mV with a beat too early now and then, and its first R peaks."""
    random = np.random.default_rng(seed)
    n = round(seconds * FS)
    t, at = np.arange(n) / FS, 0.4
    x = 0.01 * random.standard_normal(n)
    while at < seconds - 0.5:
        x += np.exp(-(((t - at) / 0.012) ** 2)) + 0.25 * np.exp(-(((t - at - 0.25) / 0.05) ** 2))
        x += 0.12 * np.exp(-(((t - at + 0.16) / 0.025) ** 2))
        at += 0.8 + 0.03 * random.standard_normal()
    return np.column_stack([x, 0.6 * x][:leads])


def signals(folder):
    from medanomaly.detectors.kind import kinds as row_kinds
    from medanomaly.signals.beats.feature_table import feature_units, measured_beats
    from medanomaly.signals.beats.params import BeatParams
    from medanomaly.signals.beats.table import beat_cases, beats_and_marks
    from medanomaly.signals.kinds import BeatDetectorKind, RecordedBeats
    from medanomaly.signals.recipe import signal_recipe
    from medanomaly.signals.recordings.recording import Recording

    raw = {
        f"p{i}": Recording(f"p{i}", f"p{i}", ecg(i, 45).astype(np.float32), FS, ("II", "V1"), ("mV", "mV"))
        for i in range(10)
    }
    settings = BeatParams()
    beats = pd.concat([beats_and_marks(r, settings)[0] for r in raw.values()], ignore_index=True)
    cases = beat_cases(beats).drop(columns=["record"])
    cases.insert(4, "split", _split(cases["patient_id"], cases["label"]))
    features, _ = measured_beats(raw, beats, cases["case_id"])
    _seal(
        folder,
        signal_recipe("beat_recipe", settings, {}, {}),
        [
            (
                "beat_detector",
                ModelInput(cases, RecordedBeats(raw, beats, cases["case_id"])),
                BeatDetectorKind.params(learn_s=12.0),
            ),
            (
                "isolation_forest",
                ModelInput(cases, features, {"units": feature_units()}),
                row_kinds()["isolation_forest"]().params(options={"n_estimators": 20}),
            ),
        ],
    )


def images(n=240, size=64):
    """(n, size, size) soft blobs in [0, 1]."""
    random = np.random.default_rng(0)
    grid = np.linspace(-1, 1, size)
    x, y = np.meshgrid(grid, grid)
    return np.stack(
        [
            np.clip(np.exp(-(((x - a) / 0.5) ** 2) - ((y - b) / 0.7) ** 2) + 0.02 * random.standard_normal(x.shape), 0, 1)
            for a, b in random.uniform(-0.2, 0.2, (n, 2))
        ]
    ).astype(np.float32)  # fmt: skip


def imaging(folder):
    from medanomaly.imaging.kinds import LBE
    from medanomaly.imaging.recipe import image_recipe
    from medanomaly.imaging.sources.contract import InputContract
    from medanomaly.imaging.sources.image_cases import ImageParams

    pictures, contract = images(), InputContract(size=64)
    ids = pd.Series([f"i{i}" for i in range(len(pictures))], dtype="string")
    cases = pd.DataFrame(
        {"case_id": ids, "patient_id": ids, "label": pd.array([pd.NA] * len(ids), dtype="Int8")}
    )
    cases["kind"] = pd.Series(pd.NA, index=cases.index, dtype="string")
    cases["split"] = _split(cases["patient_id"], cases["label"])
    data = ModelInput(cases, pictures, {"contract": contract})
    _seal(
        folder,
        image_recipe(ImageParams(contract=contract, store="unused"), {}),
        [("lbe", data, LBE.params())],
    )


def with_squares(pictures, seed=1):
    """The pictures with a bright square on each, and the table of boxes about them."""
    random = np.random.default_rng(seed)
    out, rows = pictures.copy(), []
    for i, picture in enumerate(out):
        x, y = random.integers(4, 48, 2)
        picture[y : y + 12, x : x + 12] = 1.0
        rows.append((i, "nodule", x, y, x + 12, y + 12))
    return out, pd.DataFrame(rows, columns=["image", "label", "x0", "y0", "x1", "y1"]).astype(
        dict.fromkeys(["x0", "y0", "x1", "y1"], float)
    )


def boxes(folder):
    """A detector of boxes beside the models of images, trained on bright squares."""
    from medanomaly.core.bundle import read_bundle
    from medanomaly.imaging.sources.contract import InputContract
    from medanomaly.imaging.supervised.box_bundles import BOXES, NORMAL

    imaging(folder)
    recipe, contract = read_bundle(folder / "imaging" / "recipe"), InputContract(size=64)
    normal = images(120)
    marked, table = with_squares(images(90))
    pictures, n = np.concatenate([normal, marked]), len(normal)
    ids = pd.Series([f"i{i}" for i in range(len(pictures))], dtype="string")
    split = np.where(np.arange(len(ids)) % 4 == 0, "calibration", "train")
    cases = pd.DataFrame({"case_id": ids, "patient_id": ids, "split": pd.array(split, dtype="string")})
    cases["label"] = pd.array([0] * n + [1] * len(marked), dtype="Int8")
    cases["kind"] = pd.Series("nodule", index=cases.index, dtype="string")
    states = pd.DataFrame({"case_id": ids, "state": [NORMAL] * n + [BOXES] * len(marked)})
    about = {"contract": contract, "boxes": table.assign(image=table["image"] + n), "states": states}
    of = kind("box_detector")
    params = of.params.model_validate(
        {
            "kind": "box_detector",
            "network": {"width": 8, "most_boxes": 3},
            "training": {"max_epochs": 12, "batch_size": 16, "learning_rate": 3e-3, "patience": 0},
            "one_label": False,
            "false_boxes_per_image": 0.3,
        }
    )
    with TemporaryDirectory() as scratch:
        context = FitContext(
            "box_detector", "imaging_boxes", folder=Path(scratch), stamp={"recipe": recipe.bundle_hash}
        )
        write_bundle(
            folder / "imaging_boxes" / "box_detector",
            of.fit(ModelInput(cases, pictures, about), params, context)[0],
        )
    return folder


def series(folder):
    """Detectors of long series."""
    from medanomaly.signals.kinds import Series, kinds
    from medanomaly.signals.recipe import signal_recipe
    from medanomaly.signals.recordings.recording import Recording
    from medanomaly.signals.series.params import SeriesParams
    from medanomaly.signals.series.windows import series_windows

    settings = SeriesParams()
    raw, windows = {}, []
    for i in range(3):
        random = np.random.default_rng(i)
        wave = np.sin(np.arange(6000) / 12) + 0.05 * random.standard_normal(6000)
        name = f"s{i}"
        raw[name] = Recording(
            name,
            name,
            wave[:, None].astype(np.float32),
            1.0,
            ("x",),
            ("",),
            attributes={"train_end": "4000"},
        )
        windows.append(series_windows(raw[name], name, settings))
    windows = pd.concat(windows, ignore_index=True)
    windows["case_id"] = windows["case_id"].astype("string")
    cases = pd.DataFrame(
        {
            "case_id": windows["case_id"],
            "patient_id": windows["source"].astype("string"),
            "label": windows["label"].astype("Int8"),
            "kind": pd.Series(pd.NA, index=windows.index, dtype="string"),
            "split": windows["split"],
        }
    )
    data = ModelInput(cases, Series(raw, windows, cases["case_id"]), {"settings": settings})
    _seal(
        folder,
        signal_recipe("series_recipe", settings, {}, {}),
        [("energy", data, kinds()["energy"]().params(kind="energy"))],
    )


def cut_beats(folder, n_points=140):
    """A forest on beats that were cut out."""
    from medanomaly.detectors.kind import kinds
    from medanomaly.signals.beats.feature_table import cut_beat_features, feature_units
    from medanomaly.signals.beats.params import BeatParams
    from medanomaly.signals.recipe import signal_recipe

    cut = ecg(5, 120)[:, 0][: 300 * n_points].reshape(-1, n_points).astype(np.float32)
    ids = pd.Series([f"b{i}" for i in range(len(cut))], dtype="string")
    cases = pd.DataFrame(
        {"case_id": ids, "patient_id": ids, "label": pd.array([pd.NA] * len(ids), dtype="Int8")}
    )
    cases["kind"] = pd.Series(pd.NA, index=cases.index, dtype="string")
    cases["split"] = _split(cases["patient_id"], cases["label"])
    features, _ = cut_beat_features(cut)
    features.insert(0, "case_id", ids)
    _seal(
        folder,
        signal_recipe("cut_beat_recipe", BeatParams(), {"n_points": n_points}, {}),
        [
            (
                "isolation_forest",
                ModelInput(cases, features, {"units": feature_units()}),
                kinds()["isolation_forest"]().params(options={"n_estimators": 10}),
            )
        ],
    )
    return cut[:3].astype(float)


LISTS = {
    "OMIM:1": ["HP:0007359", "HP:0001263"],
    "OMIM:2": ["HP:0001631", "HP:0001297"],
}


def diagnosis(folder):
    """A ranker of three diseases, calibrated on twenty patients."""
    from medanomaly.diagnosis.kinds import NAME, PhenotypeRankerParams
    from medanomaly.diagnosis.knowledge.source import read_knowledge
    from medanomaly.diagnosis.patients import read_symptoms, written_symptoms
    from medanomaly.diagnosis.readers.case_table import case_table
    from medanomaly.diagnosis.recipe import symptom_recipe
    from tests.diagnosis.small_release import GENES, HPOA, OBO

    with TemporaryDirectory() as release:
        for name, text in (("hp.obo", OBO), ("phenotype.hpoa", HPOA), ("genes_to_phenotype.txt", GENES)):
            (Path(release) / name).write_text(text)
        knowledge = read_knowledge(Path(release))
    cases, rows, parts, nan = [], [], [], float("nan")
    for i in range(60):
        case, disease = f"c{i}", f"OMIM:{1 + i % 2}"
        cases.append((case, case, f"PMID:{500 + i}", disease, disease, "F", 3.0, nan))
        rows += [(case, term, False, 1.0, nan) for term in LISTS[disease]]
        parts.append(("train", "calibration", "test")[i % 3])
    patients = read_symptoms(case_table(cases), written_symptoms(rows), knowledge.ontology)
    table = patients.cases[["case_id", "patient_id"]].assign(
        label=pd.array([0] * len(cases), dtype="Int8"), kind="", split=parts
    )
    data = ModelInput(table, patients, {"knowledge": knowledge})
    _seal(folder, symptom_recipe(knowledge, {}), [(NAME, data, PhenotypeRankerParams())])


FUSED = {"tabular": "ecdf", "signals": "beat_detector", "imaging": "lbe"}


def fusion(folder, fused=FUSED):
    """A fusion that 150 made-up patients with a record and an image calibrate, of whom 12 have a recording."""
    from medanomaly.core.bundle import read_bundle
    from medanomaly.fusion.sealed import seal_fusion

    random, tables = np.random.default_rng(0), {}
    for modality in fused:
        n = 12 if modality == "signals" else 150
        tables[modality] = pd.DataFrame(
            {
                "patient_id": [f"p{i}" for i in range(n)],
                "modality": modality,
                "model": fused[modality],
                # above the smallest p-values that these models give
                "p_value": random.uniform(0.05, 1, n),
                "split": "calibration",
                "reference": True,
            }
        )
    bundles = {m: read_bundle(folder / m / name) for m, name in fused.items()}
    write_bundle(folder / "patients" / "fusion", seal_fusion(tables, bundles, 0.05))


def write_all(folder):
    tabular(folder)
    signals(folder)
    imaging(folder)
    diagnosis(folder)
    fusion(folder)
    return folder

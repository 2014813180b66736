"""Are networks that learn normal chest images better than simple models, and what do they copy?

The official train part is split by subject, one split per seed: train normals to learn from, calibration normals for early
stopping and standardisation, and the test part. Nothing is chosen on abnormal images. Settings were fixed in advance, and
the best of several networks is the one that finds synthetic lesions in calibration normals best.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

if not __package__:
    # run as a file: the folder above holds the package of the benchmarks
    sys.path.insert(0, str(Path(__file__).parents[1]))

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.record import RESULTS, Result, write
from medanomaly.core.conformal import score_threshold
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.evaluation.images.localisation import healthy_threshold, localisation
from medanomaly.evaluation.probability_calibration import expected_calibration_error
from medanomaly.imaging.lbe.band_energies import BandEnergies
from medanomaly.imaging.lbe.detector import LBEDetector
from medanomaly.imaging.maps.gradcam import deletion_insertion, grad_cam
from medanomaly.imaging.maps.identity_leak import explained_variance, identity_leak
from medanomaly.imaging.maps.lesions import paste_lesions
from medanomaly.imaging.networks.autoencoder.params import AutoencoderParams
from medanomaly.imaging.networks.classifier.params import ClassifierParams
from medanomaly.imaging.networks.detector import NetworkDetector
from medanomaly.imaging.networks.lesion_segmenter.params import LesionSegmenterParams
from medanomaly.imaging.networks.params import AugmentationParams
from medanomaly.imaging.networks.reversed_autoencoder.params import ReversedAutoencoderParams
from medanomaly.imaging.networks.unet.params import UNetParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.supervised.models import ImageClassifier
from medanomaly.training.params import TrainingParams

SIZE = 64
SHARES = {"train": 0.7, "calibration": 0.1, "test": 0.2}
RESAMPLES = 1000
ALPHA = 0.1
CLASSIFIER, LBE, BASELINES = "classifier", "LBE", "baselines"
PLAIN, DENOISING, INPAINTING = "U-Net, plain", "U-Net, denoising", "U-Net, inpainting"
AUTOENCODERS = tuple(f"autoencoder, latent {d}" for d in (8, 16, 64))
REVERSED = "reversed autoencoder"
LESIONS = "lesion segmenter"
# densities of log band energies, as in LBE: of the residual of a network, or of image and residual together
RESIDUAL, BOTH = "energies of the residual", "energies of image and residual"
FINER = "LBE, 8 bands (no network)"
PIXELS = {"pixel_ap": "pixel average precision", "dice_healthy_threshold": "Dice at the healthy threshold"}


def networks() -> dict[str, tuple]:
    """Parameters and training of each network, by name."""

    def training(epochs, batch=32, rate=1e-3, patience=0):
        return TrainingParams(
            max_epochs=epochs,
            batch_size=batch,
            learning_rate=rate,
            patience=patience,
            channels_last=True,
        )

    table = {
        PLAIN: (UNetParams(task="plain"), training(20)),
        DENOISING: (UNetParams(task="denoising"), training(40)),
        INPAINTING: (UNetParams(task="inpainting"), training(40)),
    }
    for d, name in zip((8, 16, 64), AUTOENCODERS, strict=True):
        table[name] = (AutoencoderParams(latent=d), training(60, 64, patience=15))
    table["AE-U, latent 8"] = (AutoencoderParams(latent=8, variance=True), training(60, 64, patience=15))
    table[REVERSED] = (
        ReversedAutoencoderParams(widths=(8, 16, 32, 64), warm_up_epochs=20, introspective_rate=0.2),
        training(36, 32, 1e-3),
    )
    table[LESIONS] = (LesionSegmenterParams(augmentation=AugmentationParams()), training(30, 32, 2e-3))
    return table


@dataclass(frozen=True)
class ImageSet:
    """Images (n, 64, 64) float32 in [0, 1], with a table of label, subtype, subject and aspect."""

    images: np.ndarray
    table: pd.DataFrame


def read_images(root: Path, cache: Path | None) -> ImageSet:
    table = pd.read_csv(root / "chest_xray" / "subjects_train.csv")
    stored = cache / "images.npz" if cache else None
    if stored and stored.exists():
        content = np.load(stored)
        return ImageSet(content["images"], table.assign(aspect=content["aspect"]))
    contract = InputContract(size=SIZE)
    images, aspect = np.empty((len(table), SIZE, SIZE), dtype=np.float32), np.empty(len(table))
    for i, path in enumerate(table["path"]):
        pixels = np.asarray(Image.open(root / path).convert("L"), dtype=np.float32) / 255
        images[i], aspect[i] = contract.prepare(pixels), pixels.shape[1] / pixels.shape[0]
    if stored:
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(stored, images=images, aspect=aspect)
    return ImageSet(images, table.assign(aspect=aspect))


@dataclass(frozen=True)
class Split:
    """Row numbers: normals of train and of calibration, the test part, and all of train and calibration."""

    normal: np.ndarray
    healthy: np.ndarray
    test: np.ndarray
    train: np.ndarray
    calibration: np.ndarray


def split(data: ImageSet, seed: int) -> Split:
    part = split_by_patient(
        data.table["subject"], data.table["label"].astype("Int8"), SplitParams(**SHARES, seed=seed)
    ).to_numpy()
    normal = data.table["label"].to_numpy() == 0
    rows = {name: np.flatnonzero(part == name) for name in SHARES}
    return Split(
        rows["train"][normal[rows["train"]]],
        rows["calibration"][normal[rows["calibration"]]],
        rows["test"],
        rows["train"],
        rows["calibration"],
    )


def densities(detector: NetworkDetector, data: ImageSet, part: Split, lesions: np.ndarray) -> dict:
    """Densities of the band energies of the residuals of a network, by name and set of images."""
    sets = {
        "train": data.images[part.normal],
        "healthy": data.images[part.healthy],
        "test": data.images[part.test],
        "lesions": lesions,
    }
    of_image, of_residual = {}, {}
    for name, images in sets.items():
        of_image[name] = BandEnergies(size=SIZE).features(images)
        of_residual[name] = BandEnergies(size=SIZE).features(images - detector.reconstruct(images))
    both = {name: np.hstack([of_image[name], of_residual[name]]) for name in sets}
    subject = data.table["subject"].to_numpy()[part.normal]
    return {RESIDUAL: _density(of_residual, subject), BOTH: _density(both, subject)}


def _density(features: dict[str, np.ndarray], subject: np.ndarray) -> dict[str, np.ndarray]:
    density = LBEDetector(size=SIZE).fit_features(features["train"], subject)
    return {name: density.score_features(rows) for name, rows in features.items() if name != "train"}


def measure_network(params, training: TrainingParams, data: ImageSet, part: Split, seed: int, folder) -> dict:
    """Scores of the test images and of the calibration normals by name of the score, and other facts."""
    images = data.images
    start = time.process_time()
    detector = NetworkDetector(params, training, seed).fit(
        images[part.normal], images[part.healthy], folder=folder
    )
    minutes = (time.process_time() - start) / 60
    healthy = detector.scores(images[part.healthy])
    lesions = paste_lesions(images[part.healthy], seed)
    found = detector.scores(lesions.images)
    half = len(part.healthy) // 2
    threshold = healthy_threshold(detector.error_map(images[part.healthy[:half]]))
    maps = detector.error_map(lesions.images[half:])
    found_pixels = localisation(maps, lesions.masks[half:], threshold, np.arange(len(maps)), n_resamples=2)
    pixels = found_pixels.set_index("metric")["value"]
    truth = np.repeat([0, 1], len(part.healthy))
    known = {
        # of a run that continued from a checkpoint, only the rest was timed
        "minutes": minutes if detector.runs_[0].resumed_from_epoch is None else None,
        "epochs": detector.runs_[0].epochs_run,
        "synthetic": {
            name: roc_auc_score(truth, np.concatenate([healthy[name], found[name]])) for name in healthy
        },
        "pixels": {name: float(value) for name, value in pixels.items()},
    }
    scores = {"test": detector.scores(images[part.test]), "healthy": healthy}
    if detector.reconstructs:
        known["leak"] = identity_leak(
            detector.reconstruct, images[part.healthy], seed=seed
        ).per_image.tolist()
        known["explained"] = explained_variance(detector.reconstruct, images[part.healthy])
        for name, of in densities(detector, data, part, lesions.images).items():
            scores["test"][name], scores["healthy"][name] = of["test"], of["healthy"]
            known["synthetic"][name] = roc_auc_score(truth, np.concatenate([of["healthy"], of["lesions"]]))
    return scores | {"known": known}


def measure_classifier(data: ImageSet, part: Split, seed: int, epochs: int | None, folder) -> dict:
    label, subject = data.table["label"].to_numpy(), data.table["subject"].to_numpy()
    images = data.images
    training = TrainingParams(
        max_epochs=epochs or 20,
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=0.01,
        patience=0,
        channels_last=True,
    )
    start = time.process_time()
    model = ImageClassifier(ClassifierParams(augmentation=AugmentationParams()), training, seed).fit(
        images[part.train], label[part.train], subject[part.train], folder=folder
    )
    minutes = (time.process_time() - start) / 60
    model.calibrate(images[part.calibration], label[part.calibration])
    anomalous = part.test[label[part.test] == 1][:100]
    # pneumonia blurs an image, so parts of normal images replace removed pixels, not a blur
    normal = images[np.random.default_rng(seed).choice(part.healthy, len(anomalous))]
    heat = grad_cam(model, images[anomalous])
    check = deletion_insertion(model.score, images[anomalous], heat, reference=normal)
    score = model.score(images[part.test])
    known = {
        "minutes": minutes if model.run_.resumed_from_epoch is None else None,
        "epochs": model.run_.epochs_run,
        "ece": expected_calibration_error(score, label[part.test] == 1),
        "cam": [
            float(values.mean())
            for values in (check.deletion, check.random_deletion, check.insertion, check.random_insertion)
        ],
    }
    return {
        "test": {CLASSIFIER: score},
        "healthy": {CLASSIFIER: model.score(images[part.healthy])},
        "known": known,
    }


def measure_baselines(data: ImageSet, part: Split) -> dict:
    """LBE and baselines that need no model."""
    normal, subject = data.images[part.normal], data.table["subject"].to_numpy()[part.normal]
    detector = LBEDetector(size=SIZE).fit(normal, subject)
    # as many features as image and residual have together, without a network
    finer = BandEnergies(size=SIZE, sigmas=(0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 8.0))
    density = LBEDetector(size=SIZE).fit_features(finer.features(normal), subject)
    views = {
        "aspect ratio (wider first)": lambda rows: data.table["aspect"].to_numpy()[rows],
        "mean intensity": lambda rows: data.images[rows].mean(axis=(1, 2)),
        LBE: lambda rows: detector.score(data.images[rows]),
        FINER: lambda rows: density.score_features(finer.features(data.images[rows])),
    }
    return {
        "test": {name: view(part.test) for name, view in views.items()},
        "healthy": {name: view(part.healthy) for name, view in views.items()},
        "known": {},
    }


def stored(path: Path | None, measure) -> dict:
    """``measure()``, or what it gave an earlier run."""
    if path is not None and path.exists():
        content = np.load(path)
        return {
            key: {
                name.split("/", 1)[1]: content[name] for name in content.files if name.startswith(f"{key}/")
            }
            for key in ("test", "healthy")
        } | {"known": json.loads(str(content["known"]))}
    measured = measure()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {f"{key}/{name}": v for key in ("test", "healthy") for name, v in measured[key].items()}
        np.savez(path, known=np.array(json.dumps(measured["known"])), **arrays)
    return measured


def ranking(score: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted AUROC and average precision, (resamples,) each, of (resamples, n) weights; ties count half."""
    levels, code = np.unique(-score, return_inverse=True)
    order = np.argsort(code, kind="stable")
    starts = np.searchsorted(code[order], np.arange(len(levels)))
    hits = np.add.reduceat((weight * positive)[:, order], starts, axis=1)
    misses = np.add.reduceat((weight * ~positive)[:, order], starts, axis=1)
    above, found = misses.cumsum(axis=1), hits.cumsum(axis=1)
    n_misses, n_hits = above[:, -1:], found[:, -1:]
    auroc = (hits * (n_misses - above + misses / 2)).sum(axis=1) / (n_misses * n_hits)[:, 0]
    precision = found / np.maximum(found + above, 1)
    return auroc, (hits * precision).sum(axis=1) / n_hits[:, 0]


class Bootstrap:
    """Subjects drawn with replacement, the same ones for every model and every split, so that differences are paired.

    A model may have been measured on the first splits only.
    """

    def __init__(self, data: ImageSet, parts: list[Split]):
        codes, subjects = pd.factorize(data.table["subject"])
        random = np.random.default_rng(0)
        weight = random.multinomial(len(subjects), np.full(len(subjects), 1 / len(subjects)), RESAMPLES)
        # row 0 is the sample itself
        self.weight = np.vstack([np.ones(len(subjects), dtype=int), weight]).astype(float)
        self.codes, self.parts = codes, parts
        self.positive = data.table["label"].to_numpy() == 1
        self.aspect, self.kind = data.table["aspect"].to_numpy(), data.table["subtype"].to_numpy()

    def curves(self, scores: list[np.ndarray], kind: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(splits, 1 + resamples) AUROC and average precision; of one kind of pneumonia, or of all."""
        found = []
        for score, part in zip(scores, self.parts, strict=False):
            chosen = ~self.positive[part.test] | (kind is None) | (self.kind[part.test] == kind)
            rows = part.test[chosen]
            found.append(ranking(score[chosen], self.positive[rows], self.weight[:, self.codes[rows]]))
        return tuple(np.stack([pair[i] for pair in found]) for i in range(2))

    def share(self, flagged: list[np.ndarray], positive: bool) -> np.ndarray:
        """(splits, 1 + resamples) share of normal or of abnormal test images that is flagged."""
        shares = []
        for flags, part in zip(flagged, self.parts, strict=False):
            chosen = self.positive[part.test] == positive
            weight = self.weight[:, self.codes[part.test[chosen]]]
            shares.append(weight @ flags[chosen] / weight.sum(axis=1))
        return np.stack(shares)

    def stratified(self, scores: list[np.ndarray], bins: int = 8) -> np.ndarray:
        """AUROC among images of similar aspect ratio: eight quantile strata, weighted by their pairs."""
        values = []
        for score, part in zip(scores, self.parts, strict=False):
            aspect, positive = self.aspect[part.test], self.positive[part.test]
            stratum = np.searchsorted(np.quantile(aspect, np.arange(1, bins) / bins), aspect)
            above, pairs = 0.0, 0.0
            for one in range(bins):
                inside = stratum == one
                weight = self.weight[:, self.codes[part.test[inside]]]
                n = (weight * positive[inside]).sum(1) * (weight * ~positive[inside]).sum(1)
                with np.errstate(invalid="ignore", divide="ignore"):
                    auroc = ranking(score[inside], positive[inside], weight)[0]
                above, pairs = above + np.where(n > 0, auroc, 0) * n, pairs + n
            values.append(above / pairs)
        return np.stack(values)


def interval(values: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return float(values[0]), float(low), float(high)


def standard(measured: list[dict], name: str) -> list[np.ndarray]:
    """Test scores in units of the calibration normals."""
    return [
        (m["test"][name] - np.median(m["healthy"][name])) / (m["healthy"][name].std() + 1e-12)
        for m in measured
    ]


class Rows:
    """Collects the figures: ranking of each score, what is known of each network, differences."""

    def __init__(self, data: ImageSet, parts: list[Split], measured: dict[str, list[dict]]):
        self.splits = len(parts)
        self.bootstrap, self.measured = Bootstrap(data, parts), measured
        self.results: list[Result] = []
        self.auroc: dict[str, np.ndarray] = {}
        self.synthetic: dict[str, float] = {}

    def add(
        self, name: str, value: float, unit: str, interval=(None, None), target=None, reached=None
    ) -> None:
        reached = None if reached is None else bool(reached)
        data = f"chest_xray train part, {self.splits} split{'s' if self.splits > 1 else ''} by subject, 64 px"
        self.results.append(Result(name, value, unit, *interval, target=target, reached=reached, data=data))

    def percent(self, name: str, values: np.ndarray, unit: str = "%", target=None, reached=None) -> None:
        self.splits = len(values)
        value, low, high = (100 * v for v in interval(values.mean(axis=0)))
        self.add(name, value, unit, (low, high), target, reached(value, low) if reached else None)

    def ranking_of(self, name: str, scores: list[np.ndarray], target=None, reached=None) -> None:
        self.auroc[name], auprc = self.bootstrap.curves(scores)
        self.percent(f"AUROC, {name}", self.auroc[name], target=target, reached=reached)
        self.percent(f"AUPRC, {name}", auprc)
        self.percent(f"AUROC stratified by aspect ratio, {name}", self.bootstrap.stratified(scores))
        for kind in ("bacteria", "virus"):
            self.percent(f"AUROC, {kind} against normal, {name}", self.bootstrap.curves(scores, kind)[0])

    def at_threshold(self, name: str, test: list[np.ndarray], healthy: list[np.ndarray]) -> None:
        """Shares of test images that a threshold flags; it flags a tenth of the calibration normals."""
        flagged = [
            score > score_threshold(np.sort(usual), ALPHA) for score, usual in zip(test, healthy, strict=True)
        ]
        for what, positive in (("false alarms", False), ("sensitivity", True)):
            self.percent(
                f"{what} where {ALPHA:.0%} false alarms were asked, {name}",
                self.bootstrap.share(flagged, positive),
            )

    def model(self, model: str) -> None:
        runs = self.measured[model]
        self.splits, known = len(runs), [run["known"] for run in runs]
        for score in runs[0]["test"]:
            name = score if model == BASELINES else self.name_of(model, score)
            goal = (">= 96", lambda v, _: v >= 96) if model == CLASSIFIER else (None, None)
            self.ranking_of(name, [run["test"][score] for run in runs], *goal)
            if model != CLASSIFIER:
                self.at_threshold(
                    name, [run["test"][score] for run in runs], [run["healthy"][score] for run in runs]
                )
            if "synthetic" in known[0]:
                self.synthetic[name] = float(np.mean([k["synthetic"][score] for k in known]))
                self.add(f"AUROC on synthetic lesions, {name}", 100 * self.synthetic[name], "%")
        if "pixels" in known[0]:
            for metric, title in PIXELS.items():
                value = float(np.mean([k["pixels"][metric] for k in known]))
                self.add(f"{title} of synthetic lesions, {model}", value, "")
        if "leak" in known[0]:
            leak = np.concatenate([k["leak"] for k in known])
            draws = np.random.default_rng(0).integers(0, len(leak), (RESAMPLES, len(leak)))
            low, high = np.quantile(leak[draws].mean(axis=1), [0.025, 0.975])
            goal = ("< 0.3", leak.mean() < 0.3) if model in (DENOISING, INPAINTING) else (None, None)
            self.add(f"identity leak, {model}", float(leak.mean()), "", (float(low), float(high)), *goal)
            explained = [k["explained"] for k in known]
            spread = (min(explained), max(explained))
            self.add(
                f"share of the images' variance that is reconstructed, {model}",
                float(np.mean(explained)),
                "",
                spread,
            )
        if "ece" in known[0]:
            ece = float(np.mean([k["ece"] for k in known]))
            self.add(
                f"calibration error (10 equal-mass bins), {model}",
                ece,
                "",
                (None, None),
                "<= 0.03",
                ece <= 0.03,
            )
            names = ("deletion", "deletion in random order", "insertion", "insertion in random order")
            for name, value in zip(names, np.mean([k["cam"] for k in known], axis=0), strict=True):
                self.add(f"Grad-CAM, area under {name}, 100 abnormal images", float(value), "")
        timed = [k["minutes"] for k in known if k.get("minutes") is not None]
        if timed:
            minutes = float(np.mean(timed))
            goal = ("< 10", minutes < 10) if model in AUTOENCODERS else (None, None)
            self.add(
                f"training, {model} ({known[0]['epochs']} epochs)",
                minutes,
                "min of one core",
                (None, None),
                *goal,
            )

    def name_of(self, model: str, score: str) -> str:
        """A score has the name of its network if that network has no other."""
        own = [s for s in self.measured[model][0]["test"] if s not in (RESIDUAL, BOTH)]
        return model if own == [score] else f"{model}: {score}"

    def compare(self, name: str, other: str, points: float | None = None) -> None:
        """Paired difference on the splits of both; the target is an interval above 0 and ``points`` or more, if any."""
        both = min(len(self.auroc[name]), len(self.auroc[other]))
        goal = f"interval above 0 and >= {points}" if points else "interval above 0"
        self.percent(
            f"AUROC difference, {name} minus {other}",
            self.auroc[name][:both] - self.auroc[other][:both],
            "points",
            None if points is None else goal,
            None if points is None else lambda value, low: value >= points and low > 0,
        )

    def with_lbe(self, name: str) -> None:
        """A network compared with LBE: alone, and as the sum of both in units of the calibration normals."""
        self.compare(name, LBE, 0)
        model, _, score = name.partition(": ")
        runs = self.measured[model]
        both = zip(
            standard(self.measured[BASELINES], LBE),
            standard(runs, score or next(iter(runs[0]["test"]))),
            strict=False,
        )
        self.ranking_of(f"{LBE} + {name}", [a + b for a, b in both])
        self.compare(f"{LBE} + {name}", LBE, 0)


def rows_of_results(data: ImageSet, parts: list[Split], measured: dict[str, list[dict]]) -> list[Result]:
    rows = Rows(data, parts, measured)
    for model in measured:
        rows.model(model)
    for name in (DENOISING, INPAINTING):
        if {name, PLAIN} <= set(measured):
            rows.compare(name, PLAIN, 15)
    plain = [name for name in AUTOENCODERS if name in measured]
    if plain:
        best = max(plain, key=rows.synthetic.get)
        for name in [n for n in rows.auroc if n.startswith(REVERSED) and not n.endswith(BOTH)]:
            # compare like with like: the same step from residual to score
            rows.compare(name, f"{best}: {RESIDUAL}" if name.endswith(RESIDUAL) else best, 3)
    # the plain U-Net is a baseline, not a candidate
    candidates = {name: value for name, value in rows.synthetic.items() if name.split(": ")[0] != PLAIN}
    alone = {name: value for name, value in candidates.items() if not name.endswith(BOTH)}
    if alone:
        rows.with_lbe(max(alone, key=alone.get))
    rows.compare(FINER, LBE)
    together = {name: value for name, value in candidates.items() if name.endswith(BOTH)}
    if together:
        chosen = max(together, key=together.get)
        rows.compare(chosen, LBE, 0)
        rows.compare(chosen, FINER)
    return rows.results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [*networks(), CLASSIFIER]
    parser.add_argument(
        "--models", nargs="+", default=names, choices=names, metavar="MODEL", help=f"of {names}"
    )
    parser.add_argument("--seeds", type=int, default=3, help="splits and initial weights")
    parser.add_argument("--epochs", type=int, help="for every network, instead of its own number")
    parser.add_argument(
        "--cache", type=Path, help="folder with results of earlier runs, which are not repeated"
    )
    parser.add_argument(
        "--collect",
        action="store_true",
        help="measure nothing; use only what is in the cache",
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "imaging_networks.json")
    arguments = parser.parse_args()
    if not os.environ.get("MEDANOMALY_DATA"):
        sys.exit("Set MEDANOMALY_DATA to a folder with the chest X-rays (Kermany et al. 2018)")
    torch.set_num_threads(1)
    cache = arguments.cache
    data = read_images(Path(os.environ["MEDANOMALY_DATA"]), cache)
    parts = [split(data, seed) for seed in range(arguments.seeds)]
    measured: dict[str, list[dict]] = {BASELINES: [measure_baselines(data, part) for part in parts]}
    for seed, part in enumerate(parts):
        for name in arguments.models:
            label = name.replace(", ", "_").replace(" ", "_")
            epochs = f"_{arguments.epochs}" if arguments.epochs else ""
            path = cache / f"{label}{epochs}_{seed}.npz" if cache else None
            if arguments.collect and not path.exists():
                continue
            folder = cache / "checkpoints" / f"{label}{epochs}_{seed}" if cache else None
            if name == CLASSIFIER:
                run = stored(path, lambda: measure_classifier(data, part, seed, arguments.epochs, folder))  # noqa: B023
            else:
                params, training = networks()[name]
                if arguments.epochs:
                    training = training.model_copy(update={"max_epochs": arguments.epochs})
                run = stored(path, lambda: measure_network(params, training, data, part, seed, folder))  # noqa: B023
            measured.setdefault(name, []).append(run)
            positive = data.table["label"].to_numpy()[part.test] == 1
            auroc = {k: round(roc_auc_score(positive, v), 4) for k, v in run["test"].items()}
            print(seed, name, auroc, {k: v for k, v in run["known"].items() if k != "leak"}, flush=True)
    command = "python benchmarks/imaging_networks.py"
    for option in ("models", "seeds", "epochs"):
        value = getattr(arguments, option)
        if value is not None and value != parser.get_default(option):
            command += f" --{option} " + (
                " ".join(map(repr, value)) if isinstance(value, list) else str(value)
            )
    write("imaging_networks", rows_of_results(data, parts, measured), command, arguments.output)


if __name__ == "__main__":
    main()

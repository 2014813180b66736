"""Does the LBE density find pneumonia on images of subjects it was not fitted on, and what do trivial baselines find?

Official training part, 5 folds by subject: the model is fitted on the normals of 4 folds, and every image is scored in the
fold that holds it out. Results are the AUROC, also within strata of the aspect ratio and by subtype, paired differences,
localisation of synthetic lesions, and speed.
"""

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.chest_images import FOLDS, RESAMPLES, ChestImages, chest_images, subject_weights
from benchmarks.record import Result, write
from medanomaly.core.onnx_session import open_session
from medanomaly.evaluation.images.localisation import healthy_threshold, localisation
from medanomaly.evaluation.images.stratified import STRATA, StratifiedRanking, quantile_strata
from medanomaly.evaluation.resampling.ranking import average_precision
from medanomaly.imaging.baselines import baselines
from medanomaly.imaging.lbe.band_energies import SMALLEST_ENERGY, BandEnergies
from medanomaly.imaging.lbe.detector import LBEDetector
from medanomaly.imaging.lbe.onnx import lbe_onnx
from medanomaly.imaging.maps.lesions import KINDS, paste_lesions

SEEDS = 3
LBE = "LBE"
NEAREST, ASPECT = "1-NN (z-scored pixels)", "aspect ratio"


def held_out_scores(chest: ChestImages, seed: int) -> dict[str, np.ndarray]:
    """(n,) score of every image by a model fitted on normals of the other folds."""
    energies, folds = BandEnergies(), chest.folds(seed)
    features = energies.features(chest.images)
    names = [LBE, "LBE, distances alone", "LBE, covariance alone", *baselines()]
    scores = {name: np.empty(len(folds)) for name in names}
    for fold in range(FOLDS):
        fit, held = (folds != fold) & ~chest.positive, folds == fold
        detector = LBEDetector().fit_features(features[fit], chest.subject[fit])
        near, covariance = detector.density_.terms(features[held])
        parts = {
            LBE: detector.score_features(features[held]),
            "LBE, distances alone": near.sum(axis=1),
            "LBE, covariance alone": covariance.sum(axis=1),
        }
        for name, model in baselines().items():
            model.fit(chest.images[fit], chest.aspect[fit])
            parts[name] = model.score(chest.images[held], chest.aspect[held])
        for name, part in parts.items():
            scores[name][held] = part
    return scores


def auroc_draws(chest, score, folds, weights, strata=None) -> np.ndarray:
    """(resamples,) AUROC over pairs of images of the same fold (and stratum), because each fold has its own model."""
    within = folds if strata is None else folds * (strata.max() + 1) + strata
    ranking = StratifiedRanking(score, chest.positive, within)
    return np.array([ranking.auroc(w) for w in weights])


def interval(draws: np.ndarray) -> dict:
    low, high = np.nanquantile(draws[1:], [0.025, 0.975])
    return {"value": float(draws[0]), "ci_low": float(low), "ci_high": float(high)}


def ranking_results(chest: ChestImages, data: str) -> list[Result]:
    results, weights = [], subject_weights(chest)
    strata = quantile_strata(chest.aspect)
    runs = []
    for seed in range(SEEDS):
        scores, folds = held_out_scores(chest, seed), chest.folds(seed)
        runs.append(
            {
                name: (auroc_draws(chest, s, folds, weights), auroc_draws(chest, s, folds, weights, strata))
                for name, s in scores.items()
            }
        )
        if seed == 0:
            first, first_folds = scores, folds
    # the same resamples for every seed of the folds: their mean keeps the pairing
    mean = {name: [np.mean([run[name][i] for run in runs], axis=0) for i in (0, 1)] for name in runs[0]}
    for name, (whole, within) in mean.items():
        target = ("about .981", ">= .965") if name == LBE else (None, None)
        results += [
            Result(f"AUROC, {name}", **interval(whole), unit="", target=target[0], data=data,
                   reached=bool(whole[0] >= 0.976) if target[0] else None),
            Result(f"AUROC within {STRATA} strata of aspect ratio, {name}", **interval(within), unit="", target=target[1],
                   reached=bool(within[0] >= 0.965) if target[1] else None, data=data),
        ]  # fmt: skip
    for other in (NEAREST, ASPECT, "local norm", "sharpness"):
        for i, what in enumerate(("AUROC", "AUROC within strata")):
            gain = interval(mean[LBE][i] - mean[other][i])
            results.append(Result(f"{what}: LBE minus {other}, paired", **gain, unit="", data=data))
    for kind in ("bacteria", "virus"):
        some = ~chest.positive | (chest.kind == kind)
        part = chest.only(some)
        draws = auroc_draws(part, first[LBE][some], first_folds[some], weights[:, some])
        results.append(Result(f"AUROC, LBE, {kind} against normal", **interval(draws), unit="", data=data))
    for name in (LBE, NEAREST, ASPECT):
        per_fold = [
            average_precision(first[name][first_folds == f], chest.positive[first_folds == f])
            for f in range(FOLDS)
        ]
        results.append(
            Result(f"AUPRC (prevalence {chest.positive.mean():.2f}), {name}, mean of 5 folds", float(np.mean(per_fold)),
                   "", float(min(per_fold)), float(max(per_fold)), data=data + "; limits: smallest and largest fold")
        )  # fmt: skip
    return results


def localisation_results(chest: ChestImages, data: str) -> list[Result]:
    """Synthetic lesions in normals of fold 0; threshold from other normals of that fold."""
    folds = chest.folds(0)
    fit = (folds != 0) & ~chest.positive
    held = np.flatnonzero((folds == 0) & ~chest.positive)
    half = chest.folds(1)[held] < 2
    healthy, evaluated = chest.images[held[half]], chest.images[held[~half]]
    lesions = paste_lesions(evaluated, seed=0)
    detector = LBEDetector().fit(chest.images[fit], chest.subject[fit])
    subject = chest.subject[held[~half]]
    maps, threshold = detector.score_map(lesions.images), healthy_threshold(detector.score_map(healthy))
    results = []
    for kind in ("all", *KINDS):
        chosen = np.ones(len(maps), dtype=bool) if kind == "all" else lesions.kinds == kind
        covered = lesions.masks[chosen].mean()
        for row in localisation(maps[chosen], lesions.masks[chosen], threshold, subject[chosen]).itertuples():
            results.append(
                Result(f"SYNTHETIC lesions, {kind}: {row.metric}, LBE map", row.value, "", row.ci_low, row.ci_high,
                       peer="share of lesion pixels (AP of a random map)" if row.metric == "pixel_ap" else None,
                       peer_value=float(covered) if row.metric == "pixel_ap" else None,
                       data=f"{data}; {int(chosen.sum())} held-out normals with a pasted lesion")
            )  # fmt: skip
    pair = np.concatenate([detector.score(evaluated), detector.score(lesions.images)])
    found = StratifiedRanking(pair, np.repeat([False, True], len(evaluated))).auroc()
    results.append(
        Result("SYNTHETIC lesions: AUROC of images with against without, LBE", found, "", data=data)
    )
    return results


def plain_features(images: np.ndarray) -> np.ndarray:
    """The same features with scipy.ndimage, image by image."""
    out = np.empty((len(images), 100))
    edges = [(52 * i // 5, -(-52 * (i + 1) // 5)) for i in range(5)]
    for n, image in enumerate(images.astype(np.float64)):
        low = [image] + [gaussian_filter(image, s, mode="mirror", truncate=3.0) for s in (1, 2, 4, 8)]
        cells = [
            np.abs(low[b] - low[b + 1])[6:58, 6:58][a:z, c:d].mean()
            for b in range(4)
            for a, z in edges
            for c, d in edges
        ]
        out[n] = np.log(np.maximum(cells, SMALLEST_ENERGY))
    return out


def speed_results(chest: ChestImages) -> list[Result]:
    energies, images = BandEnergies(), chest.images[:256]
    mine, plain, floor = [], [], []
    n_plain = 32
    stack = energies.smoothing.reshape(-1, energies.size)
    for _ in range(40):
        for call, taken, count in (
            (lambda: energies.features(images), mine, len(images)),
            (lambda: plain_features(images[:n_plain]), plain, n_plain),
            # reads the images and computes one of the two smoothing products: no method with these products is faster
            (lambda: [np.matmul(stack, images[i : i + 8].astype(np.float64)) for i in range(0, len(images), 8)],
             floor, len(images)),
        ):  # fmt: skip
            # processor time, so that other programs on the machine hardly count
            start = time.process_time()
            call()
            taken.append((time.process_time() - start) / count)
    ours, theirs, least = (1.0 / min(t) for t in (mine, plain, floor))
    apart = float(np.abs(energies.features(images[:n_plain]) - plain_features(images[:n_plain])).max())
    data = f"{len(images)} images of 64 px, one thread, processor time, best of 40, interleaved"
    detector = LBEDetector().fit(chest.images[~chest.positive], chest.subject[~chest.positive])
    session = open_session(lbe_onnx(detector))
    wall = []
    for image in chest.images[:1000]:
        start = time.perf_counter()
        session.run(["score"], {"image": image[None, None]})
        wall.append(1e3 * (time.perf_counter() - start))
    onnx_score = session.run(["score"], {"image": images[:, None]})[0]
    off = float(np.abs(onnx_score - detector.score(images)).max())
    return [
        Result("LBE features, one thread", ours, "images/s", peer="the same with scipy.ndimage.gaussian_filter, same run",
               peer_value=theirs, ratio=ours / theirs, target=">= 5000 images/s", reached=bool(ours >= 5000), data=data),
        Result("share of the floor: the first smoothing product alone", ours / least, "", peer="numpy matmul",
               peer_value=least, data=data),
        Result("largest difference of a log energy from scipy.ndimage", apart, "", data=data),
        Result("one 64 px image, ONNX Runtime, p99", float(np.quantile(wall, 0.99)), "ms", target="< 50 ms",
               reached=bool(np.quantile(wall, 0.99) < 50), data="1000 images one by one, image in, score out"),
        Result("largest difference of an ONNX score from numpy", off, "", target="<= 1e-5", reached=bool(off <= 1e-5),
               data=data),
    ]  # fmt: skip


def main() -> None:
    chest = chest_images()
    data = (
        f"chest_xray, official training part: {len(chest.positive)} images ({int(chest.positive.sum())} pneumonia) of "
        f"{len(np.unique(chest.subject))} subjects; {SEEDS} x {FOLDS} folds by subject, {RESAMPLES} subject resamples"
    )
    results = ranking_results(chest, data) + localisation_results(chest, data) + speed_results(chest)
    write("imaging_lbe", results, command="make bench NAME=imaging_lbe")


if __name__ == "__main__":
    main()

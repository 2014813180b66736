"""Diseases of published cases by their symptoms, split by publication: ranker, re-ranker, probabilities, next question.

Needs ``$MEDANOMALY_DATA`` with ``hpo/2024-04-24``, ``hpo/2025-01-16`` and ``phenopackets/phenopacket-store-0.1.14.zip`` and
``-0.1.24.zip``. Diseases are right by their exact OMIM id, ties count against them, and a disease that is no candidate is
never found. Constants were chosen on folds 0 and 1 of the publications; "folds 2 to 4" leaves those out.
"""

import argparse
import datetime
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from sklearn.model_selection import StratifiedKFold

from benchmarks.record import RESULTS as FILES
from benchmarks.record import Result, machine, write
from medanomaly.core.errors import DataNotFoundError
from medanomaly.diagnosis.evaluation import (
    Fold,
    fold_of,
    is_cited,
    matched_rank,
    publication_folds,
    publications,
    training_cases,
    true_ranks,
    usable,
)
from medanomaly.diagnosis.knowledge.source import Knowledge, read_knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.next_question import next_questions, with_answer
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.ranking.probabilities import JudgedCase, RankProbabilities, judged
from medanomaly.diagnosis.ranking.ranker import CodedCase, Ranker
from medanomaly.diagnosis.ranking.rerank import (
    OF_EXCLUDED,
    RERANK_FEATURES,
    WITHOUT_CASES,
    Candidates,
    Reranker,
    RerankParams,
    cross_compared,
    few_per_disease,
    fit_booster,
    learned_from,
)
from medanomaly.diagnosis.ranking.two_diseases import best_partners
from medanomaly.diagnosis.readers.phenopackets import read_phenopackets
from medanomaly.evaluation.probability_calibration import expected_calibration_error
from medanomaly.evaluation.ranked_answers import (
    macro_top,
    named_figures,
    one_against_rest,
    paired_gain,
    rank_figures,
    rank_of,
    selective_accuracy,
)

TOP = (1, 3, 10)
OLD, NEW = ("2024-04-24", "0.1.14"), ("2025-01-16", "0.1.24")
# likelihood ratios and similarity of the annotations alone, as the field does it
BASELINE = RankingParams(
    floor=0.2, detour=0.2, excluded=0.25, common=1.0, orphanet_linked=0, relatives=0, named=0,
    knowledge_patients=2, absent_share=0.1, looked_at=0,
)  # fmt: skip
PLAIN = RankingParams(looked_at=0)
EXOMISER, LARGEST_LANGUAGE_MODEL = (0.355, 0.463, 0.585), (0.236, 0.312, 0.368)
RERANK = RerankParams()
# reads also which symptoms a report lists as absent: whoever writes it looks for what the disease often has, so this is no
# help for a case that nobody suspects anything of
LOOKED_FOR = "re-ranker that knows what was looked for"
TRAINING = {
    "no training case": (0, 0),
    "1 to 4 training cases": (1, 4),
    "5 and more training cases": (5, 10**9),
}
SIMULATED = 300
# a first disease that is at least as probable is named, and nothing else is
NAMED_FROM = 0.5
# opens sealed arrays and ranks cases in a process of its own: time to the first case, and the most memory it had
FRESH = """
import sys, time
import numpy as np
from medanomaly.diagnosis.ranking.ranker import CodedCase, Ranker
start = time.process_time()
with np.load(sys.argv[1]) as arrays:
    ranker = Ranker.from_arrays(dict(arrays))
none = np.zeros(0, dtype=np.int32)
took = None
with np.load(sys.argv[2]) as cases:
    for rows in np.split(cases["rows"], cases["ends"][:-1]):
        weight = np.ones(len(rows), dtype=np.float32)
        ranker.scores(CodedCase("case", rows, weight, none, none.astype(np.float32)))
        took = took or time.process_time() - start
# not ru_maxrss, which begins with what the process had that started this one
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(took, int(peak.split()[1]) / 1e3)
"""
RESULTS: dict[str, Result] = {}


def data(release: str, tag: str) -> tuple[Knowledge, PatientSymptoms]:
    root = os.environ.get("MEDANOMALY_DATA")
    if root is None:
        raise DataNotFoundError(
            "MEDANOMALY_DATA names no folder", remedy="It must hold hpo and phenopackets."
        )
    knowledge = read_knowledge(release=release)
    path = Path(root) / "phenopackets" / f"phenopacket-store-{tag}.zip"
    return knowledge, usable(read_phenopackets(path, knowledge.ontology))


def note(result: Result) -> None:
    """Keep one figure; one of the same name gives way."""
    RESULTS[result.name] = result


def add(name: str, value: float, unit: str = "", target: tuple[str, float] | None = None, **more) -> None:
    """One figure. ``target`` is a direction, ``>=`` or ``<=``, and a number."""
    reached = None
    if target is not None:
        reached = bool(value >= target[1]) if target[0] == ">=" else bool(value <= target[1])
    said = f"{target[0]} {target[1]:g}" if target else None
    note(Result(name=name, value=float(value), unit=unit, target=said, reached=reached, **more))


def add_ranks(
    name: str, ranks: np.ndarray, groups: np.ndarray, where: str, targets=(None, None, None), peers=(None, ())
) -> None:
    """Top-1, top-3 and top-10 with intervals over publications."""
    table = rank_figures(ranks, groups, top=TOP)
    for k, row in enumerate(table.iloc[: len(TOP)].itertuples()):
        peer, values = peers
        add(
            f"{name}: top-{TOP[k]}",
            row.value,
            target=(">=", targets[k]) if targets[k] is not None else None,
            ci_low=row.ci_low,
            ci_high=row.ci_high,
            peer=peer,
            peer_value=values[k] if peer else None,
            data=f"{where}, {row.n} cases, {row.n_groups} publications",
        )


def add_gains(name: str, ranks: np.ndarray, baseline: np.ndarray, groups: np.ndarray, where: str) -> None:
    """Paired gains, reached where the interval lies above 0."""
    for row in paired_gain(ranks, baseline, groups, top=TOP).itertuples():
        note(
            Result(
                name=f"{name}: gain in {row.figure.replace('_', '-')}",
                value=row.value,
                unit="",
                ci_low=row.ci_low,
                ci_high=row.ci_high,
                target="interval above 0",
                reached=bool(row.ci_low > 0),
                data=where,
            )
        )


def as_published(knowledge: Knowledge, patients: PatientSymptoms) -> None:
    """All cases of 0.1.14 with the knowledge of 2024-04, which has seen the publications of many of them."""
    where = "0.1.14, HPO 2024-04-24"
    groups, cited, fold = publications(patients), is_cited(knowledge, patients), fold_of(patients)
    ranks = {}
    for name, params in (("baseline", BASELINE), ("plain", PLAIN), ("ranker", RankingParams())):
        ranks[name] = true_ranks(Ranker.of(knowledge, params), patients)
    exomiser = ("Exomiser, phenotype only, published", EXOMISER)
    add_ranks("as published, plain, knowledge only", ranks["plain"], groups, where, peers=exomiser)
    add_ranks(
        "as published, ranker, knowledge only", ranks["ranker"], groups, where, (0.37, 0.49, 0.60), exomiser
    )
    rest = fold >= 2
    add_ranks(
        "as published, ranker, knowledge only, folds 2 to 4", ranks["ranker"][rest], groups[rest], where,
        (0.37, 0.49, 0.60),
    )  # fmt: skip
    for said, inside in (("cited by the knowledge", cited), ("not cited", ~cited)):
        add_ranks(
            f"as published, ranker, knowledge only, {said}", ranks["ranker"][inside], groups[inside], where
        )
    add_gains("as published, ranker against plain", ranks["ranker"], ranks["plain"], groups, where)
    for name, of_name in cross_fitted(knowledge, patients, fold).items():
        add_ranks(
            f"as published, {name}, has seen cases of other publications",
            of_name,
            groups,
            where,
            (0.41, 0.54, 0.64),
        )


def cross_fitted(knowledge: Knowledge, patients: PatientSymptoms, fold: np.ndarray) -> dict[str, np.ndarray]:
    """Ranks by boosters on knowledge alone, each learned from the cases of the other folds; by what it reads."""
    reads = {"re-ranker": WITHOUT_CASES, LOOKED_FOR: (*WITHOUT_CASES, *OF_EXCLUDED)}
    candidates = Candidates.of(
        knowledge, None, RankingParams(), RERANK.replaced({"features": reads[LOOKED_FOR]})
    )
    ids = patients.cases["case_id"].to_numpy()
    few = set(few_per_disease(patients, 20, 0).cases["case_id"])
    learned = {
        j: learned_from(candidates, patients.select([i for i in ids[fold == j] if i in few]))
        for j in range(fold.max() + 1)
    }
    ranks = {name: np.empty(len(ids)) for name in reads}
    for j in learned:
        for name, features in reads.items():
            booster = fit_booster(
                [part for i, part in learned.items() if i != j], RERANK.replaced({"features": features})
            )
            reranker = Reranker(candidates, booster, features)
            ranks[name][fold == j] = true_ranks(reranker, patients.select(ids[fold == j]))
    return ranks


def models_of(fold: Fold) -> tuple[Ranker, Reranker, Reranker]:
    """Baseline, re-ranker, and the one that reads what was looked for; both learn from the same candidates."""
    more = RERANK.replaced({"features": RERANK_FEATURES})
    compared = cross_compared(fold.knowledge, fold.train, RankingParams(), more)
    usual = Candidates.of(fold.knowledge, fold.train, RankingParams(), RERANK)
    full = Candidates(usual.ranker, usual.alone, usual.neighbours, more)
    return (
        Ranker.of(fold.knowledge, BASELINE, fold.train),
        Reranker(usual, fit_booster(compared, RERANK), RERANK.features),
        Reranker(full, fit_booster(compared, more), more.features),
    )


def by_publication(knowledge: Knowledge, patients: PatientSymptoms) -> pd.Series:
    """Five folds of publications; knowledge without what cites the test publications, and training cases mixed in.

    Returns:
        Rank of the disease of each case by the ranker, by case id.
    """
    where = "0.1.24, HPO 2025-01-16"
    names = ("baseline", "plain", "ranker", "re-ranker", LOOKED_FOR)
    rank = {name: [] for name in names}
    matched = {name: [] for name in names}
    seen: dict[str, list[JudgedCase]] = {"ranker": [], "re-ranker": []}
    named: dict[str, list[tuple]] = {name: [] for name in seen}
    judged_diseases = np.unique(patients.cases["disease"].astype(str))
    case_ids, groups, disease, trained, number, first_time, warm = ([] for _ in range(7))
    for fold in publication_folds(knowledge, patients):
        baseline, reranker, looked_for = models_of(fold)
        ranker, n_cases = reranker.ranker, reranker.ranker.profiles.n_cases
        columns = np.array([ranker.columns.get(d, -1) for d in judged_diseases])
        for case, own in zip(ranker.code(fold.test), fold.test.cases["disease"], strict=True):
            true = ranker.columns.get(own, -1)
            for took in (first_time, warm):
                start = time.process_time()
                reranked = reranker.scores(case)
                took.append(time.process_time() - start)
            of_case = ranker.components(case)
            scores = {
                "baseline": baseline.scores(case),
                "plain": ranker.plain_scores(of_case),
                "ranker": ranker.scores(case, of_case),
                "re-ranker": reranked,
                LOOKED_FOR: looked_for.scores(case),
            }
            for name, of_name in scores.items():
                rank[name].append(rank_of(of_name, true))
                matched[name].append(matched_rank(of_name, true, n_cases))
            for name, cases in seen.items():
                cases.append(judged(scores[name], true))
                first = ranker.profiles.diseases[int(scores[name].argmax())]
                named[name].append((first, log_shares(scores[name], columns)))
        case_ids += fold.test.cases["case_id"].tolist()
        groups += publications(fold.test).tolist()
        disease += fold.test.cases["disease"].tolist()
        trained += training_cases(fold.train, fold.test).tolist()
        number += [fold.number] * len(fold.test)
        print(f"fold {fold.number}: {len(fold.test)} cases", flush=True)
    rank, matched = ({k: np.array(v) for k, v in d.items()} for d in (rank, matched))
    groups, disease, trained, number = map(np.array, (groups, disease, trained, number))
    targets = {
        "ranker": (0.263, 0.391, 0.528),
        **dict.fromkeys(("re-ranker", LOOKED_FOR), (0.42, 0.52, 0.62)),
    }
    for name in names:
        add_ranks(f"folds, {name}", rank[name], groups, where, targets.get(name, (None,) * 3))
        add(
            f"folds, {name}: macro top-1", macro_top(rank[name], disease), data=where,
            target={"ranker": (">=", 0.224), "re-ranker": (">=", 0.383), LOOKED_FOR: (">=", 0.383)}.get(name),
        )  # fmt: skip
        add_ranks(f"folds, {name}, among diseases alike in having cases", matched[name], groups, where)
        if name != "baseline":
            add_gains(f"folds, {name} against baseline", rank[name], rank["baseline"], groups, where)
        for said, (least, most) in TRAINING.items():
            inside = (trained >= least) & (trained <= most)
            target = (0.13 if said == "no training case" and name in targets else None, None, None)
            add_ranks(f"folds, {name}, {said}", rank[name][inside], groups[inside], where, target)
    later = number >= 2
    for name, wanted in targets.items():
        add_ranks(f"folds, {name}, folds 2 to 4", rank[name][later], groups[later], where, wanted)
    for name, cases in seen.items():
        sure = calibration(name, cases, groups, number, where)
        against_the_rest(name, disease, judged_diseases, named[name], sure, where)
    add_gains(
        "folds, re-ranker against ranker, among diseases alike in having cases", matched["re-ranker"],
        matched["ranker"], groups, where,
    )  # fmt: skip
    add(
        "speed, re-ranked case for the first time, processor time",
        1e3 * np.median(first_time),
        "ms",
        data=where,
    )
    add("speed, warm re-ranked case, processor time", 1e3 * np.median(warm), "ms", ("<=", 3), data=where)
    return pd.Series(rank["ranker"], index=case_ids)


def log_shares(scores: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(k,) float32 logarithm of the softmax of these columns, on one scale for all cases; -inf for a column of -1."""
    shares = np.append(scores, -np.inf)[columns] - logsumexp(scores[np.isfinite(scores)])
    return np.where(columns >= 0, shares, -np.inf).astype(np.float32)


def against_the_rest(
    name: str,
    disease: np.ndarray,
    judged_diseases: np.ndarray,
    named: Sequence[tuple[str, np.ndarray]],
    sure: np.ndarray,
    where: str,
) -> None:
    """Each disease against the rest: AUROC of its softmax, macro-F1 of the first disease, and the operating point.

    Args:
        named: first disease of each case, and :func:`log_shares` of the judged ones.
        sure: calibrated probability of the first disease.
    """
    first, shares = zip(*named, strict=True)
    of_all = f"{where}, mean over {len(judged_diseases)} diseases"
    auroc = one_against_rest(np.stack(shares), np.searchsorted(judged_diseases, disease.astype(str)))
    add(f"one against the rest, {name}: AUROC", auroc, data=of_all)
    add(f"one against the rest, {name}: macro-F1", named_figures(disease, first)["macro_f1"], data=of_all)
    point = named_figures(disease, [d if p >= NAMED_FROM else None for d, p in zip(first, sure, strict=True)])
    for figure in ("sensitivity", "specificity", "precision", "named"):
        said = {"precision": "share of right names", "named": "share of cases with a name"}.get(
            figure, figure
        )
        add(
            f"one against the rest, {name}, named from a probability of {NAMED_FROM:g}: {said}", point[figure],
            data=of_all if figure in ("sensitivity", "specificity") else where,
        )  # fmt: skip


def by_case(knowledge: Knowledge, patients: PatientSymptoms, of_publications: pd.Series) -> None:
    """Five folds stratified by disease that divide publications, the whole knowledge: how much that flatters."""
    where = "0.1.24, HPO 2025-01-16, five folds stratified by disease, the whole knowledge"
    ids, ranks = patients.cases["case_id"].to_numpy(), np.empty(len(patients))
    disease = patients.cases["disease"].astype(str).to_numpy()
    with warnings.catch_warnings():
        # diseases with fewer cases than folds are there on purpose
        warnings.simplefilter("ignore", UserWarning)
        folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(ids, disease))
    for train, test in folds:
        ranker = Ranker.of(knowledge, RankingParams(), patients.select(ids[train]))
        ranks[test] = true_ranks(ranker, patients.select(ids[test]))
    groups = publications(patients)
    add_ranks("stratified by case, ranker", ranks, groups, where)
    add("stratified by case, ranker: macro top-1", macro_top(ranks, disease), data=where)
    for row in paired_gain(ranks, of_publications[ids].to_numpy(), groups, top=TOP).itertuples():
        note(
            Result(
                name=f"stratified by case minus folds of publications, ranker: gain in {row.figure.replace('_', '-')}",
                value=row.value, unit="", ci_low=row.ci_low, ci_high=row.ci_high, data=where,
            )
        )  # fmt: skip


def calibration(
    name: str, cases: list[JudgedCase], groups: np.ndarray, number: np.ndarray, where: str
) -> np.ndarray:
    """Probabilities and sets fitted on the other folds, judged on each; the models of those folds saw this fold's labels.

    Returns:
        (n,) calibrated probability of the first disease.
    """
    first, covered, errors = np.empty(len(cases)), np.empty(len(cases), dtype=bool), []
    right = np.array([case.right == 0 for case in cases])
    raw = np.array([case.raw[0] for case in cases])
    for fold in np.unique(number):
        inside = number == fold
        maps = RankProbabilities.fit(
            [c for c, i in zip(cases, inside, strict=True) if not i], groups[~inside]
        )
        first[inside] = [maps.of(cases[i].raw)[0] for i in np.flatnonzero(inside)]
        covered[inside] = [cases[i].gap <= maps.gap for i in np.flatnonzero(inside)]
        errors.append(expected_calibration_error(first[inside], right[inside]))
    add(f"calibration, {name}, raw: error", expected_calibration_error(raw, right), data=where)
    for fold, error in enumerate(errors):
        add(f"calibration, {name}, fold {fold}: error", error, "", ("<=", 0.05), data=where)
    for share, value in zip((0.1, 0.2, 0.5), selective_accuracy(first, right, (0.1, 0.2, 0.5)), strict=True):
        add(
            f"calibration, {name}: top-1 of the {share:.0%} most confident", value, "",
            (">=", 0.90) if share == 0.1 else None, data=where,
        )  # fmt: skip
    _, code = np.unique(groups, return_inverse=True)
    per_publication = (np.bincount(code, covered) / np.bincount(code)).mean()
    note(
        Result(
            f"calibration, {name}: coverage of 90 % sets, mean over publications", per_publication, "",
            target="0.88 to 0.92", reached=bool(0.88 <= per_publication <= 0.92), data=where,
        )
    )  # fmt: skip
    add(f"calibration, {name}: coverage of 90 % sets, mean over cases", covered.mean(), data=where)
    return first


def forward(knowledge: Knowledge, old: PatientSymptoms, new: PatientSymptoms) -> None:
    """Knowledge and cases of early 2024, cases of publications that came later."""
    before = set(publications(old))
    ids = new.cases["case_id"][[p not in before for p in publications(new)]]
    new = new.select(ids)
    where = "HPO 2024-04-24 and cases of 0.1.14, new publications of 0.1.24"
    groups = publications(new)
    reranker = Reranker.fit(knowledge, old, RankingParams(), RERANK)
    ranks, sure, right = {"ranker": [], "re-ranker": []}, {"ranker": [], "re-ranker": []}, {}
    for case, own in zip(reranker.ranker.code(new), new.cases["disease"], strict=True):
        true = reranker.ranker.columns.get(own, -1)
        for name, scores in (
            ("ranker", reranker.ranker.scores(case)), ("re-ranker", reranker.scores(case)),
        ):  # fmt: skip
            ranks[name].append(rank_of(scores, true))
            sure[name].append(judged(scores, true).raw[0])
    baseline = true_ranks(Ranker.of(knowledge, BASELINE, old), new)
    add_ranks("forward in time, baseline", baseline, groups, where)
    for name, of_name in {n: np.array(r) for n, r in ranks.items()}.items():
        right[name] = of_name == 1
        add_ranks(f"forward in time, {name}", of_name, groups, where)
        add_gains(f"forward in time, {name} against baseline", of_name, baseline, groups, where)
        value = selective_accuracy(np.array(sure[name]), right[name], (0.1,))[0]
        add(f"forward in time, {name}: top-1 of the 10% most confident", value, "", (">=", 0.70), data=where)


def leaky(knowledge: Knowledge, patients: PatientSymptoms) -> None:
    """All cases of 0.1.24 with the whole knowledge, cited ones apart."""
    where = "0.1.24, HPO 2025-01-16, knowledge only"
    groups, cited = publications(patients), is_cited(knowledge, patients)
    ranks = {
        n: true_ranks(Ranker.of(knowledge, p), patients)
        for n, p in (("baseline", BASELINE), ("ranker", RankingParams()))
    }
    for name, of_name in ranks.items():
        for said, inside in (("cited", cited), ("not cited", ~cited)):
            add_ranks(f"whole knowledge, {name}, {said}", of_name[inside], groups[inside], where)
    out = ~cited
    add_gains(
        "whole knowledge, ranker against baseline, not cited",
        ranks["ranker"][out],
        ranks["baseline"][out],
        groups[out],
        where,
    )


def some(
    ranker: Ranker, patients: PatientSymptoms, least: int, rng: np.random.Generator
) -> Iterator[tuple[CodedCase, int]]:
    """Cases with at least ``least`` observed symptoms whose disease is ranked, drawn by publication and then by case."""
    groups = publications(patients)
    coded = list(ranker.code(patients))
    true = np.array([ranker.columns.get(d, -1) for d in patients.cases["disease"]])
    fits = np.array(
        [t >= 0 and ranker.ranked[t] and len(c.observed) >= least for c, t in zip(coded, true, strict=True)]
    )
    order = rng.permutation(np.flatnonzero(fits))
    _, first = np.unique(groups[order], return_index=True)
    for i in order[np.sort(first)]:
        yield coded[i], int(true[i])


def robustness(ranker: Ranker, patients: PatientSymptoms) -> None:
    """One of five symptoms replaced by noise; two diseases in one patient."""
    where = "0.1.14, HPO 2024-04-24, knowledge only, one case per publication"
    rng = np.random.default_rng(0)
    chosen = list(some(ranker, patients, 5, rng))[:SIMULATED]
    used = np.unique(ranker.profiles.frequency.nonzero()[0])
    clean, noisy = [], []
    for case, true in chosen:
        five = np.sort(rng.choice(case.observed, 5, replace=False))
        other = five.copy()
        other[rng.integers(5)] = rng.choice(np.setdiff1d(used, five))
        for rows, ranks in ((five, clean), (np.sort(other), noisy)):
            ranks.append(rank_of(ranker.scores(bare(case, rows)), true))
    fall = np.mean(np.array(clean) <= 10) - np.mean(np.array(noisy) <= 10)
    add(
        "noise, 1 of 5 symptoms replaced: fall of top-10",
        fall,
        "",
        ("<=", 0.08),
        data=f"{where}, {len(chosen)} cases",
    )
    both = {"ranker": [], "pairs": [], "each alone": []}
    for (a, first), (b, second) in zip(chosen[::2], chosen[1::2], strict=False):
        if first == second:
            continue
        merged = bare(a, np.union1d(a.observed, b.observed))
        wanted = {ranker.profiles.diseases[first], ranker.profiles.diseases[second]}
        scores = ranker.scores(merged)
        both["ranker"].append(max(rank_of(scores, first), rank_of(scores, second)) <= 10)
        both["pairs"].append(wanted <= set(best_partners(ranker, merged, top=10)["disease"]))
        alone = [rank_of(ranker.scores(bare(c, c.observed)), t) <= 10 for c, t in ((a, first), (b, second))]
        both["each alone"].append(all(alone))
    for name, hits in both.items():
        add(
            f"two diseases in one patient, {name}: both in the top 10", np.mean(hits), "",
            (">=", 0.40) if name == "pairs" else None, data=f"{where}, {len(hits)} pairs",
        )  # fmt: skip


def bare(case: CodedCase, observed: np.ndarray) -> CodedCase:
    """The case with these observed symptoms, all sure, and no excluded one."""
    none = np.zeros(0, dtype=np.int32)
    return CodedCase(
        case.case_id, observed, np.ones(len(observed), np.float32), none, none.astype(np.float32)
    )


def answers_of_the_record(ranker: Ranker, case: CodedCase, start: np.ndarray) -> dict[int, bool]:
    """What the record of a case says of symptoms that are not known at the start: yes, or no."""
    return {int(t): True for t in np.setdiff1d(case.observed, start)} | {int(t): False for t in case.excluded}


def questions(ranker: Ranker, patients: PatientSymptoms) -> None:
    """Two symptoms are known, three more are asked for: by expected gain, or at random from the same questions."""
    rng = np.random.default_rng(0)
    chosen = list(some(ranker, patients, 5, rng))[:SIMULATED]
    frequency = ranker.comparison.by_disease
    kinds, ways = ("simulated patients", "answers of the record"), ("expected gain", "random")
    hits: dict[tuple[str, str], list[bool]] = {(way, kind): [] for way in ways for kind in kinds}
    for case, true in chosen:
        start = np.sort(rng.choice(case.observed, 2, replace=False))
        record = answers_of_the_record(ranker, case, start)
        own = frequency[[true]].toarray()[0]
        draw = rng.random(len(own))
        for kind in kinds:
            for way in ways:
                state = bare(case, start)
                for _ in range(3):
                    among = np.array(sorted(record)) if kind == "answers of the record" else None
                    asked = next_questions(ranker, state, top=10**6 if way == "random" else 1, among=among)
                    if not len(asked):
                        break
                    term = ranker.index[
                        asked["term"].iloc[rng.integers(len(asked)) if way == "random" else 0]
                    ]
                    yes = record.get(term) if among is not None else bool(draw[term] < own[term])
                    state = with_answer(ranker, state, term, yes)
                hits[way, kind].append(rank_of(ranker.scores(state), true) == 1)
    where = "0.1.14, HPO 2024-04-24, knowledge only, 2 symptoms known, one case per publication"
    for kind in kinds:
        gained, random = (np.mean(hits[way, kind]) for way in ways)
        add(
            f"three questions, {kind}: top-1 by expected gain minus at random", gained - random, "",
            (">=", 0.10) if kind == "simulated patients" else None, data=f"{where}, {len(chosen)} cases",
        )  # fmt: skip
        add(f"three questions, {kind}: top-1 by expected gain", gained, data=where)
        add(f"three questions, {kind}: top-1 at random", random, data=where)


def speed(ranker: Ranker, patients: PatientSymptoms) -> None:
    """Processor time of a case and of opening sealed arrays."""
    part = patients.select(patients.cases["case_id"].iloc[:500])
    cases = list(ranker.code(part))
    for case in cases:
        ranker.scores(case)
    took = []
    for case in cases:
        start = time.process_time()
        ranker.scores(case)
        took.append(time.process_time() - start)
    add(
        "speed, warm case, processor time",
        1e3 * float(np.median(took)),
        "ms",
        ("<=", 1),
        data="median of 500 cases",
    )
    arrays = ranker.arrays()
    start = time.process_time()
    opened = Ranker.from_arrays(arrays)
    opened.scores(cases[0])
    add("speed, sealed arrays to first case, processor time", time.process_time() - start, "s", ("<=", 1))
    size = sum(a.nbytes for a in arrays.values()) / 1e6
    add("memory, sealed arrays", size, "MB", ("<=", 300))
    start = time.process_time()
    for _ in range(2):
        ranker.rank(patients)
    took = (time.process_time() - start) * 10_000 / (2 * len(patients))
    add(
        "speed, 10,000 cases to their first 20 diseases, processor time", took, "s", ("<=", 30),
        data=f"{len(patients):,} cases, twice",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/ranker.npz", **arrays)
        rows = [case.observed for case in cases]
        np.savez(f"{folder}/cases.npz", rows=np.concatenate(rows), ends=np.cumsum([len(r) for r in rows]))
        command = [sys.executable, "-c", FRESH, f"{folder}/ranker.npz", f"{folder}/cases.npz"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    first, memory = map(float, said)
    add("speed, fresh process, sealed file to first case, processor time", first, "s", ("<=", 1))
    add("memory, fresh process that ranks 500 cases, at most", memory, "MB", ("<=", 300))


def section(name: str, run: Callable[[], None]) -> None:
    start = time.process_time()
    run()
    print(f"{name}: {time.process_time() - start:.0f} s of processor time", flush=True)
    write("diagnosis", list(RESULTS.values()), command="make bench NAME=diagnosis")


def measured_today() -> dict[str, Result]:
    """Figures of the file, which a part that is measured again stands beside: of this day and this machine only."""
    rows = json.loads((FILES / "diagnosis.json").read_text())
    if any((row["date"], row["machine"]) != (datetime.date.today().isoformat(), machine()) for row in rows):
        sys.exit("the other figures are of another day or machine: measure all")
    names = [field.name for field in fields(Result)]
    return {row["name"]: Result(**{name: row[name] for name in names}) for row in rows}


def main(arguments: Sequence[str] = ()) -> None:
    """All sections, or those that are named."""
    old = functools.cache(lambda: data(*OLD))
    new = functools.cache(lambda: data(*NEW))
    ranker = functools.cache(lambda: Ranker.of(old()[0]))
    sections: dict[str, Callable[[], None]] = {
        "speed": lambda: speed(ranker(), old()[1]),
        "robustness": lambda: robustness(ranker(), old()[1]),
        "questions": lambda: questions(ranker(), old()[1]),
        "published": lambda: as_published(*old()),
        "whole": lambda: leaky(*new()),
        "folds": lambda: by_case(*new(), by_publication(*new())),
        "forward": lambda: forward(*old(), data(OLD[0], NEW[1])[1]),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"of {', '.join(sections)}; the other figures of today stay"
    )
    wanted = parser.parse_args(arguments).sections
    if unknown := sorted(set(wanted) - set(sections)):
        parser.error(f"there is no section {', '.join(unknown)}")
    if wanted:
        RESULTS.update(measured_today())
    for name in wanted or sections:
        section(name, sections[name])


if __name__ == "__main__":
    main(sys.argv[1:])

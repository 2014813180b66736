"""Raw data of a run scored again: the largest difference from its score table, and what one new record costs."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

import medanomaly
from benchmarks.record import Result, write
from medanomaly.core.errors import DataNotFoundError

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ("test", "wdbc", "mitbih", "ecg5000", "hcv")
PREPARE = ("data_processing", "feature_engineering", "tabular_models", "signal_models", "imaging_models")
STARTS = 5
# pandas imports pyarrow where it is installed; the base package does not bring it
INSTALLED = {", base package": "import sys; sys.modules['pyarrow'] = None\n", ", with all extras": ""}


def differences(env: str, folder: str) -> list[Result]:
    """Run an environment up to its scores, then score its raw data with what it left."""
    with KedroSession.create(ROOT, env=env, runtime_params={"outputs": folder}) as session:
        context = session.load_context()
        catalog, key = context.catalog, context.params["run"].dataset
        wanted = [name for name in PREPARE if pipelines[name].nodes]
    try:
        for name in wanted:
            with KedroSession.create(ROOT, env=env, runtime_params={"outputs": folder}) as session:
                session.run(pipeline_names=[name])
    except DataNotFoundError as error:
        print(f"{env}: left out, {error}")
        return []
    models = medanomaly.open(Path(folder) / "06_models" / key)
    # models are gathered and flagged by the evaluation
    scores = [f"{modality}.scores" for modality in models.modalities]
    with KedroSession.create(ROOT, env=env, runtime_params={"outputs": folder}) as session:
        session.run(pipeline_names=["evaluation"], to_outputs=scores)
    results = []
    for modality in models.modalities:
        known = catalog[f"{modality}.scores"].load()
        known = known[known["role"] == "model"]
        started = time.perf_counter()
        answers = models.score(catalog[f"{modality}.raw"].load(), modality=modality, explain=False)
        took = time.perf_counter() - started
        both = known.merge(answers.scores, on=["case_id", "model"], suffixes=("", "_again"))
        worst = float(np.abs(both["score"] - both["score_again"].astype(float)).max())
        every = len(both) == len(known)
        results.append(
            Result(
                name=f"{env}, {modality}: largest difference of a score",
                value=worst,
                unit="",
                target="<= 1e-6, every case",
                reached=worst <= 1e-6 and every,
                data=f"{len(known):,} scores of {known['model'].nunique()} models, raw data read in {took:.1f} s",
            )
        )
    return results


def first_answer(bundle: Path, program: str = "") -> float:
    """Seconds from the start of Python to the score of one record, in a process that begins with ``program``."""
    program += (
        "import medanomaly\n"
        f"models = medanomaly.open({str(bundle)!r})\n"
        "names = models.recipe().learned.columns\n"
        "assert len(models.score(dict.fromkeys(names, 1.0), explain=False).scores) == 1"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - started


def main() -> None:
    bootstrap_project(ROOT)
    results, times = [], {}
    for env in ENVIRONMENTS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["MEDANOMALY_OUTPUTS"] = folder
            results += differences(env, folder)
            if env == "wdbc":
                bundle = Path(folder) / "06_models" / "wdbc" / "tabular" / "isolation_forest"
                times = {
                    said: [first_answer(bundle, program) for _ in range(STARTS + 1)][1:]
                    for said, program in INSTALLED.items()
                }
    for said, taken in times.items():
        results.append(
            Result(
                name=f"import, open a bundle and score one row in a fresh process{said}",
                value=float(np.median(taken)),
                unit="s",
                ci_low=min(taken),
                ci_high=max(taken),
                target="<= 1.0 s",
                reached=float(np.median(taken)) <= 1.0,
                data=f"isolation forest of wdbc, median of {STARTS} starts",
            )
        )
    write("scoring_raw", results, command="make bench NAME=scoring_raw")


if __name__ == "__main__":
    main()

"""P-values of other kinds of cases are mended without labels, and every answer says what was done."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from tests.scoring.small_models import sealed_with_illness, visits, without_training
from tests.signals.sample_recordings import recording

from medanomaly.commands.cli import cli
from medanomaly.evaluation.reweighting import Weighting, patient_folds
from medanomaly.imaging.recipe import image_recipe
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.monitoring.facts import CalibrationFacts
from medanomaly.scoring.batch_sources import parts
from medanomaly.scoring.batch_weighting import batch_weightings
from medanomaly.scoring.batches import score_batch
from medanomaly.scoring.model_answers import acquisition
from medanomaly.scoring.models import open_models
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.readers.npz import write_npz
from medanomaly.signals.recipe import signal_recipe
from medanomaly.store.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe and a detector, with the facts of normal and of abnormal calibration records."""
    return sealed_with_illness(tmp_path_factory.mktemp("models"))


def other_kind(n=600):
    """Visits of patients with a high sodium, as another site may have them."""
    new = visits(n, 11)
    return new[new["sodium"].astype(float) > 139].drop(columns="outcome")


def far():
    new = visits(160, 7).drop(columns="outcome")
    return new.assign(sodium=(new["sodium"].astype(float) + 40).round(1).astype(str))


def test_a_batch_in_parts_is_weighted_as_a_whole_and_says_so(folder, tmp_path):
    models, new = open_models(folder), other_kind()
    whole = models.score(new, explain=False, reweight=True).scores.set_index("case_id")
    for rows, store in ((40, Store.open(tmp_path / "store.db", key=b"a key of the tests")), (1000, None)):
        summary = score_batch(
            models, new, tmp_path / f"{rows}.parquet", chunk_rows=rows, reweight=True, store=store
        )
        found = pd.read_parquet(tmp_path / f"{rows}.parquet").set_index("case_id")
        assert np.array_equal(found["p_value"], whole["p_value"])
        assert found["flagged"].eq(whole["p_value"] <= 0.05).all()
        assert not found["findings"].str.contains("p-value").any()
        said = summary.to_dict()
        assert said["weighted"]["tabular.ecdf"]["withheld"] == ""
        assert "P-values of tabular.ecdf are weighted: the calibration says as much as" in said["notes"][0]
        if store is not None:
            stored = store.predictions()
            assert np.allclose(np.sort(stored["p_value"]), np.sort(whole["p_value"]), rtol=0, atol=1e-15)
            store.close()


def test_a_batch_that_is_not_weighted_does_not_say_so(folder, tmp_path):
    summary = score_batch(open_models(folder), other_kind(), tmp_path / "plain.csv")
    assert "weighted" not in summary.to_dict()
    assert not any("weighted" in note for note in summary.notes)


def test_a_batch_is_withheld_as_a_whole_with_the_reason(folder, tmp_path):
    summary = score_batch(
        open_models(folder), far(), tmp_path / "far.parquet", chunk_rows=100, reweight=True, store=None
    )
    found = pd.read_parquet(tmp_path / "far.parquet")
    assert found[["p_value", "flagged"]].isna().all(axis=None)
    assert found["findings"].str.contains("the p-value is withheld: ").all()
    assert "P-values of tabular.ecdf are withheld: " in summary.notes[0]
    assert summary.to_dict()["weighted"]["tabular.ecdf"]["withheld"]
    assert summary.n_flagged == {"ecdf": 0}


def test_the_command_says_what_was_done_to_p_values(folder, tmp_path):
    new, few, other = (tmp_path / f"{name}.csv" for name in ("new", "few", "far"))
    for path, table in ((new, other_kind()), (few, other_kind().head(20)), (other, far())):
        table.to_csv(path, index=False)

    def said(path, *options):
        done = CliRunner().invoke(cli, ["score", str(path), "--models", str(folder), "--top", "1", *options])
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    plain = said(new)
    assert "P-values do not hold (" in plain
    assert "weight" not in plain
    weighted = said(new, "--reweight")
    assert "P-values would not hold without weights (" in weighted
    assert "P-values are weighted: the calibration says as much as" in weighted
    assert "P-values do not hold" not in weighted
    assert "the p-value does not hold" not in weighted
    short = said(few, "--reweight")
    assert "Nobody can tell whether p-values would hold without weights" in short
    assert "P-values are withheld: 100 calibration cases and 20 cases are too few; 50 of each" in short
    assert "P-values are withheld: " in said(other, "--reweight")
    same = visits(300, 3).drop(columns="outcome")
    same.to_csv(new, index=False)
    assert "P-values would hold without weights (" in said(new, "--reweight")
    answer = CliRunner().invoke(cli, ["score", str(new), "--models", str(folder), "--reweight", "--json"])
    assert json.loads(answer.stdout)["weighted"]["tabular.ecdf"]["withheld"] == ""


def images(folder):
    rng = np.random.default_rng(0)
    for i in range(60):
        Image.fromarray(rng.integers(0, 255, (32, 32)).astype(np.uint8)).save(folder / f"{i}.png")
    return image_recipe(ImageParams(store=str(folder.parent)), {}), "images"


def recordings(folder):
    for i in range(8):
        one = replace(recording(20 * 360, marks=False), patient_id=f"p{i}")
        write_npz(one, folder / f"r{i}.npz")
    return signal_recipe("beat_recipe", BeatParams(), {}, {}), "waveforms"


@pytest.mark.parametrize(("draw", "n"), [(images, 25), (recordings, 3)])
def test_images_and_recordings_are_weighted_over_all_parts(draw, n, tmp_path, monkeypatch):
    source = tmp_path / "raw"
    source.mkdir()
    recipe, reads = draw(source)
    models = without_training(recipe, reads)
    (part,) = parts(models.recipe(source), source, 100)
    raw, options = part.take(0, len(part))
    read = models.recipe(source).read(raw, **options)
    facts, _ = acquisition(read.inputs[reads])
    scores = np.random.default_rng(0).random(len(facts))
    known = CalibrationFacts(facts, facts[:0], scores=scores)
    monkeypatch.setattr("medanomaly.scoring.model_answers.facts_of", lambda bundle: known)
    summary = score_batch(models, source, tmp_path / "answers.parquet", chunk_rows=n, reweight=True)
    found = pd.read_parquet(tmp_path / "answers.parquet")
    assert "are weighted: " in summary.notes[0]
    assert found["p_value"].between(0, 1, inclusive="right").all()
    (weighting,) = summary.weighted.values()
    assert weighting.effective_size > 0.5 * len(facts)


def test_a_model_without_sealed_facts_gives_no_weighted_p_value(tmp_path):
    (tmp_path / "raw").mkdir()
    recipe, reads = images(tmp_path / "raw")
    summary = score_batch(
        without_training(recipe, reads), tmp_path / "raw", tmp_path / "answers.csv", reweight=True
    )
    assert "are withheld: 'imaging.mean' has no sealed facts of its calibration cases" in summary.notes[0]
    assert pd.read_csv(tmp_path / "answers.csv")["p_value"].isna().all()


def test_no_case_helps_to_weight_another_case_of_its_patient():
    """Two records of a patient that nobody else is like: a classifier that saw one of them would know the other."""
    patients = pd.Series([f"p{i // 2}" for i in range(400)])
    fold = patient_folds(patients)
    assert (fold[::2] == fold[1::2]).all()
    assert set(fold) == set(range(5))
    rng = np.random.default_rng(0)
    x = np.repeat(rng.standard_normal((200, 1)), 2, axis=0)
    weighting = Weighting.fit(x, fold, rng.standard_normal(300), rng.standard_normal((300, 1)))
    assert weighting.reason == ""
    assert np.array_equal(weighting.ratio.of(x, fold)[::2], weighting.ratio.of(x, fold)[1::2])


def test_cases_of_one_patient_tell_nothing_of_how_others_are_taken():
    rng = np.random.default_rng(0)
    fold = patient_folds(pd.Series(["p"] * 90))
    weighting = Weighting.fit(rng.random((90, 1)), fold, rng.random(90), rng.random((90, 1)))
    assert "of too few patients" in weighting.in_words
    assert np.isnan(weighting.p_values(np.zeros(3), np.zeros((3, 1)), np.zeros(3))).all()


def test_weights_of_a_large_batch_come_from_cases_that_their_ids_choose(folder, monkeypatch):
    monkeypatch.setattr("medanomaly.scoring.batch_weighting.MOST_COMPARED", 120)
    models, new = open_models(folder), other_kind()
    recipe = models.recipe(new)
    asked = models.asked(recipe)
    read = [[recipe.read(new[start : start + n]) for start in range(0, len(new), n)] for n in (50, 200)]
    few, many = (batch_weightings(asked, of)["tabular.ecdf"] for of in read)
    assert np.array_equal(few.weights, many.weights)
    assert few.ratio.prior == 100 / 120

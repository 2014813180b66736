import json

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.tabular.features.notes import fit_text
from medanomaly.tabular.features.record_features import feature_units, fit_features, record_features
from medanomaly.tabular.table.description import Column, GroupDeviation, TableSpec, Text

WARDS = ("surgery", "medicine")


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    n = 120
    ward = np.array(WARDS)[np.arange(n) % 2]
    words = {"surgery": "wound drain sutures theatre", "medicine": "fever cough antibiotics sputum"}
    notes = [" ".join(rng.permutation(words[w].split())) for w in ward]
    records = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "ward": pd.array(ward, dtype="string"),
            "stay": np.where(ward == "surgery", 4.0, 10.0) + rng.normal(size=n),
            "note": pd.array(notes, dtype="string"),
        }
    )
    records.loc[5, "note"] = pd.NA
    split = np.array(["train", "calibration", "test"])[np.repeat([0, 1, 2], n // 3)]
    cases = pd.DataFrame({"case_id": records["case_id"], "patient_id": records["case_id"], "split": split})
    return records, cases


def spec(**text):
    return TableSpec(
        columns={"ward": Column(kind="category"), "note": Column(kind="text"), "stay": Column(unit="days")},
        populations={"stay_in_ward": GroupDeviation(of="stay", by=("ward",), min_group_size=5)},
        text=Text(**text),
    )


def test_directions_of_notes_are_named_by_their_words_and_separate_the_wards(tables):
    records, cases = tables
    learned = fit_features(records, cases, spec(n_components=2))
    features = record_features(records, cases, spec(n_components=2), learned)
    named = [name for name in features if name.startswith("note ")]
    assert len(named) == 2
    assert any(word in " ".join(named) for word in ("fever", "wound", "sputum", "drain"))
    surgery = records["ward"].eq("surgery").to_numpy()
    known = records["note"].notna().to_numpy()
    values = features[named].to_numpy()
    between = np.abs(values[known & surgery].mean(0) - values[known & ~surgery].mean(0)).max()
    assert between > 5 * values[known & surgery].std(0).max()


def test_tfidf_equals_scikit_learn(tables):
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    records, cases = tables
    learned = fit_features(records, cases, spec(n_components=3))
    ours = record_features(records, cases, spec(n_components=3), learned)
    known = records["note"].notna()
    train = known & cases["split"].eq("train")
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), min_df=5, max_features=5000, sublinear_tf=True)
    svd = TruncatedSVD(3, random_state=0).fit(vectoriser.fit_transform(records.loc[train, "note"]))
    expected = svd.transform(vectoriser.transform(records.loc[known, "note"]))
    np.testing.assert_allclose(ours.loc[known].filter(regex="^note ").to_numpy(), expected, atol=1e-10)


def test_nothing_is_learned_outside_train(tables):
    records, cases = tables
    changed = records.copy()
    held_out = cases["split"].ne("train")
    changed.loc[held_out, "note"] = "entirely different vocabulary everywhere"
    changed.loc[held_out, "stay"] = 1000.0
    assert fit_features(records, cases, spec()).files == fit_features(changed, cases, spec()).files


def test_a_missing_note_has_no_words_and_lies_at_the_origin(tables):
    records, cases = tables
    features = record_features(records, cases, spec(), fit_features(records, cases, spec()))
    assert features.loc[5].filter(regex="^note").eq(0).all()
    assert features.loc[6, "note_words"] == 4


def test_a_note_alone_has_the_features_it_has_among_others(tables):
    records, cases = tables
    learned = fit_features(records, cases, spec())
    whole = record_features(records, cases, spec(), learned)
    alone = record_features(records.iloc[[7]], cases.iloc[[7]], spec(), learned)
    pd.testing.assert_frame_equal(alone, whole.iloc[[7]])


def test_a_population_feature_is_the_distance_from_the_median_of_the_group(tables):
    records, cases = tables
    learned = fit_features(records, cases, spec())
    features = record_features(records, cases, spec(), learned)
    train = cases["split"].eq("train")
    usual = records[train].groupby("ward")["stay"].median()
    expected = records["stay"] - records["ward"].map(usual).astype(float)
    np.testing.assert_allclose(features["stay_in_ward"], expected)
    unseen = records.iloc[[0]].assign(ward="maternity")
    found = record_features(unseen, cases.iloc[[0]], spec(), learned)["stay_in_ward"]
    np.testing.assert_allclose(found, unseen["stay"] - records.loc[train, "stay"].median())
    assert feature_units(spec(), {"stay": {"unit": "days"}})["stay_in_ward"] == "days"


def test_notes_without_a_common_word_are_refused(tables):
    records, cases = tables
    records["note"] = [f"word{i}" for i in range(len(records))]
    with pytest.raises(InputError, match="note"):
        fit_features(records, cases, spec())


@pytest.fixture(scope="module")
def sentence_model(tmp_path_factory):
    """A BERT of one layer with a vocabulary of a few words, as a folder on disk."""
    transformers = pytest.importorskip("transformers", reason="needs the extra 'text'")
    import torch

    folder = tmp_path_factory.mktemp("sentence model")
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] wound drain sutures theatre fever cough antibiotics sputum"
    (folder / "vocab.txt").write_text("\n".join(words.split()))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=13, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_a_local_sentence_model_embeds_notes_without_a_network(tables, sentence_model, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    records, cases = tables
    settings = spec(n_components=4, embedding=str(sentence_model))
    learned = fit_features(records, cases, settings)
    features = record_features(records, cases, settings, learned)
    names = [name for name in features if name.startswith("note embedding")]
    assert len(names) == 4
    values = features[names].to_numpy()
    assert np.isfinite(values).all()
    assert values[records["note"].notna().to_numpy()].std(axis=0).max() > 0
    alone = record_features(records.iloc[[7]], cases.iloc[[7]], settings, learned)[names].to_numpy()
    np.testing.assert_allclose(alone, values[[7]], atol=1e-5)


def test_a_folder_without_a_model_is_named(tables, tmp_path):
    with pytest.raises(DataNotFoundError, match=r"config\.json"):
        fit_features(*tables, spec(embedding=str(tmp_path)))


def test_few_phrases_that_repeat_give_no_directions_of_noise():
    phrases = ["no complaints today", "slight headache", "chest pain on exertion"]
    rng = np.random.default_rng(0)
    notes = pd.Series([phrases[i % 3] for i in range(90)], name="note", dtype="string")
    shuffled = notes.iloc[rng.permutation(90)]
    model, again = fit_text(notes, Text(n_components=16)), fit_text(shuffled, Text(n_components=16))
    assert len(model.components) == len(again.components) == 3
    np.testing.assert_allclose(
        model.transform(notes).to_numpy(), again.transform(notes).to_numpy(), atol=1e-9
    )


def test_words_of_fewer_than_five_patients_are_not_learned(tables):
    records, cases = tables
    records.loc[:3, "note"] = "seen with Lovelace and " + records["note"].loc[:3]
    # one patient with many notes that name him
    records.loc[10:25, "note"] = "Turing has " + records["note"].loc[10:25]
    cases.loc[10:25, "patient_id"] = "p10"
    learned = fit_features(records, cases, spec())
    text = json.dumps(learned.manifest["text"]) + str(list(record_features(records, cases, spec(), learned)))
    assert "fever" in text
    assert not {"lovelace", "turing"} & set(text.lower().replace('"', " ").split())
    with_two = fit_features(records, cases, spec().model_copy(update={"min_patients": 2}))
    assert "lovelace" in json.dumps(with_two.manifest["text"])

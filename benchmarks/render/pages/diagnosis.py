"""Diagnosis: diseases in order, symptoms from free text, and models of several diseases for tables."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.pages import diagnosis_ranking
from benchmarks.render.tables import HIGHER, LOWER, Column, Grid, Listing

MODEL = (("Model", "model"),)
LEADING = "mean of two boostings and forest, adjusted decision"


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    said = diagnosis_ranking.summary(figures)
    found = having(figures["diagnosis_text"], "terms", half="report", metric="F1")
    if found:
        said.append(
            f"On hand-made sentences that no rule was chosen by, the reader of free text has an F1 of {cited(found[0])} on "
            "symptoms."
        )
    said += [
        f"On {f.part('set')}, the macro-F1 of the {LEADING}, minus that of a tuned gradient boosting is {cited(f)}."
        for f in having(
            figures["diagnosis_tables"],
            "difference",
            model=LEADING,
            against="tuned gradient boosting",
            classes="",
        )
    ]
    return [*said, verdict(figures)]


TEXT = Section(
    "Symptoms from free text",
    "diagnosis_text",
    "Sentences were written by hand, with synonyms, typing errors, denial, doubt, family history, lists, German and "
    "French. Rules were chosen by one half; the other half was written before the reader, and its errors were not looked "
    "at. One author wrote sentences and rules, so notes of others will do worse. The ontology has English names only; "
    "German and French names come from a short table of the project. The baseline is fenominal, which reads exact English "
    "names and denial.",
    (
        Grid(
            "Terms that are found, whatever is said of them",
            (("Half", "half"), ("Measure", "metric")),
            (
                Column("Reader", "terms", HIGHER),
                Column("fenominal", "terms", HIGHER, show="baseline"),
            ),
            'No rule was chosen by the half "report".',
            across=True,
        ),
        Grid(
            "What is said of terms that are found",
            (("Half", "half"), ("Measure", "what")),
            (Column("Reader", "said", HIGHER), Column("fenominal", "said", HIGHER, show="baseline")),
            across=True,
        ),
        Grid(
            "F1 of terms by kind of sentence, half that no rule was chosen by",
            (("Sentences", "sentences"),),
            (Column("Reader", "kind", HIGHER), Column("fenominal", "kind", HIGHER, show="baseline")),
            across=True,
            folded=True,
        ),
        Listing("Time, and the other half", ("other",)),
    ),
)


def tables_of(name: str, rare: bool) -> tuple[Grid, ...]:
    columns = [Column("Macro-F1", "macro", HIGHER, where={"classes": ""})]
    if rare:
        columns += [
            Column(f"Macro-F1, {words}", "macro", HIGHER, where={"classes": words})
            for words in ("30 records or more", "fewer than 30 records", "5 to 29 records")
        ]
    differences = [Column("All classes", "difference", where={"classes": ""})]
    if rare:
        differences += [
            Column(words[0].upper() + words[1:], "difference", where={"classes": words})
            for words in ("30 records or more", "fewer than 30 records", "5 to 29 records")
        ]
    calibration = [
        Column("Accuracy", "metric", HIGHER, where={"metric": "accuracy"}),
        Column("Calibration error (ECE)", "metric", LOWER, where={"metric": "ece"}),
    ]
    if rare:
        calibration += [
            Column(
                "ECE, fewer than 30 records", "metric", LOWER, where={"metric": "ece, fewer than 30 records"}
            ),
            Column(
                "Probability of rare classes over their share",
                "metric",
                "≈1",
                where={"metric": "probability of rare classes"},
            ),
        ]
    only = {"set": name}
    return (
        Grid(f"{name}: models", MODEL, tuple(columns), keep=only),
        Grid(
            f"{name}: differences in macro-F1",
            (("Model", "model"), ("Minus", "against")),
            tuple(differences),
            "An interval that includes 0 does not tell two models apart.",
            keep=only,
        ),
        Grid(f"{name}: accuracy and calibration", MODEL, tuple(calibration), keep=only),
        Grid(
            f"{name}: F1 of each class",
            (("Class", "name"), ("Records", "records")),
            (
                Column("Mean of models, adjusted decision", "class"),
                Column("Tuned gradient boosting", "class", show="baseline"),
            ),
            folded=True,
            keep=only,
        ),
    )


TABLES = Section(
    "Diseases from tables",
    "diagnosis_tables",
    "Five stratified folds; equal records share one. The baseline, a gradient boosting, is tuned on an inner split of "
    "every fold, and so is how far a decision favours rare classes. The model to judge was chosen on other folds of the "
    "same records. Differences are paired; their intervals resample records. Classes with fewer than five records can "
    "hardly be learned. "
    "SMOTE makes synthetic cases inside the folds; it is never on by itself.",
    (
        *tables_of("thyroid0387", rare=True),
        *tables_of("dermatology", rare=True),
        Listing("Width of the intervals of naive Bayes", ("width",)),
    ),
)

UNKNOWN = Section(
    "Diseases that were never learned",
    "unknown_classes",
    "Each of the largest classes is left out once, and a detector learns the records of all others, a half to fit and a "
    "half to calibrate. Of known records 5 % have a p-value of at most .05. A disease that differs from others in a few "
    "values is hardly distinguished from them. Nearest neighbours keep all records that they learned from, so models of "
    "classes use the Mahalanobis distance.",
    (
        Grid(
            "Share of a left-out class with a p-value of at most .05",
            (("Data", "set"), ("Detector", "detector")),
            tuple(
                Column(f"{which.capitalize()} of the classes", "found", HIGHER, where={"which": which})
                for which in ("lowest", "mean", "highest")
            ),
        ),
    ),
)

PAGE = Page(
    "diagnosis",
    "Diagnosis: diseases from symptoms, notes and tables",
    summary,
    (diagnosis_ranking.RANKING, TEXT, TABLES, UNKNOWN),
)

"""The words of a report and its limits, the same on every page."""

from medanomaly.reporting.sections import Fact, Section

_WORDS = {
    "Anomalous, normal": "What the data set's labels say. Anomalous is not the same as ill, and normal not the same as "
    "healthy.",
    "Score": "A model's own measure of how unusual a case is. Its unit means nothing outside that model.",
    "p-value": "The share of normal cases that look at least as unusual as this one. Small means unusual. It is not the "
    "probability that the case is normal.",
    "Threshold, alpha": "A case is flagged when its p-value is at most alpha. At alpha = 5 % about one normal case in "
    "twenty is flagged, as long as new cases resemble those used for calibration.",
    "False-alarm rate": "The share of normal cases that were flagged. It should be close to alpha.",
    "Caught (sensitivity, recall)": "The share of anomalous cases that were flagged.",
    "Alarms right (PPV, precision)": "The share of flagged cases that were anomalous. It falls when anomalies are rarer "
    "than in this test set.",
    "Passes right (NPV)": "The share of cases not flagged that were normal.",
    "AUROC": "Take one anomalous and one normal case at random: how often does the anomalous one score higher? 0.5 is a "
    "coin toss, 1 is perfect.",
    "Average precision": "Precision averaged over all thresholds. A random order gives the prevalence, the share of "
    "anomalous cases.",
    "95 % interval": "The values that fit these data. Another test set of this size from the same place would give "
    "intervals that hold the true value about 95 times in 100.",
    "Baseline": "A rule so simple that a model has to beat it, such as counting missing values.",
    "Calibration cases": "Normal cases that the model did not learn from, kept to turn scores into p-values.",
    "Brier, ECE": "How far probabilities lie from what came true; 0 is best.",
}
_LIMITS = (
    "Every figure holds for cases like the test cases: the same place, time, devices and population. Elsewhere it has to "
    "be measured again.",
    "p-values hold while new cases come from where the calibration cases came from. A new analyser, a new scanner or "
    "another season can break that, and false alarms then rise without notice.",
    "A model can only be judged against the labels there are. Anomalies that nobody labelled count as false alarms, and "
    "wrong labels count against or for a model.",
    "Contributions say what moved a score. They say nothing about causes.",
    "An interval covers chance in the test cases. It does not cover a leak, a shortcut or a biased selection: that is "
    "what the audit is for.",
)

GLOSSARY = Section(
    "Glossary", facts=[Fact(word, [meaning]) for word, meaning in _WORDS.items()], key="glossary"
)
LIMITS = Section("Limits", notes=_LIMITS, key="limits")

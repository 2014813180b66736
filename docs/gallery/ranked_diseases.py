"""Which diseases would explain these symptoms, and why?

The first five diseases for seizures, a small head and developmental delay without hearing loss. Each bar is what a symptom
says for a disease (right of 0) or against it, as a log likelihood ratio. The order also counts how similar the disease is as
a whole.
"""

from textwrap import shorten

import numpy as np

from medanomaly.diagnosis.knowledge.source import read_knowledge
from medanomaly.diagnosis.ranking.ranker import Ranker
from medanomaly.diagnosis.readers.any_form import read_patients
from medanomaly.reporting.figures.style import Drawing, canvas, legend_below, svg_figure

knowledge = read_knowledge()
ranker = Ranker.of(knowledge)
symptoms = {"symptoms": ["HP:0001250", "HP:0000252", "HP:0001263"], "excluded": ["HP:0000365"]}
patient = read_patients(symptoms, knowledge.ontology)
first = ranker.rank(patient, top=5)
(case,) = ranker.code(patient)
weights = [ranker.explain(case, disease).set_index("term")["log_ratio"] for disease in first["disease"]]


@svg_figure
def ranked():
    """Bars of each symptom, one beside the other, per disease."""
    figure, axes = canvas(7.2, 3.4)
    places, handles, names = np.arange(len(first)), [], []
    right, left = np.zeros(len(first)), np.zeros(len(first))
    for term, excluded in [
        *((t, False) for t in symptoms["symptoms"]),
        *((t, True) for t in symptoms["excluded"]),
    ]:
        weight = np.array([of.get(term, 0.0) for of in weights])
        handles.append(axes.barh(places, weight, left=np.where(weight > 0, right, left), height=0.6))
        right, left = right + np.maximum(weight, 0), left + np.minimum(weight, 0)
        names.append(("no " if excluded else "") + ranker.names[ranker.index[term]])
    axes.set_yticks(places, [shorten(name, 48, placeholder=" …") for name in first["disease_name"]])
    axes.invert_yaxis()
    axes.set(xlabel="log likelihood ratio")
    legend_below(figure, handles, names)
    return Drawing(figure, "Log likelihood ratio of each symptom for the first five diseases of a ranking")


svg = ranked()

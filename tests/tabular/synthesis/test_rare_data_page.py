"""What docs/rare_data.md shows runs, and its parameters are known."""

import re

import yaml
from tests.conftest import ROOT

from medanomaly.tabular.classes.params import ClassParams
from medanomaly.tabular.risk.params import RiskParams
from medanomaly.tabular.synthesis.kinds import GENERATORS

PAGE = (ROOT / "docs" / "rare_data.md").read_text()


def test_its_program_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(program, "docs/rare_data.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "synthetic-3" in shown
    assert "Nearness(copies=0" in shown


def test_its_parameters_are_known():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    models = yaml.safe_load(block)["models"]
    risk = RiskParams.model_validate(models["tabular_risk"]["with_synthetic_cases"])
    classes = ClassParams.model_validate(models["tabular_classes"]["with_synthetic_cases"])
    assert (risk.imbalance, classes.imbalance, classes.up_to) == ("adversarial_forest", "copula", 0.1)


def test_its_table_names_every_generator():
    assert re.findall(r"^\| `(\w+)` \| \w", PAGE, flags=re.MULTILINE)[1:] == list(GENERATORS)

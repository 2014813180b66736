"""What an assistant may ask: eight read-only tools over models and reports, by the Model Context Protocol.

No row of a patient is returned unless the server was started for that: counts, rates and what holds for all cases are.
What a tool refuses, it refuses in the words of the commands.
"""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, MedanomalyError, did_you_mean

MODELS, REPORTS = "06_models", "08_reporting"
INSTRUCTIONS = (
    "Models of medanomaly and what was measured of them. Start with `models`: it names the data sets. Figures come with "
    "intervals: never give one without its interval, and say what `audit` warns of. p-values that do not hold are marked. "
    "Research use only; not a medical device."
)
_ROWS_ARE_KEPT = "rows of patients are not given out"
_REMEDY = "Start the server with --with-patients where that is allowed."


class Tools:
    """The tools; each returns JSON types.

    Args:
        outputs: folder of the outputs of runs (``data``).
        with_patients: whether answers about single cases may be returned.
    """

    def __init__(self, outputs: str | Path, with_patients: bool = False):
        self.outputs, self.with_patients = Path(outputs), with_patients

    def all(self) -> list[Callable[..., Any]]:
        """In the order in which they are needed."""
        return [
            self.models,
            self.metrics,
            self.compare,
            self.audit,
            self.card,
            self.score,
            self.explain,
            self.diagnose,
        ]

    def models(self) -> list[dict[str, Any]]:
        """List the data sets with trained models; per model kind, modality, threshold and number of calibration cases."""
        from medanomaly.commands.models import about_models

        found = []
        for name in self._data_sets(MODELS):
            try:
                found.append({"dataset": name, "models": about_models(self.outputs / MODELS / name)})
            except DataNotFoundError:
                continue
        if not found:
            raise DataNotFoundError(
                "there are no models", source=self.outputs / MODELS, remedy="Train first."
            )
        return found

    def metrics(self, dataset: str, modality: str = "", metric: str = "") -> list[dict[str, Any]]:
        """Measured on test cases: each metric of each model with its 95 % interval, over all cases and per subgroup."""
        table = self._table(dataset, "metrics.csv")
        return _rows(table, modality=modality, metric=metric)

    def compare(self, dataset: str, modality: str = "", metric: str = "") -> list[dict[str, Any]]:
        """Paired differences between models on the same test cases, with 95 % intervals."""
        return _rows(self._table(dataset, "comparisons.csv"), modality=modality, metric=metric)

    def audit(self, dataset: str) -> dict[str, Any]:
        """What the audit of the data found: leaks, copies, shortcuts, baselines that are as good. Failures come first."""
        path = self._of(REPORTS, dataset) / "audit.json"
        checks = json.loads(self._read(path)).get("checks", [])
        order = {"fail": 0, "warn": 1}
        return {"checks": sorted(checks, key=lambda check: order.get(check["verdict"], 2))}

    def card(self, dataset: str, model: str) -> str:
        """The card of a model: what it is for, what it was trained on, what it can not do."""
        from medanomaly.commands.models import card_of

        return card_of(self._of(MODELS, dataset), model)

    def score(self, dataset: str, file: str) -> dict[str, Any]:
        """Score a file of cases: how many, how many are flagged per model, whether p-values hold; cases only if allowed."""
        answers = self._opened(dataset).score(file, explain=False)
        told = answers.to_dict()
        table = answers.table
        scored = table[table["status"] == "scored"]
        result = {
            "modality": told["modality"],
            "n_cases": len(told["cases"]),
            "n_refused": sum(case["status"] == "refused" for case in told["cases"]),
            "p_values_hold": told["p_values_hold"],
            "flagged": {
                str(model): int(rows["flagged"].eq(True).sum())
                for model, rows in scored.groupby("model", sort=False)
            },
            "notice": told["notice"],
        }
        return result | ({"cases": told["cases"]} if self.with_patients else {"cases": _ROWS_ARE_KEPT})

    def explain(self, dataset: str, file: str, case: str) -> dict[str, Any]:
        """Why one case of a file is unusual, model by model; only where the server may give out cases."""
        if not self.with_patients:
            raise ConfigurationError(_ROWS_ARE_KEPT, remedy=_REMEDY)
        told = self._opened(dataset).score(file, explain=[case]).to_dict()
        found = next((one for one in told["cases"] if case in (one["case_id"], one["case"])), None)
        if found is None:
            ids = [one["case_id"] for one in told["cases"]]
            raise ConfigurationError(f"there is no case '{case}'", remedy=did_you_mean(case, ids))
        return found | {"p_values_hold": told["p_values_hold"], "notice": told["notice"]}

    def diagnose(self, dataset: str, text: str, top: int = 10) -> dict[str, Any]:
        """Rank diseases for symptoms in words, with what each symptom says for and against, and what to ask next."""
        return self._opened(dataset).rank(None, top=top, explain=min(top, 10), text=text).to_dict()

    def _opened(self, dataset: str) -> Any:
        from medanomaly.scoring.models import open_models

        return open_models(self._of(MODELS, dataset))

    def _data_sets(self, layer: str) -> list[str]:
        folder = self.outputs / layer
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def _of(self, layer: str, dataset: str) -> Path:
        known = self._data_sets(layer)
        # a name, never a path: what lies elsewhere is not read
        if dataset not in known:
            raise ConfigurationError(
                f"there is no data set '{dataset}'",
                source=self.outputs / layer,
                remedy=f"{did_you_mean(dataset, known)}There are {', '.join(known) or 'none'}.",
            )
        return self.outputs / layer / dataset

    def _table(self, dataset: str, name: str) -> Any:
        import pandas as pd

        path = self._of(REPORTS, dataset) / name
        self._read(path)
        return pd.read_csv(path)

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return path.read_text("utf-8")
        except FileNotFoundError as error:
            raise DataNotFoundError(
                "this run wrote none", source=path, remedy="Run the whole pipeline of the data set."
            ) from error


def server(tools: Tools) -> Any:
    """The server of the protocol, with the tools.

    Raises:
        ConfigurationError: the library is not installed.
    """
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.types import ToolAnnotations
    except ImportError as error:
        raise ConfigurationError(
            "the library of the protocol is not installed", remedy="pip install 'medanomaly[mcp]'."
        ) from error
    from medanomaly import __version__

    made = MCPServer("medanomaly", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR")

    def told(tool: Callable[..., Any]) -> Callable[..., str]:
        @functools.wraps(tool)
        def call(*args: Any, **kwargs: Any) -> str:
            try:
                found = tool(*args, **kwargs)
            except MedanomalyError as error:
                raise ToolError(str(error)) from error
            return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, allow_nan=False)

        call.__annotations__ = {**tool.__annotations__, "return": str}
        return call

    for tool in tools.all():
        made.tool(
            name=tool.__name__,
            description=tool.__doc__,
            annotations=ToolAnnotations(readOnlyHint=True, destructiveHint=False, openWorldHint=False),
            structured_output=False,
        )(told(tool))
    return made


def _rows(table: Any, **wanted: str) -> list[dict[str, Any]]:
    for column, value in wanted.items():
        if not value:
            continue
        known = sorted(table[column].dropna().unique())
        if value not in known:
            raise ConfigurationError(
                f"there is no {column} '{value}'",
                remedy=f"{did_you_mean(value, known)}There are {', '.join(known)}.",
            )
        table = table[table[column] == value]
    return [_known(row) for row in table.to_dict("records")]


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    import pandas as pd

    return {key: value for key, value in row.items() if not pd.isna(value)}

"""The manifest of a bundle: what it is, what it was made from, what it takes, and the hash of every file."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medanomaly.core.errors import BundleError

FORMAT_VERSION = 2
# every bundle says these; a kind adds what it needs to open itself again
REQUIRED = {"kind": str, "name": str, "modality": str}


@dataclass(frozen=True)
class Manifest(Mapping[str, Any]):
    """JSON entries of a manifest. What every bundle has are attributes, what only a kind has is read by its name.

    Attributes:
        entries: JSON types only.
    """

    entries: Mapping[str, Any]

    def __post_init__(self):
        for name, of in REQUIRED.items():
            if not isinstance(self.entries.get(name), of):
                raise BundleError(
                    f"the manifest says '{name}' as {self.entries.get(name)!r}",
                    remedy="Train the model again.",
                )

    def __getitem__(self, name: str) -> Any:
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.entries) | dict(other)

    @property
    def kind(self) -> str:
        """Name of the kind of model."""
        return self.entries["kind"]

    @property
    def name(self) -> str:
        """Name of the model, which is that of its block of parameters."""
        return self.entries["name"]

    @property
    def modality(self) -> str:
        """What it scores: ``tabular``, ``signals``, ``imaging``, ``diagnosis``, or one of these with ``_risk``."""
        return self.entries["modality"]

    @property
    def options(self) -> Mapping[str, Any]:
        """How it was made; empty where nothing was set."""
        return self.entries.get("options", {})

    @property
    def training_data(self) -> Mapping[str, Any]:
        """Counts, and the fingerprint of the training data."""
        return self.entries.get("training_data", {})

    @property
    def input_contract(self) -> Any:
        """What it takes: one entry per feature with unit and usual range, or a description."""
        return self.entries.get("input_contract", {})

    @property
    def thresholds(self) -> Mapping[str, Any]:
        """``alpha``, and the score above which a case is flagged at it: of bundles of earlier versions, and in cards."""
        return self.entries.get("thresholds", {})

    @property
    def sha256(self) -> Mapping[str, str]:
        """Hash of every file of the bundle."""
        return self.entries.get("sha256", {})


def require_kind(manifest: Manifest, known: Collection[str], wanted: str) -> None:
    """Refuse a bundle of another kind.

    Args:
        manifest: of the bundle.
        known: names of kinds that will do.
        wanted: what they are, in words.

    Raises:
        BundleError: the bundle is of none of them.
    """
    if manifest.kind not in known:
        raise BundleError(
            f"'{manifest.name}' is a bundle of kind '{manifest.kind}' ({manifest.modality})",
            remedy=f"Expected {wanted}.",
        )


def from_version_1(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of a manifest of the format before, which did not say its kind; that format is read for one version.

    Raises:
        BundleError: nothing in it tells the kind.
    """
    detector = entries.get("detector")
    if entries.get("modality") == "tabular_risk":
        kind = "tabular_risk"
    elif entries.get("modality") == "imaging_risk":
        kind = f"image_{detector}"
    elif "populations" in entries:
        kind = "table_recipe"
    else:
        kind = "lbe" if detector == "log band energies" else detector
    if not kind:
        raise BundleError(
            "the manifest does not tell what kind of model this is", remedy="Train the model again."
        )
    members = {"members": str(detector).split(" + ")} if kind == "tabular_risk" else {}
    return {name: value for name, value in entries.items() if name != "detector"} | {"kind": kind} | members

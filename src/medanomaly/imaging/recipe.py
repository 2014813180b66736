"""The recipe of images: a file, its bytes, an array or a folder to images under the input contract of training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.errors import DataNotFoundError, InputError, MedanomalyError
from medanomaly.core.models import ModelInput
from medanomaly.core.recipe import FINDING_COLUMNS, REFUSED_COLUMNS, ReadCases, text_rows
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.imaging.sources.manifest import ImageSource
from medanomaly.imaging.sources.raw_image import DICOM_SUFFIXES, SUFFIXES, RawImage, decode
from medanomaly.imaging.sources.readers import LARGEST_FILE

UNNAMED = "image"


def image_recipe(params: ImageParams, stamp: Mapping[str, Any]) -> Bundle:
    """Seal how images are decoded and prepared; ``stamp`` says data set, version, time, libraries."""
    about = {"contract": params.contract.model_dump(mode="json"), "dtype": params.dtype}
    return make_bundle(
        {"kind": "image_recipe", "name": "recipe", "modality": "imaging"} | about | dict(stamp), {}
    )


class ImageRecipe:
    """How images are decoded and prepared.

    Args:
        bundle: of kind ``image_recipe``.
    """

    noun = "image"

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.contract = InputContract.model_validate(bundle.manifest["contract"])
        self.dtype = bundle.manifest["dtype"]

    def takes(self, raw: Any) -> int:
        """Bytes, an image as an array, a source of images, or the path of an image or of a folder of some."""
        if isinstance(raw, (str, Path)):
            path = Path(raw)
            if path.is_dir():
                return any(file.suffix.lower() in (*SUFFIXES, *DICOM_SUFFIXES) for file in path.rglob("*"))
            return path.suffix.lower() in (*SUFFIXES, *DICOM_SUFFIXES)
        if isinstance(raw, np.ndarray):
            return raw.ndim == 3 or (
                raw.ndim == 2 and min(raw.shape) > 8 and max(raw.shape) <= 20 * min(raw.shape)
            )
        return isinstance(raw, (bytes, ImageSource))

    def read(self, raw: Any, *, name: str | None = None) -> ReadCases:
        """Images under the contract; an image that cannot be read is refused.

        Args:
            raw: the path of a file or a folder, the bytes of a file, an array (H, W) or (n, H, W) of uint8 or of floats in
                [0, 1], several of these, a mapping of names to such, or a source of images.
            name: of the case, for bytes and arrays.
        """
        ids, images, sizes, refused, found = [], [], [], [], []
        for case, load in self._each(raw, name):
            try:
                decoded = load()
                images.append(self._stored(self.contract.prepare(decoded.pixels)))
                sizes.append(decoded.pixels.shape[::-1])
            except MedanomalyError as error:
                refused.append((case, error.problem))
                continue
            except Exception as error:  # memory that one image needs included
                refused.append(
                    (case, f"cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}")
                )
                continue
            ids.append(case)
            found += [
                (case, "", "", "image", f"images {note}", "") for note in decoded.attributes.get("notes", ())
            ]
        cases = pd.DataFrame({"case_id": ids, "patient_id": ids}, dtype="string")
        size = self.contract.size
        stack = np.stack(images) if images else np.zeros((0, size, size), dtype=np.float32)
        width, height = np.array(sizes, dtype=np.int64).reshape(-1, 2).T
        aspect = width / height
        about = {"contract": self.contract, "width": width, "height": height}

        def facts(rows: np.ndarray) -> pd.DataFrame:
            from medanomaly.imaging.lbe.acquisition import image_facts

            return image_facts(stack[rows], aspect[rows])

        return ReadCases(
            cases=cases,
            inputs={"images": ModelInput(cases, stack, about, facts)} if images else {},
            findings=text_rows(found, FINDING_COLUMNS),
            refused=text_rows(refused, REFUSED_COLUMNS),
            # files say nothing of patients
            named=False,
        )

    @staticmethod
    def files(folder: Path) -> dict[str, Path]:
        """Name of a case -> its file, for every file below a folder.

        Raises:
            DataNotFoundError: there is none.
        """
        found = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
        if not found:
            raise DataNotFoundError(
                "there is no file in the folder", source=folder, remedy="Give a folder of images."
            )
        return {file.relative_to(folder).as_posix(): file for file in found}

    def _stored(self, image: np.ndarray) -> np.ndarray:
        """The image as the store of training keeps it."""
        if self.dtype == "uint8":
            return np.round(image * np.float32(255)).astype(np.uint8).astype(np.float32) / np.float32(255)
        return image.astype(np.float32)

    def _each(self, raw: Any, name: str | None):
        if isinstance(raw, ImageSource):
            for case, path in zip(raw.manifest["case_id"], raw.manifest["path"], strict=True):
                yield str(case), lambda path=path: raw.reader.decode(raw.reader.content(path), path)
        elif isinstance(raw, Mapping):
            for case, one in raw.items():
                for _, load in self._each(one, case):
                    yield case, load
        elif isinstance(raw, (str, Path)) and Path(raw).is_dir():
            yield from self._each(self.files(Path(raw)), None)
        elif isinstance(raw, (str, Path)):
            file = Path(raw)
            if not file.is_file():
                raise DataNotFoundError(
                    "there is no such file", source=file, remedy="Give the path of an image."
                )
            yield name or file.name, lambda: decode(_content(file), file.name)
        elif isinstance(raw, bytes):
            yield name or UNNAMED, lambda: decode(raw, name or UNNAMED)
        elif isinstance(raw, np.ndarray) and raw.ndim == 3:
            for i, image in enumerate(raw, start=1):
                yield f"{name or UNNAMED} {i}", lambda image=image: _grey(image)
        elif isinstance(raw, Sequence) and raw:
            for i, one in enumerate(raw, start=1):
                for case, load in self._each(one, None):
                    yield (case if isinstance(one, (str, Path)) else f"{name or UNNAMED} {i}"), load
        else:
            yield name or UNNAMED, lambda: _grey(np.asarray(raw))


def _content(file: Path) -> bytes:
    size = file.stat().st_size
    if size > LARGEST_FILE:
        raise InputError(f"a file of {size / 2**20:.0f} MiB is too large for an image", source=file.name)
    return file.read_bytes()


def _grey(image: np.ndarray) -> RawImage:
    """8-bit grey values, or values in [0, 1], which the contract checks."""
    if image.dtype == np.uint8:
        return RawImage(image.astype(np.float32) / np.float32(255))
    if not np.issubdtype(image.dtype, np.floating):
        raise InputError(f"an image of type {image.dtype}", remedy="Give uint8, or floats in [0, 1].")
    return RawImage(image.astype(np.float32))

"""A store of prepared images: one memory-mapped array, built once; it may be larger than memory.

The folder holds ``images.npy`` (n, size, size), ``index.parquet`` and ``store.json`` (contract, fingerprint). The index has
one row per image: path, stamp, SHA-256 of its bytes, row of the array or the reason why there is none, width, height,
notes. The next call compares only stamps. An image whose stamp differs is hashed, and read again if its bytes differ. Rows
of unchanged images are copied.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.manifest import ImageSource, quarantine_table
from medanomaly.imaging.sources.readers import content_hash

logger = logging.getLogger(__name__)

FORMAT = 2  # goes up where the same file gives other grey values than before
_CHUNK = 256  # images between two reports of progress
# columns of the index besides path and stamp
_NOT_READ = {"sha256": "", "row": -1, "reason": "", "width": 0, "height": 0, "notes": ""}


@dataclass(frozen=True)
class ImageStore:
    """Prepared images with their manifest: row i of one is row i of the other.

    Attributes:
        manifest: of the n images that could be read, with ``width``, ``height`` and ``aspect``.
        images: (n, size, size) memory map, read only; float32 that keeps the contract, or uint8 = round(255 x).
        quarantine: case_id, path, reason of the other images; both add up to the count of the source.
        fingerprint: SHA-256 over contract, paths and the bytes of every image.
        contract: that the images were prepared to.
        n_decoded: images that this call had to decode; 0 if all came from the store.
        notes: sentences about how images were read that a reader of the results should know.
    """

    manifest: pd.DataFrame
    images: np.ndarray
    quarantine: pd.DataFrame
    fingerprint: str
    contract: InputContract
    n_decoded: int
    notes: tuple[str, ...] = ()

    def batch(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), size, size) float32 that keeps the contract, in memory."""
        taken = self.images[rows]
        return taken.astype(np.float32) / np.float32(255) if taken.dtype == np.uint8 else np.asarray(taken)


def open_store(
    source: ImageSource,
    contract: InputContract,
    folder: str | Path,
    *,
    dtype: Literal["float32", "uint8"] = "float32",
    verify: Literal["stamp", "content"] = "stamp",
    threads: int = 4,
) -> ImageStore:
    """Open the store of a source. It is built or repaired first if images are new or changed.

    Args:
        source: manifest and reader.
        contract: that the images are prepared to.
        folder: of the store; it must be empty, absent, or a store.
        dtype: ``uint8`` needs a quarter of the space and rounds to 1/255; not for z-scores.
        verify: ``content`` hashes every image; ``stamp`` trusts size and time.
        threads: number of images that are fetched and decoded at the same time.

    Raises:
        InputError: no image could be read, the folder holds other files, or uint8 is requested for z-scores.
    """
    if dtype == "uint8" and contract.contrast == "zscore":
        raise InputError("z-scores do not fit into bytes", remedy="Set dtype to 'float32'.")
    folder = Path(folder)
    old, old_images = _read(folder, contract, dtype)
    index, jobs = _compare(source, old, verify, threads)
    unchanged = old is not None and not jobs and index["path"].tolist() == old["path"].tolist()
    if not unchanged:
        index = _build(source, contract, folder, dtype, index, jobs, old_images, threads)
    elif index["stamp"].tolist() != old["stamp"].tolist():
        index.to_parquet(folder / "index.parquet")
    del old_images
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    good = (index["row"] >= 0).to_numpy()
    manifest = source.manifest[good].reset_index(drop=True)
    size = index.loc[good, ["width", "height"]].reset_index(drop=True).astype("int64")
    manifest = manifest.assign(**size, aspect=size["width"] / size["height"])
    bad = source.manifest[~good]
    rows = list(zip(bad["case_id"], bad["path"], index.loc[~good, "reason"], strict=True))
    return ImageStore(
        manifest,
        images,
        pd.concat([source.quarantine, quarantine_table(rows)], ignore_index=True),
        _fingerprint(contract, dtype, index),
        contract,
        len(jobs),
        _notes(index.loc[good, "notes"]),
    )


def _notes(of_images: pd.Series) -> tuple[str, ...]:
    """One sentence per note that images have, with their number."""
    counts = of_images[of_images != ""].str.split("\n").explode().value_counts()
    return tuple(f"{number} images {note}." for note, number in counts.items())


def _fingerprint(contract: InputContract, dtype: str, index: pd.DataFrame) -> str:
    digest = hashlib.sha256(_identity(contract, dtype).encode())
    for path, content in zip(index["path"], index["sha256"], strict=True):
        digest.update(f"{path}\0{content}\n".encode())
    return digest.hexdigest()


def _identity(contract: InputContract, dtype: str) -> str:
    return json.dumps({"format": FORMAT, "contract": contract.model_dump(), "dtype": dtype}, sort_keys=True)


def _read(folder: Path, contract: InputContract, dtype: str) -> tuple[pd.DataFrame | None, np.ndarray | None]:
    """Index and images of an earlier call; (None, None) if they are absent or were made with other settings."""
    # desktops leave hidden files such as .DS_Store in every folder that they show
    if not folder.exists() or all(file.name.startswith(".") for file in folder.iterdir()):
        return None, None
    described = folder / "store.json"
    if not described.exists():
        raise InputError(
            "the folder holds files that are not a store", remedy="Name an empty folder.", source=folder
        )
    try:
        if described.read_text("utf-8") != _identity(contract, dtype):
            return None, None
        index = pd.read_parquet(folder / "index.parquet")
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        logger.warning("%s is damaged and is built again: %s", folder, error)
        return None, None
    return (index, images) if len(images) == (index["row"] >= 0).sum() else (None, None)


def _compare(source: ImageSource, old: pd.DataFrame | None, verify: str, threads: int):
    """The new index, filled with what is known, and the numbers of the images that have to be decoded."""
    paths = source.manifest["path"].tolist()
    index = pd.DataFrame({"path": paths})
    with ThreadPoolExecutor(threads) as pool:
        index["stamp"] = list(pool.map(lambda p: _quietly(source.reader.stamp, p), paths))
        if old is None:
            return index.assign(**_NOT_READ), list(range(len(paths)))
        known = old.drop_duplicates("path").set_index("path").reindex(paths).reset_index(drop=True)
        doubtful = (known["stamp"] != index["stamp"]).to_numpy() | (verify == "content") | known["row"].isna()
        doubtful |= (index["stamp"] == "").to_numpy()
        numbers = np.flatnonzero(doubtful)

        def hashed(number: int) -> str:
            content = _quietly(source.reader.content, paths[number])
            return content_hash(content) if content else ""

        now = dict(zip(numbers, pool.map(hashed, numbers), strict=True))
    jobs = [int(i) for i in numbers if not now[i] or known["sha256"].iloc[i] != now[i]]
    index = index.join(known.fillna(_NOT_READ)[list(_NOT_READ)])
    return index.astype({"row": "int64", "width": "int64", "height": "int64"}), jobs


def _quietly(call, path: str):
    """The result, or "" if the file cannot be read: the decoding step then says why."""
    try:
        return call(path)
    except Exception:
        return ""


def _decode(source: ImageSource, contract: InputContract, path: str):
    """(sha256, prepared image or None, reason, width, height, notes) of one image."""
    digest = ""
    try:
        content = source.reader.content(path)
        digest = content_hash(content)
        raw = source.reader.decode(content, path)
        height, width = raw.pixels.shape
        notes = "\n".join(raw.attributes.get("notes", ()))
        return digest, contract.prepare(raw.pixels), "", width, height, notes
    except MedanomalyError as error:
        return digest, None, error.problem, 0, 0, ""
    # whatever is wrong with one image, memory that it needs included, costs only this image
    except Exception as error:
        # without the path, which may name a person
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return digest, None, f"cannot be read: {words}", 0, 0, ""


def _build(source, contract, folder, dtype, index, jobs, old_images, threads) -> pd.DataFrame:
    """Write a new store next to the old one, then replace the old one; returns the new index."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        shape = (contract.size, contract.size)
        index, wanted, keep = index.copy(), set(jobs), index["row"].to_numpy().copy()
        # unreadable images take no row; the unused rows are cut off at the end
        array = np.lib.format.open_memmap(
            building / "all.npy", mode="w+", dtype=dtype, shape=(len(index), *shape)
        )
        taken, columns = 0, {c: index[c].tolist() for c in _NOT_READ}
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(index), _CHUNK):
                numbers = range(start, min(start + _CHUNK, len(index)))
                chunk = [i for i in numbers if i in wanted]
                paths = [index["path"].iloc[i] for i in chunk]
                decoded = dict(
                    zip(chunk, pool.map(lambda p: _decode(source, contract, p), paths), strict=True)
                )
                for i in numbers:
                    if i in decoded:
                        digest, image, *facts = decoded[i]
                        for name, value in zip(
                            ("sha256", "reason", "width", "height", "notes"), (digest, *facts), strict=True
                        ):
                            columns[name][i] = value
                    else:
                        image = None if keep[i] < 0 else old_images[keep[i]]
                    columns["row"][i] = -1 if image is None else taken
                    if image is not None:
                        fresh = i in decoded and dtype == "uint8"
                        array[taken] = np.rint(image * 255) if fresh else image
                        taken += 1
                if jobs and (start // _CHUNK) % 8 == 7:
                    logger.info("%s: %d of %d images", folder.name, numbers[-1] + 1, len(index))
        if not taken:
            raise InputError(
                f"none of {len(index)} images can be read: {columns['reason'][0]}", source=source.name
            )
        array.flush()
        del array
        _cut(building / "all.npy", building / "images.npy", taken)
        index = index.assign(**columns)
        index.to_parquet(building / "index.parquet")
        (building / "store.json").write_text(_identity(contract, dtype), "utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    logger.info("%s: %d images, %d decoded, %d unreadable", folder.name, taken, len(jobs), len(index) - taken)
    return index


def _cut(path: Path, target: Path, rows: int) -> None:
    """Keep the first rows of an array file."""
    array = np.load(path, mmap_mode="r")
    if len(array) == rows:
        del array
        path.rename(target)
        return
    kept = np.lib.format.open_memmap(target, mode="w+", dtype=array.dtype, shape=(rows, *array.shape[1:]))
    for start in range(0, rows, _CHUNK):
        kept[start : start + _CHUNK] = array[start : min(start + _CHUNK, rows)]
    kept.flush()
    del array, kept
    path.unlink()


def load_masks(
    source: ImageSource, manifest: pd.DataFrame, contract: InputContract
) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the images that have one, in the same geometry.

    Args:
        source: its reader reads the mask paths.
        manifest: n rows of a store.
        contract: of the store.

    Returns:
        ``(masks, known)``: (n, size, size) bool, and (n,) bool that is False where there is no mask, or none that can be
        read: a warning then names the image.

    Raises:
        InputError: a mask has another shape than its image.
    """
    masks = np.zeros((len(manifest), contract.size, contract.size), dtype=bool)
    known = manifest["mask_path"].notna().to_numpy(copy=True)
    for i in np.flatnonzero(known):
        row = manifest.iloc[i]
        try:
            mask = source.reader.decode(source.reader.content(row["mask_path"]), row["mask_path"]).pixels
        # a damaged mask costs only itself
        except Exception as error:
            words = getattr(error, "problem", "") or getattr(error, "strerror", "") or type(error).__name__
            logger.warning("The mask of image %s is not used: %s", row["case_id"], words)
            known[i] = False
            continue
        if mask.shape != (row["height"], row["width"]):
            raise InputError(
                f"a mask of {mask.shape[1]} x {mask.shape[0]} px for an image of {row['width']} x {row['height']} px",
                source=row["mask_path"],
                record=row["case_id"],
            )
        masks[i] = contract.prepare_mask(mask)
    return masks, known

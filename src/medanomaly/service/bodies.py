"""Bodies of requests: JSON without NaN, and uploads whose names are never used on disk."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from medanomaly.service.problems import Problem, invalid, of_validation, too_large
from medanomaly.service.settings import Limits

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
# a whole number beyond it fits into no column, and no measurement is near it; 1e999 is read as infinite
_LARGEST_NUMBER = 2**63
_FIELD_BYTES = 2**16
# a larger body is read in a thread, so that nobody else waits for it
_QUICK_BYTES = 2**18


class Body(BaseModel):
    """A body, or the fields of a form; a name that is not known is an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Options(Body):
    """What may be asked of every modality."""

    models: list[str] | None = Field(
        None, max_length=100, description="Models that are asked; all by default."
    )
    alpha: float | None = Field(None, ge=0, le=1, description="False-alarm rate; that of the run by default.")
    explain: int | None = Field(
        None, ge=0, le=10_000, description="Cases per model that are explained (only /explain)."
    )


AnyBody = TypeVar("AnyBody", bound=BaseModel)


@dataclass(frozen=True)
class File:
    """An uploaded file.

    Attributes:
        content: bytes.
        suffix: of its name, in lower case.
        stem: rest of its name; only compared, never written.
        field: of the form that it came in.
    """

    content: bytes
    suffix: str
    stem: str
    field: str

    @property
    def name(self) -> str:
        """As it was given."""
        return self.stem + self.suffix


def media_type(request: Request) -> str:
    """Of the body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_form(request: Request) -> bool:
    """Whether the body is an upload.

    Raises:
        Problem: it is neither JSON nor an upload.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        return True
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return False
    raise Problem(415, "unsupported-media-type", "Send application/json or multipart/form-data.")


async def read_json(request: Request) -> Any:
    """The body as JSON types; NaN, infinite numbers and text that is no Unicode are refused."""
    if is_form(request):
        raise Problem(415, "unsupported-media-type", "Send application/json.")
    content = await request.body()
    if len(content) > _QUICK_BYTES:
        return await request.app.state.service.workers.run(parsed, content)
    return parsed(content)


def parsed(content: bytes) -> Any:
    """JSON types.

    Raises:
        Problem: 400, where it is no JSON, or holds NaN or text that is no Unicode.
    """
    try:
        found = json.loads(content, parse_constant=_no_constant)
        if b"\\u" in content:
            # half of a pair of surrogates cannot be written again
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise Problem(400, "malformed-json", "The JSON is nested too deeply.") from None
    except ValueError:
        raise Problem(
            400, "malformed-json", "The body is no JSON. Write null for what is missing: JSON has no NaN."
        ) from None
    return found


def _no_constant(_: str) -> None:
    raise ValueError


def checked(model: type[AnyBody], given: Any) -> AnyBody:
    """What was given as a body of this form.

    Raises:
        Problem: 422, without any value.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise of_validation(error, model.model_fields) from None


async def read_form(request: Request, model: type[AnyBody], limits: Limits) -> tuple[AnyBody, list[File]]:
    """Fields and files of an upload. Fields that hold lists are divided at commas."""
    try:
        form = await request.form(max_files=limits.files, max_fields=20, max_part_size=_FIELD_BYTES)
    except Problem:
        raise
    except Exception as error:
        # the parser has errors of several kinds
        raise Problem(
            400, "malformed-upload", f"The upload cannot be read, or has more than {limits.files} files."
        ) from error
    fields: dict[str, Any] = {}
    files = []
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files.append(_file(await value.read(), value.filename or "", name))
            else:
                lists = (
                    "list" in str(model.model_fields[name].annotation)
                    if name in model.model_fields
                    else False
                )
                fields[name] = [part.strip() for part in value.split(",") if part.strip()] if lists else value
    finally:
        await form.close()
    if not files:
        raise invalid("The upload holds no file.")
    # an empty field of a form is one that was left out
    return checked(model, {name: value for name, value in fields.items() if value not in ("", [])}), files


def _file(content: bytes, name: str, field: str) -> File:
    # browsers may send a path, and anybody may send tricks
    plain = re.split(r"[/\\]", name)[-1]
    dot = plain.rfind(".")
    suffix = plain[dot:].lower() if dot >= 0 else ""
    stem = plain[: dot if dot >= 0 else len(plain)]
    return File(content, suffix if _SUFFIX.fullmatch(suffix) else "", stem, field)


def numbers(given: Any, what: str) -> np.ndarray:
    """Nested lists of numbers as float64; null is a missing value.

    Raises:
        Problem: there is text, a truth value or a list of another length among them.
    """
    problem = invalid(f"{what} has to be a list of numbers, or of lists of equal length; null means missing.")
    if not isinstance(given, list) or not given:
        raise problem
    try:
        found = np.asarray(given)
        if found.dtype == object:
            if any(not (x is None or type(x) in (int, float)) for x in found.ravel()):
                raise problem
            found = found.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        raise problem from None
    if found.dtype.kind not in "fiu" or found.ndim > 3 or np.isinf(found).any() or _holds_bool(given):
        raise problem
    return found.astype(np.float64)


def _holds_bool(given: list) -> bool:
    """Numpy takes true for 1 among numbers."""
    return any(_holds_bool(part) if isinstance(part, list) else isinstance(part, bool) for part in given)


def records(given: Any, limits: Limits, what: str = "records") -> list[Mapping[str, Any]]:
    """Records of a table: one mapping, or a list of some.

    Raises:
        Problem: it is something else, or too large.
    """
    rows = [given] if isinstance(given, dict) else given
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise invalid(f"{what} has to be an object, or a list of objects with one value per column.")
    if len(rows) > limits.records:
        raise too_large(f"Give at most {limits.records:,} records.")
    for row in rows:
        if len(row) > limits.columns:
            raise too_large(f"Give at most {limits.columns:,} columns.")
        for name, value in row.items():
            if isinstance(value, (list, dict)):
                raise invalid(f"A value of {what} is a list or an object; give one value per column.")
            if len(name) > limits.text or (isinstance(value, str) and len(value) > limits.text):
                raise too_large(f"Give at most {limits.text:,} characters per value.")
            if type(value) in (int, float) and not -_LARGEST_NUMBER < value < _LARGEST_NUMBER:
                raise invalid(f"A number of {what} is too large; null means missing.")
    if len({name for row in rows for name in row}) > limits.columns:
        raise too_large(f"Give at most {limits.columns:,} columns.")
    return rows

"""Settings of the service: where it listens, who may ask, and how much may be asked."""

import ipaddress
import os
from pathlib import Path

from pydantic import Field

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.params import Params


class Limits(Params):
    """The most that one request may hold.

    Attributes:
        body_bytes: bytes of a body, counted as they arrive.
        read_seconds: time in which the body has to arrive.
        seconds: time in which the answer has to be there.
        files: files of one upload.
        records: records of a table.
        columns: columns of a table.
        text: characters of one value or name.
        pixels: pixels of an image that comes as an array; files may have 50 million.
        images: images of one request.
        samples: samples of a recording, times its leads.
        leads: leads of a recording.
        findings: findings of a patient.
        note: characters of a note.
        explained: cases per model that are explained.
        maps: images whose maps are drawn.
        message_bytes: bytes of one message of a live ECG.
    """

    body_bytes: int = Field(64 * 2**20, gt=0)
    read_seconds: float = Field(30.0, gt=0)
    seconds: float = Field(60.0, gt=0)
    files: int = Field(64, gt=0)
    records: int = Field(10_000, gt=0)
    columns: int = Field(2_000, gt=0)
    text: int = Field(10_000, gt=0)
    pixels: int = Field(25_000_000, gt=0)
    images: int = Field(64, gt=0)
    samples: int = Field(20_000_000, gt=0)
    leads: int = Field(64, gt=0)
    findings: int = Field(1_000, gt=0)
    note: int = Field(100_000, gt=0)
    explained: int = Field(200, gt=0)
    maps: int = Field(8, gt=0)
    message_bytes: int = Field(2**20, gt=0)


class Settings(Params):
    """How the service runs.

    Attributes:
        host: address that it listens on.
        port: of that address.
        keys: file of API keys; None lets everybody ask, which is only allowed on a loopback address.
        hosts: names under which the service is reached, besides its address; ``*`` takes any name.
        workers: threads that score.
        waiting: requests that may wait for a thread; further ones are told to come again.
        streams: live ECGs at a time.
        store: URL of the store of predictions, see ``docs/store.md``; None keeps nothing.
        keep_records: whether the store keeps raw records, which features of a patient's history are made from.
        limits: of one request.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    keys: Path | None = None
    hosts: tuple[str, ...] = ()
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, gt=0)
    waiting: int = Field(32, ge=0)
    streams: int = Field(64, ge=0)
    # it may hold a password
    store: str | None = Field(None, repr=False)
    keep_records: bool = False
    limits: Limits = Limits()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    def check(self) -> None:
        """Refuse to let the network ask without keys, and to keep records nowhere.

        Raises:
            ConfigurationError: the address is not a loopback address, and there are no keys; or records are to be kept, and
                there is no store.
        """
        if not self.loopback and self.keys is None:
            raise ConfigurationError(
                f"'{self.host}' can be reached from other machines, and there are no API keys",
                remedy="Make one with python -m medanomaly.service key FILE NAME and give --keys FILE, "
                "or listen on 127.0.0.1.",
            )
        if self.keep_records and self.store is None:
            raise ConfigurationError(
                "records are to be kept, and there is no store", remedy="Give the URL of a store as well."
            )


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

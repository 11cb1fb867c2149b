"""The lake: Parquet files with a manifest for each part, written and read as wholes; nothing of the database.

A part is a folder, ``candles/symbol=BTC/month=2024-05``. Its ``manifest.json`` says which files belong to it. A file is
named after its content, so a part that is written anew stands beside the old one until its manifest takes the other's
place: whoever is killed in between leaves a whole part.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import polars as pl

from btc_core.errors import LakeError
from btc_core.version import VERSION
from btc_store.lake_places import Place, open_place, parent

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
SCHEMA = 1
_NAME_LENGTH = 16


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A Parquet file.

    Attributes:
        name: In the folder of its part.
        rows: How many it holds.
        bytes: How long it is.
        sha256: Of its bytes.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


class StoredTable(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a table in a part: the files, in order; the first is there where there is no row too."""

    rows: int
    files: list[StoredFile]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a part is.

    Attributes:
        schema: Version of this description.
        kind: ``candles``, ``decisions`` …
        keys: What names the part: ``{"symbol": "BTC", "month": "2024-05"}``.
        first, last: Times of its first and last row; null where there are none.
        states: Of a month of minutes, how many are confirmed, missing …
        digest: Of what was in the database.
        tables: What it holds, by table.
        written_at: When.
        program: Which version of this program wrote it.
    """

    schema: int = SCHEMA
    kind: str
    keys: dict[str, str]
    first: datetime | None = None
    last: datetime | None = None
    states: dict[str, int] = {}
    digest: str
    tables: dict[str, StoredTable]
    written_at: datetime
    program: str = VERSION

    @property
    def folder(self) -> str:
        """Where the part is."""
        return folder_of(self.kind, self.keys)

    @property
    def n_rows(self) -> int:
        """Rows of all its tables."""
        return sum(table.rows for table in self.tables.values())

    @property
    def n_bytes(self) -> int:
        """Length of all its files."""
        return sum(file.bytes for file in self.files())

    @property
    def checksum(self) -> str:
        """Of all its files: of one, its own."""
        sums = [file.sha256 for file in self.files()]
        return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()

    def files(self) -> list[StoredFile]:
        """Return the files of all its tables."""
        return [file for table in self.tables.values() for file in table.files]


class Lake:
    """Parts in a place.

    Args:
        place: Where.
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    def find(self, folders: Sequence[str]) -> list[Manifest | None]:
        """Return the manifests of parts, None where there is none that can be read."""
        found: list[Manifest | None] = []
        for folder, data in zip(folders, self.place.get_all([f"{each}/{MANIFEST}" for each in folders]), strict=True):
            found.append(None)
            if data is not None:
                with suppress(LakeError):
                    found[-1] = _read_manifest(folder, data)
        return found

    def parts(self, kinds: Iterable[str]) -> tuple[list[Manifest], list[str]]:
        """Return the manifests of all parts of some kinds, and sentences about folders that hold none that is whole."""
        manifests: list[Manifest] = []
        faults: list[str] = []
        for kind in kinds:
            paths = self.place.list(kind)
            folders = sorted({parent(path) for path in paths})
            told = self.place.get_all([f"{folder}/{MANIFEST}" for folder in folders])
            for folder, data in zip(folders, told, strict=True):
                if data is None:
                    faults.append(f"{folder}/{MANIFEST} is missing, its data files are there")
                    continue
                try:
                    manifests.append(_read_manifest(folder, data))
                except LakeError as error:
                    faults.append(str(error))
        return manifests, faults

    def write(
        self, manifest: Manifest, tables: Mapping[str, Iterable[pl.DataFrame]], *, time: str | None = None
    ) -> Manifest:
        """Write a part, in the place of the one that may be there; return its manifest with what was written.

        Args:
            manifest: What it is, without its files.
            tables: The rows, in order, by table.
            time: The column of which the manifest tells the first and the last value.

        Raises:
            LakeError: If it cannot be written; then the earlier one is there still.
        """
        stored: dict[str, StoredTable] = {}
        ends: list[Any] = []
        for name, frames in tables.items():
            files: list[StoredFile] = []
            for frame in frames:
                if time is not None and frame.height:
                    ends += [frame[time].min(), frame[time].max()]
                files.append(self._put(manifest.folder, name, frame))
            stored[name] = StoredTable(rows=sum(file.rows for file in files), files=files)
        whole = msgspec.structs.replace(
            manifest, tables=stored, first=min(ends, default=None), last=max(ends, default=None)
        )
        self.place.put(f"{whole.folder}/{MANIFEST}", msgspec.json.format(msgspec.json.encode(whole), indent=2))
        self._tidy(whole.folder, {MANIFEST, *(file.name for file in whole.files())})
        return whole

    def remove(self, folder: str) -> None:
        """Remove a part: its manifest first, so that nobody takes it for damaged files of a whole one."""
        self.place.delete(f"{folder}/{MANIFEST}")
        self._tidy(folder, set())

    def fault(self, manifest: Manifest) -> str | None:
        """Return what is wrong with the files of a part, None where they are as its manifest says."""
        try:
            for file in manifest.files():
                self._get(manifest.folder, file)
        except LakeError as error:
            return str(error)
        return None

    def rows(self, manifest: Manifest, table: str, *, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the rows of a table of a part, file by file.

        Raises:
            LakeError: If a file is not as the manifest says.
        """
        for file in manifest.tables[table].files:
            frame = _parse(f"{manifest.folder}/{file.name}", self._get(manifest.folder, file), columns)
            if frame.height != file.rows:
                raise LakeError(f"{manifest.folder}/{file.name} has {frame.height} rows, its manifest says {file.rows}")
            yield frame

    def local_files(self, manifest: Manifest, table: str) -> list[Path]:
        """Return the files of a table of a part on this machine; what is elsewhere is fetched.

        Raises:
            LakeError: If one of them is not as the manifest says.
        """
        paths: list[Path] = []
        for file in manifest.tables[table].files:
            path = f"{manifest.folder}/{file.name}"
            near = self.place.near(path)
            if near is None or not near.exists() or near.stat().st_size != file.bytes:
                near = self.place.near(path, self._get(manifest.folder, file))
            assert near is not None, "what was fetched is kept"
            paths.append(near)
        return paths

    def _get(self, folder: str, file: StoredFile) -> bytes:
        """Return a file's bytes, as the manifest describes them."""
        path = f"{folder}/{file.name}"
        near = self.place.near(path)
        if near is not None:
            with suppress(OSError):
                data = near.read_bytes()
                if hashlib.sha256(data).hexdigest() == file.sha256:
                    return data
        data = self.place.get(path)
        if data is None:
            raise LakeError(f"{path} is missing, its manifest names it")
        if len(data) != file.bytes:
            raise LakeError(f"{path} is damaged: {len(data):,} bytes, its manifest says {file.bytes:,}")
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise LakeError(f"{path} is damaged: its checksum is not the one in its manifest")
        return data

    def _put(self, folder: str, table: str, frame: pl.DataFrame) -> StoredFile:
        buffer = BytesIO()
        frame.write_parquet(buffer, compression="zstd")
        data = buffer.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        name = f"{table}-{digest[:_NAME_LENGTH]}.parquet"
        self.place.put(f"{folder}/{name}", data)
        return StoredFile(name=name, rows=frame.height, bytes=len(data), sha256=digest)

    def _tidy(self, folder: str, kept: set[str]) -> None:
        """Delete what earlier manifests named, and what somebody left who was killed before there was one."""
        for path in self.place.list(folder):
            if parent(path) == folder and path.rpartition("/")[2] not in kept:
                self.place.delete(path)


def open_lake(address: str, cache: Path) -> Lake:
    """Return the lake at an address (``btc_store.settings.lake_address``).

    Args:
        address: A folder, or an object store's.
        cache: Where what was fetched of an object store is kept.

    Raises:
        LakeError: If the address cannot be used.
    """
    return Lake(open_place(address, cache))


def lake_to_read(address: str, cache: Path) -> Lake | None:
    """Return the lake at an address for whoever can do without: None where it is not there or cannot be used."""
    if "://" not in address and not Path(address).is_dir():
        return None
    try:
        return open_lake(address, cache)
    except LakeError as error:
        logger.warning("lake is not used", extra={"reason": str(error)})
        return None


def folder_of(kind: str, keys: Mapping[str, str]) -> str:
    """Return the folder of a part."""
    return "/".join([kind, *(f"{key}={quote(value, safe='')}" for key, value in keys.items())])


def _read_manifest(folder: str, data: bytes) -> Manifest:
    where = f"{folder}/{MANIFEST}"
    try:
        schema = msgspec.json.decode(data, type=dict[str, object]).get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise LakeError(f"{where} was written by a newer version of the program: update it")
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise LakeError(f"{where} is damaged: {error}") from None
    if manifest.folder != folder:
        raise LakeError(f"{where} is of another part, {manifest.folder}: was it moved?")
    return manifest


def _parse(path: str, data: bytes, columns: Sequence[str] | None) -> pl.DataFrame:
    try:
        return pl.read_parquet(BytesIO(data), columns=None if columns is None else list(columns))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        # Its checksum is right: so it was written.
        raise LakeError(f"{path} is no Parquet file of ours: {' '.join(str(error).split())[:200]}") from None

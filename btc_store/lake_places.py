"""Where a lake is: a folder, or a bucket of an object store. Whole files in and out by their path; nothing of the lake.

A file appears whole or not at all: in a folder under another name first, in an object store by the store's own promise.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from btc_core.errors import LakeError

# So many requests at once: an object store answers each after some 20 ms, and a lake has a manifest for every month.
_AT_ONCE = 16
_TEMPORARY = ".part"
_TIMEOUT, _RETRIES, _RETRY_SECONDS = timedelta(seconds=30), 5, 60


class Place(Protocol):
    """Files by their path below a root, with ``/`` between its parts."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def near_root(self) -> Path:
        """Below which folder of this machine ``near`` finds files."""
        ...

    def get(self, path: str) -> bytes | None:
        """Return a file, None where there is none."""
        ...

    def get_all(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return many files, in order."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """Write a file, or put it in another one's place."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file; nothing happens where there is none."""
        ...

    def list(self, prefix: str = "") -> list[str]:
        """Return the paths of the files below a folder, sorted."""
        ...

    def near(self, path: str, data: bytes | None = None) -> Path | None:
        """Return where a file whose content never changes is on this machine, with ``data`` put there if it is told."""
        ...


class Folder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.root)

    @property
    def near_root(self) -> Path:
        """The folder."""
        return self.root

    def get(self, path: str) -> bytes | None:
        """Return a file, None where there is none."""
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(self.name, error) from error

    def get_all(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return many files, in order."""
        return [self.get(path) for path in paths]

    def put(self, path: str, data: bytes) -> None:
        """Write a file beside its place, have the disk keep it, then put it there."""
        file = self.root / path
        temporary = file.with_name(f".{file.name}.{os.getpid()}{_TEMPORARY}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as opened:
                opened.write(data)
                opened.flush()
                os.fsync(opened.fileno())
            temporary.replace(file)
            _sync(file.parent)
        except OSError as error:
            raise LakeError(
                f"the lake {self.name} cannot be written: {error.strerror or error}. Make room there, or point "
                "BTC_LAKE or --lake at another place; what was there is still there"
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        """Remove a file, and folders that are empty then."""
        file = self.root / path
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise _unreadable(self.name, error) from error
        with suppress(OSError):
            for folder in file.parents:
                if folder == self.root:
                    return
                folder.rmdir()

    def list(self, prefix: str = "") -> list[str]:
        """Return the paths of the files below a folder, sorted; what is being written is none yet."""
        folder = self.root / prefix
        try:
            files = [file for file in folder.rglob("*") if file.is_file() and not file.name.endswith(_TEMPORARY)]
        except OSError as error:
            raise _unreadable(self.name, error) from error
        return sorted(file.relative_to(self.root).as_posix() for file in files)

    def near(self, path: str, data: bytes | None = None) -> Path | None:  # noqa: ARG002  # it is here already
        """Return where a file is."""
        return self.root / path


class ObjectStore:
    """A bucket, or a prefix in one: s3, gs, az. Credentials are where the store's own tools look for them.

    Args:
        url: Of the place: ``s3://bucket/prefix``.
        cache: A folder of this machine that keeps what was fetched.
    """

    def __init__(self, url: str, cache: Path) -> None:
        import obstore.store
        from obstore.exceptions import BaseError

        self._url, self._cache = url, Folder(cache)
        options: Any = {"timeout": _TIMEOUT, "connect_timeout": _TIMEOUT / 3}
        # An endpoint without TLS is somebody's own: it is allowed where AWS_ENDPOINT says http.
        options["allow_http"] = True
        retry: Any = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
        try:
            self._store: Any = obstore.store.from_url(url, client_options=options, retry_config=retry)
        except (BaseError, ValueError) as error:
            raise _unreadable(self.name, error) from error

    @property
    def name(self) -> str:
        """The address."""
        return self._url

    @property
    def near_root(self) -> Path:
        """The folder that keeps what was fetched."""
        return self._cache.root

    def get(self, path: str) -> bytes | None:
        """Return a file, None where there is none."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            return bytes(obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unreadable(self.name, error) from error

    def get_all(self, paths: Sequence[str]) -> list[bytes | None]:
        """Return many files, in order, several at once."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self.get, paths))

    def put(self, path: str, data: bytes) -> None:
        """Write a file, or put it in another one's place."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            obstore.put(self._store, path, data)
        except (BaseError, OSError) as error:
            raise _unreadable(self.name, error) from error

    def delete(self, path: str) -> None:
        """Remove a file; nothing happens where there is none."""
        import obstore
        from obstore.exceptions import BaseError

        with suppress(FileNotFoundError):
            try:
                obstore.delete(self._store, path)
            except (BaseError, OSError) as error:
                if isinstance(error, FileNotFoundError):
                    raise
                raise _unreadable(self.name, error) from error

    def list(self, prefix: str = "") -> list[str]:
        """Return the paths of the files below a folder, sorted."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            found = obstore.list(self._store, prefix or None).collect()
        except (BaseError, OSError) as error:
            raise _unreadable(self.name, error) from error
        return sorted(str(each["path"]) for each in found)

    def near(self, path: str, data: bytes | None = None) -> Path | None:
        """Return where a fetched file is kept, None where it is not."""
        file = self._cache.root / path
        if data is not None:
            self._cache.put(path, data)
        return file if file.exists() else None


def open_place(address: str, cache: Path) -> Place:
    """Return the place that an address names: of an object store where it has a scheme, else a folder."""
    return ObjectStore(address, cache) if "://" in address else Folder(Path(address))


def parent(path: str) -> str:
    """Return the folder of a path."""
    return PurePosixPath(path).parent.as_posix()


def _sync(folder: Path) -> None:
    """Have the disk keep a folder's names: after a power cut a file is there under its own."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unreadable(name: str, error: Exception) -> LakeError:
    """Return the sentence for a place that does not answer; an object store's own words are long."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    shown = text if len(text) <= 200 else f"{text[:200]}…"
    return LakeError(
        f"the lake {name} cannot be used: {shown}. Check BTC_LAKE or --lake, the credentials in the environment, and "
        "whether it can be reached"
    )

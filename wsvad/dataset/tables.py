"""Export a published data set to other programs: as files, Arrow, pandas or a Ray Dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.dataset.published import read_published
from wsvad.dataset.snapshots import REMEDY, Snapshot, SnapshotObject
from wsvad.errors import DamagedError, UsageError
from wsvad.storage import Store

if TYPE_CHECKING:
    import pandas as pd
    import ray.data

_READERS = 8


class PublishedTables:
    """The rows of a snapshot, for programs outside of this package.

    Every object is verified by its digest, except by :meth:`files`, which only returns file names.
    """

    store: Store
    snapshot: Snapshot
    rows_are: ClassVar[str] = "rows"
    """Name of the rows in messages."""

    @property
    def uri(self) -> str:
        """Root of the data set."""
        return self.store.uri

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the configuration that made the rows."""
        return self.snapshot.fingerprint

    @property
    def config(self) -> dict[str, Any]:
        """Configuration that made the rows, as returned by its ``to_dict()``."""
        return self.snapshot.config

    def files(self, video_ids: Iterable[str] | None = None) -> list[str]:
        """Return the Parquet files of the snapshot: paths of a local data set, otherwise URIs.

        For DuckDB (``read_parquet``), Polars (``scan_parquet``) and Spark. A later run may replace some of the files,
        and ``wsvad verify --collect`` deletes those that no recent snapshot references.

        Args:
            video_ids: videos to include, default all. In event data sets: names of units, ``day/camera``.

        Raises:
            UsageError: there is no such video.
        """
        uris = [self.store.uri_of(o.key) for o in self._objects(video_ids)]
        return [url2pathname(uri.removeprefix("file://")) if uri.startswith("file://") else uri for uri in uris]

    def to_arrow(self, columns: Sequence[str] | None = None, video_ids: Iterable[str] | None = None) -> pa.Table:
        """Return the rows as one Arrow table, ordered by video and clip.

        Args:
            columns: names of columns, in this order; default all.
            video_ids: videos to include, default all. In event data sets: names of units, ``day/camera``.

        Raises:
            UsageError: there is no such video or column.
            DamagedError: an object is missing or damaged.
        """

        def read(described: SnapshotObject) -> pa.Table:
            return _read_table(self.store, self.snapshot, self.rows_are, described, columns)

        with ThreadPoolExecutor(_READERS) as pool:
            tables = list(pool.map(read, self._objects(video_ids)))
        if not tables:
            raise UsageError(f"snapshot {self.snapshot.number} of {self.store.uri} holds no {self.rows_are}")
        return pa.concat_tables([table.replace_schema_metadata() for table in tables])

    def to_pandas(self, columns: Sequence[str] | None = None, video_ids: Iterable[str] | None = None) -> pd.DataFrame:
        """Return the rows as a data frame, tensors as arrays in cells. Arguments and errors: :meth:`to_arrow`."""
        table = self.to_arrow(columns, video_ids)
        tensors = {field.name for field in table.schema if isinstance(field.type, pa.FixedShapeTensorType)}
        frame = table.drop_columns(sorted(tensors)).to_pandas() if tensors else table.to_pandas()
        for position, name in enumerate(table.column_names):
            if name in tensors:
                frame.insert(position, name, list(_tensor(table, name)))
        return frame

    def to_ray(
        self, columns: Sequence[str] | None = None, video_ids: Iterable[str] | None = None, **options: Any
    ) -> ray.data.Dataset:
        """Return the rows as a Ray Dataset that workers read one object at a time. Tensor columns stay tensors.

        Args:
            columns: names of columns; default all.
            video_ids: videos to include, default all. In event data sets: names of units, ``day/camera``.
            options: arguments of ``map_batches``, e.g. ``concurrency``.

        Raises:
            UsageError: there is no such video. Damage is detected by the workers.
        """
        import ray.data

        chosen = None if columns is None else list(columns)
        reader = _Reader(self.store, self.snapshot, self.rows_are, chosen)
        items = [asdict(o) for o in self._objects(video_ids)]  # each task gets its own object, not the whole snapshot
        return ray.data.from_items(items).map_batches(reader, batch_size=1, batch_format="numpy", **options)

    def _objects(self, video_ids: Iterable[str] | None) -> list[SnapshotObject]:
        """Return the objects of these videos that have rows, ordered by video and clip."""
        if video_ids is None:
            found = [o for o in self.snapshot.objects if o.rows]
        else:
            wanted = list(video_ids)
            entries = self.snapshot.of(wanted)
            unknown = sorted(set(wanted) - entries.keys())
            if unknown:
                raise UsageError(f"{self.store.uri} has no video {unknown[0]!r:.120}")
            found = [o for entry in entries.values() for o in entry.objects if o.rows]
        return sorted(found, key=lambda o: (o.video_id, o.first_clip))


def _read_table(
    store: Store, snapshot: Snapshot, what: str, described: SnapshotObject, columns: Sequence[str] | None
) -> pa.Table:
    """Return the rows of an object. Raises ``DamagedError``, and ``UsageError`` for an unknown column."""
    data = read_published(store, snapshot, described, what)
    if hashlib.sha256(data).hexdigest() != described.sha256:
        raise DamagedError(f"{store.uri_of(described.key)} does not match its digest in the snapshot; {REMEDY}")
    file = pq.ParquetFile(pa.BufferReader(data))
    names = file.schema_arrow.names
    unknown = [name for name in columns or () if name not in names]
    if unknown:
        raise UsageError(f"{what} have no column {unknown[0]!r}; they have {', '.join(names)}")
    table = file.read(None if columns is None else list(columns))
    return table if columns is None else table.select(list(columns))


class _Reader:
    """Reads objects in a worker."""

    def __init__(self, store: Store, snapshot: Snapshot, what: str, columns: list[str] | None) -> None:
        self._place = store, replace(snapshot, lists=()), what
        self._columns = columns

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        rows = zip(*(batch[f.name].tolist() for f in fields(SnapshotObject)), strict=True)
        for row in rows:
            table = _read_table(*self._place, SnapshotObject(*row), self._columns)
            yield {name: _values(table, name) for name in table.column_names}


def _values(table: pa.Table, name: str) -> Any:
    if isinstance(table.schema.field(name).type, pa.FixedShapeTensorType):
        return _tensor(table, name)
    return table[name].to_numpy()


def _tensor(table: pa.Table, name: str) -> Any:
    """Return a column of tensors as one array with rows as the first dimension."""
    column = table[name].combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return column.to_numpy_ndarray()

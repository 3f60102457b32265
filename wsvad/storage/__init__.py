"""Object storage behind one small interface: local paths, ``file://``, ``s3://`` and further fsspec schemes."""

from wsvad.storage.base import Created, ObjectInfo, Store, StoreOptions, StoreProbe
from wsvad.storage.opening import check_folder, is_absent, open_object, open_store, probe_folder, probe_object
from wsvad.storage.uri import key_problem, normalize_uri

__all__ = [
    "Created",
    "ObjectInfo",
    "Store",
    "StoreOptions",
    "StoreProbe",
    "check_folder",
    "is_absent",
    "key_problem",
    "normalize_uri",
    "open_object",
    "open_store",
    "probe_folder",
    "probe_object",
]

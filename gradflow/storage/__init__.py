"""Recordings on disk: a folder of Parquet parts and one JSON manifest; never pickle.

`recording.json` names every part with its size and checksum, so a part cut short or damaged is found before it is
read. Parts are written under a temporary name and renamed, and the manifest is replaced last: a kill at any moment
leaves a folder that loads, or one without a manifest, which is no recording.
"""

from __future__ import annotations

from gradflow.storage.files import (
    TEMPORARY_SUFFIX,
    anchored,
    for_children,
    is_file,
    is_folder,
    move,
    named,
    write_whole,
)
from gradflow.storage.interchange import from_arrow, from_csv, to_arrow, to_csv
from gradflow.storage.json_files import read_bytes, read_json
from gradflow.storage.locks import LOCK, LOCK_FILES, FileId, InUseError, file_id, held
from gradflow.storage.manifest import (
    MANIFEST,
    UNFINISHED,
    DamagedError,
    StorageError,
    check_json,
    check_meta,
    find,
    is_recording,
    read_manifest,
    write_json,
)
from gradflow.storage.parts import is_own_name, is_part_name
from gradflow.storage.recordings import load, load_one, peek, save
from gradflow.storage.tail import Tail
from gradflow.storage.writer import Writer

__all__ = [
    "LOCK",
    "LOCK_FILES",
    "MANIFEST",
    "TEMPORARY_SUFFIX",
    "UNFINISHED",
    "DamagedError",
    "FileId",
    "InUseError",
    "StorageError",
    "Tail",
    "Writer",
    "anchored",
    "check_json",
    "check_meta",
    "file_id",
    "find",
    "for_children",
    "from_arrow",
    "from_csv",
    "held",
    "is_file",
    "is_folder",
    "is_own_name",
    "is_part_name",
    "is_recording",
    "load",
    "load_one",
    "move",
    "named",
    "peek",
    "read_bytes",
    "read_json",
    "read_manifest",
    "save",
    "to_arrow",
    "to_csv",
    "write_json",
    "write_whole",
]

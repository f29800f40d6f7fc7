"""What a manifest's description may hold, at the ends of each range, and where recordings are found."""

import json
import sys

import pytest

from gradflow.recording import Recording
from gradflow.storage import MANIFEST, StorageError, find, read_manifest, save

MANY = 1_000_000_000_000_000
KEPT = {
    "seed": [0, 2**63 - 1, 1 - 2**63],
    "depth": [0, 1_000_000],
    "n_test": [0, 1, MANY],
    "wall_seconds": [0, -1.5, sys.float_info.max, int(sys.float_info.max)],
    "run": ["", "a"],
    "settings": [{}, {"a": 1}],
    "told_apart": [{}, {"a": "b"}],
    "inputs": [[], ["x"]],
    "unregistered": [{"count": 0, "shapes": []}, {"count": 2, "shapes": [[1], []], "more": 1}],
    "published": [[], [1, "a"]],
    "any other": [True, 1.5, [[]]],
}
LOST = {
    "seed": [2**63, -(2**63), True, 1.0, "1"],
    "depth": [-1, 1_000_001, True, 1.0],
    "n_test": [-1, MANY + 1, False],
    "wall_seconds": [10**309, -(10**309), True, "1", []],
    "run": [1, [], {}],
    "settings": [[], "a"],
    "told_apart": [[], {"a": 1}],
    "inputs": [{}, [1], ["x", 1], "x"],
    "unregistered": [
        [], {}, {"count": 1}, {"shapes": []}, {"count": -1, "shapes": []}, {"count": 1, "shapes": [[1], 1]},
        {"count": 1, "shapes": {}},
    ],
    "published": [{}, "a", 1],
}  # fmt: skip


def described(folder, meta):
    whole = {"format": "gradflow-recording", "version": 1, "meta": meta, "parts": []}
    (folder / MANIFEST).write_text(json.dumps(whole))
    return read_manifest(folder)["meta"]


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in KEPT.items() for value in [*values, None]])
def test_a_value_that_rooms_can_use_is_kept(tmp_path, key, value):
    assert described(tmp_path, {key: value}) == {key: value}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in LOST.items() for value in values])
def test_a_value_that_no_room_can_use_is_left_out(tmp_path, key, value):
    assert described(tmp_path, {key: value, "other": 1}) == {"other": 1}


def test_a_recording_under_way_or_set_aside_is_found_by_its_own_name_alone(tmp_path):
    for name in ("b", "a", "unfinished/c", ".half", "d.damaged-1"):
        save(Recording(meta={"run": name}), tmp_path / "sweep" / name)
    assert find([tmp_path / "sweep"]) == [tmp_path / "sweep" / "a", tmp_path / "sweep" / "b"]
    assert find([tmp_path / "sweep" / "unfinished" / "c"]) == [tmp_path / "sweep" / "unfinished" / "c"]
    for name in (".half", "d.damaged-1"):
        with pytest.raises(StorageError, match=r"contains no recording \(no recording.json in it or below\)"):
            find([tmp_path / "sweep" / name])

import copy
import dataclasses
import errno
import hashlib
import json
import math
import os
import pickle

import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

import gradflow
from gradflow.recording import Recording
from gradflow.storage import MANIFEST, DamagedError, StorageError, Writer, find, peek, read_manifest
from gradflow.storage.json_files import MAX_BYTES, read_json
from gradflow.storage.tail import Tail
from gradflow.storage.writer import MERGED


def recording(**meta):
    steps = pd.DataFrame({"step": [0, 1], "loss": [2.5, math.inf], "temperature": [1.0, math.nan]})
    layers = pd.DataFrame(
        {"step": [0, 0], "layer": ["a", "</script><b>"], "grad_norm": [0.0, math.nan], "status": ["measured", "lost"]}
    )
    return Recording(steps=steps, layers=layers, meta={"run": "r", "nested": {"widths": [1, 2]}, **meta})


def same(a, b):
    return a.layers.equals(b.layers) and a.steps.equals(b.steps) and a.meta == b.meta


def test_what_is_saved_is_loaded(tmp_path):
    original = recording()
    assert gradflow.save(original, tmp_path / "r") == tmp_path / "r"
    loaded = gradflow.load(tmp_path / "r")
    assert same(loaded, original)
    assert loaded.skips.empty
    assert loaded.steps.temperature.iloc[0] == 1.0


def test_the_files_are_plain_parquet_and_json(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        "layers-00000.parquet", "recording.json", "steps-00000.parquet",
    ]  # fmt: skip
    assert pd.read_parquet(tmp_path / "r" / "layers-00000.parquet").layer.tolist() == ["a", "</script><b>"]
    assert json.loads((tmp_path / "r" / MANIFEST).read_text())["version"] == 1


def test_saving_again_replaces(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    gradflow.save(recording(seed=7), tmp_path / "r")
    assert gradflow.load(tmp_path / "r").meta["seed"] == 7
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_saving_again_never_touches_other_files(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    (tmp_path / "r" / "report.html").write_text("mine")
    with pytest.raises(StorageError, match=r"contains more than a recording \(report.html\)"):
        gradflow.save(recording(seed=7), tmp_path / "r")
    assert (tmp_path / "r" / "report.html").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_parts_are_appended(tmp_path):
    writer = Writer(tmp_path / "r")
    for step in range(3):
        writer.append("steps", pd.DataFrame({"step": [step], "loss": [float(step)]}))
        writer.commit({"run": "streamed"})
    assert gradflow.load(tmp_path / "r").steps.loss.tolist() == [0.0, 1.0, 2.0]


def write_steps(folder, n):
    """Flush n steps, one a part."""
    writer = Writer(folder)
    for step in range(n):
        writer.append("steps", pd.DataFrame({"step": [step], "loss": [float(step)]}))
        writer.append("layers", pd.DataFrame({"step": [step, step], "layer": ["a", "b"]}))
        writer.commit({"run": "streamed"})
    return writer


@pytest.mark.parametrize(("merged", "n"), [(16, 15), (16, 16), (16, 17), (4, 15), (4, 16), (4, 27)])
def test_many_flushes_are_few_files_and_the_same_rows(tmp_path, monkeypatch, merged, n):
    assert MERGED == 16
    monkeypatch.setattr("gradflow.storage.writer.MERGED", merged)
    write_steps(tmp_path / "r", n)
    loaded = gradflow.load(tmp_path / "r")
    assert loaded.steps.loss.tolist() == [float(step) for step in range(n)]
    assert loaded.layers.step.tolist() == [step for step in range(n) for _ in "ab"]
    assert loaded.layers.layer.tolist() == ["a", "b"] * n
    digits = n % merged + n // merged % merged + n // merged**2  # of n, with as many parts in one as are merged
    files = sorted(path.name for path in (tmp_path / "r").iterdir())
    assert len(files) == 2 * digits + 1, files


def test_a_recording_stays_what_it_was_when_loaded_although_parts_are_merged(tmp_path):
    writer = write_steps(tmp_path / "r", 10)
    early = gradflow.load(tmp_path / "r")
    for step in range(10, 40):
        writer.append("steps", pd.DataFrame({"step": [step], "loss": [float(step)]}))
        writer.commit({"run": "streamed"})
    assert not (tmp_path / "r" / "steps-00000.parquet").exists()
    assert early.steps.step.tolist() == list(range(10))
    assert gradflow.load(tmp_path / "r").steps.step.tolist() == list(range(40))


def test_a_merge_that_fails_loses_nothing(tmp_path, monkeypatch):
    writer = write_steps(tmp_path / "r", 15)
    full = OSError(errno.ENOSPC, "No space left on device")
    writer.append("steps", pd.DataFrame({"step": [15], "loss": [15.0]}))
    with monkeypatch.context() as patched:
        patched.setattr("gradflow.storage.writer.joined", lambda *_: (_ for _ in ()).throw(full))
        writer.commit({"run": "streamed"})
    assert len(read_manifest(tmp_path / "r")["parts"]) == 31
    assert gradflow.load(tmp_path / "r").steps.step.tolist() == list(range(16))
    writer.commit({"run": "streamed"})
    assert len(read_manifest(tmp_path / "r")["parts"]) == 16
    assert gradflow.load(tmp_path / "r").steps.step.tolist() == list(range(16))


def test_a_part_that_a_crash_left_behind_is_not_read_and_does_not_stop_a_save(tmp_path):
    write_steps(tmp_path / "r", 3)
    (tmp_path / "r" / "steps-00003.parquet").write_bytes((tmp_path / "r" / "steps-00000.parquet").read_bytes())
    assert gradflow.load(tmp_path / "r").steps.step.tolist() == [0, 1, 2]
    gradflow.save(recording(), tmp_path / "r")
    assert same(gradflow.load(tmp_path / "r"), recording())


def test_a_manifest_that_is_a_link_is_refused(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    os.replace(tmp_path / "r" / MANIFEST, tmp_path / "elsewhere.json")
    (tmp_path / "r" / MANIFEST).symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(StorageError, match="is a link"):
        gradflow.load(tmp_path / "r")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda part: part.write_bytes(part.read_bytes()[:-1]), "cut short or changed"),
        (lambda part: part.write_bytes(b"x" * part.stat().st_size), "changed, its checksum differs"),
        (lambda part: part.unlink(), "missing"),
    ],
)
def test_damage_is_named_and_set_aside_on_request(tmp_path, damage, reason):
    gradflow.save(recording(), tmp_path / "r")
    part = tmp_path / "r" / "layers-00000.parquet"
    damage(part)
    with pytest.raises(DamagedError, match=f"layers-00000.parquet: {reason}") as caught:
        gradflow.load(tmp_path / "r")
    assert list(caught.value.files) == ["layers-00000.parquet"]
    left = gradflow.load(tmp_path / "r", set_aside=True)
    assert left.layers.empty
    assert left.steps.loss.iloc[0] == 2.5
    assert left.meta["set_aside"] == ["layers-00000.parquet"]
    assert same(gradflow.load(tmp_path / "r"), left)
    assert (tmp_path / "r" / "layers-00000.parquet.damaged").exists() == (reason != "missing")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "it has no recording.json"),
        ("{", "cannot be read"),
        ("[]", "not the manifest of a gradflow recording"),
        ('{"format": "gradflow-recording", "version": 99, "meta": {}, "parts": []}', "format version 99"),
        ('{"format": "gradflow-recording", "version": 1, "meta": {}}', "meta or parts is missing"),
        ('{"format": "gradflow-recording", "version": 1, "meta": {}, "parts": [{}]}', "a part lacks its table"),
    ],
)
def test_no_recording_is_one_clear_line(tmp_path, manifest, message):
    if manifest is not None:
        (tmp_path / MANIFEST).write_text(manifest)
    with pytest.raises(StorageError, match=message) as caught:
        gradflow.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../outside.parquet", "/etc/passwd", "a/b.parquet", "layers.pkl"])
def test_a_part_cannot_lead_out_of_the_folder(tmp_path, name):
    gradflow.save(recording(), tmp_path / "r")
    manifest = json.loads((tmp_path / "r" / MANIFEST).read_text())
    manifest["parts"][0]["file"] = name
    (tmp_path / "r" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match="is damaged: a part is named"):
        gradflow.load(tmp_path / "r")


def test_a_symbolic_link_is_no_part(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    part = tmp_path / "r" / "layers-00000.parquet"
    os.replace(part, tmp_path / "elsewhere.parquet")
    part.symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(DamagedError, match="missing"):
        gradflow.load(tmp_path / "r")


def test_a_pickle_is_never_read(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path}/pwned",))

    gradflow.save(recording(), tmp_path / "r")
    part = tmp_path / "r" / "layers-00000.parquet"
    part.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DamagedError):
        gradflow.load(tmp_path / "r")
    assert not (tmp_path / "pwned").exists()


def test_a_part_that_is_no_parquet_is_damage_although_its_checksum_is_right(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    (tmp_path / "r" / "layers-00000.parquet").write_bytes(b"PAR1 no, not at all PAR1")
    sign_anew(tmp_path / "r")
    loaded = gradflow.load(tmp_path / "r")
    assert loaded.steps.loss.iloc[0] == 2.5
    with pytest.raises(DamagedError, match=r"layers-00000.parquet: it is no Parquet file"):
        _ = loaded.layers


def sign_anew(folder):
    """Write sizes and checksums of what is there, as a stranger could."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for part in manifest["parts"]:
        content = (folder / part["file"]).read_bytes()
        part |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_tables_are_read_when_first_asked_for_and_then_kept(tmp_path):
    original = recording()
    gradflow.save(original, tmp_path / "r")
    loaded = gradflow.load(tmp_path / "r")
    (tmp_path / "r" / "layers-00000.parquet").unlink()
    assert (loaded.name, loaded.meta) == ("r", original.meta)
    steps = loaded.steps
    assert steps.equals(original.steps)
    (tmp_path / "r" / "steps-00000.parquet").unlink()
    assert loaded.steps is steps
    for _ in range(2):
        with pytest.raises(DamagedError, match=r"layers-00000.parquet: missing"):
            _ = loaded.layers


def test_a_folder_of_recordings_is_loaded_as_a_list_of_what_is_read_when_asked_for(tmp_path):
    folder = tmp_path / "sweep"
    for seed in (0, 1, 2):
        one = recording()
        gradflow.save(
            gradflow.Recording(layers=one.layers, steps=one.steps, meta={"seed": seed}), folder / f"runs/{seed}"
        )
    gradflow.save(recording(), folder / "unfinished" / "3" / "recording")
    (folder / "runs" / "2").rename(folder / "runs" / "2.damaged-1")
    found = gradflow.load(folder)
    assert [one.meta["seed"] for one in found] == [0, 1]
    assert found[0].steps.equals(recording().steps)
    part = next((folder / "runs" / "1").glob("layers-*.parquet"))
    whole = part.read_bytes()
    part.write_bytes(whole[:-9] + b"different")
    again = gradflow.load(folder)  # no checksum is made before a table is asked for
    with pytest.raises(DamagedError):
        _ = again[1].layers
    assert again[0].layers.equals(recording().layers)
    part.write_bytes(whole[:-9])
    with pytest.raises(DamagedError, match="cut short"):
        gradflow.load(folder)
    assert [one.meta.get("set_aside", []) for one in gradflow.load(folder, set_aside=True)] == [[], [part.name]]
    assert len(gradflow.diagnose(gradflow.load(folder))) > 0


def test_damage_after_loading_is_found_before_rows_are_used(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    loaded = gradflow.load(tmp_path / "r")
    part = tmp_path / "r" / "layers-00000.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(DamagedError, match=r"layers-00000.parquet: changed, its checksum differs"):
        _ = loaded.layers


def test_a_loaded_recording_is_a_value_as_any_other(tmp_path):
    original = recording()
    gradflow.save(original, tmp_path / "r")
    for made in (copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), dataclasses.replace):
        assert same(made(gradflow.load(tmp_path / "r")), original)
    with pytest.raises(dataclasses.FrozenInstanceError):
        gradflow.load(tmp_path / "r").layers = None
    with pytest.raises(AttributeError, match="'Recording' object has no attribute 'layer'"):
        _ = gradflow.load(tmp_path / "r").layer
    assert repr(gradflow.load(tmp_path / "r")) == repr(original)
    gradflow.save(gradflow.load(tmp_path / "r"), tmp_path / "r")  # over the folder that it is still to be read from
    assert same(gradflow.load(tmp_path / "r"), original)


def test_a_peek_finds_what_is_missing_or_cut_short_and_reads_no_checksum(tmp_path):
    original = recording()
    gradflow.save(original, tmp_path / "r")
    assert same(peek(tmp_path / "r"), original)
    part = tmp_path / "r" / "layers-00000.parquet"
    whole = part.read_bytes()
    part.write_bytes(b"x" * len(whole))
    with pytest.raises(DamagedError, match="checksum differs"):
        _ = peek(tmp_path / "r").layers
    part.write_bytes(whole[:-1])
    with pytest.raises(DamagedError, match="cut short"):
        peek(tmp_path / "r")


def test_folders_that_are_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"already holds files \(thesis.txt\)"):
        gradflow.save(recording(), tmp_path)
    with pytest.raises(StorageError, match="cannot write to /proc/nowhere"):
        gradflow.save(recording(), "/proc/nowhere")
    with pytest.raises(TypeError, match="not JSON serializable"):
        gradflow.save(recording(bad=object()), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_find_skips_what_was_set_aside(tmp_path):
    for name in ("b", "a", "c.damaged-1", ".part-1-d"):
        gradflow.save(recording(), tmp_path / name)
    assert find([tmp_path]) == [tmp_path / "a", tmp_path / "b"]
    assert find([tmp_path / "a", tmp_path]) == [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(StorageError, match="is not a directory"):
        find([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match="contains no recording"):
        find([tmp_path / "empty"])


def test_the_last_whole_parts_are_merged_up_to_two_hundred_thousand_rows(tmp_path):
    for rows, n_parts in ((12_500, 1), (12_501, 16)):
        writer = Writer(tmp_path / str(rows))
        for _ in range(16):
            writer.append("steps", pd.DataFrame({"step": range(rows)}))
        writer.commit({})
        assert len(read_manifest(tmp_path / str(rows))["parts"]) == n_parts
        assert writer.rows == {"steps": 16 * rows}


@pytest.mark.parametrize("n", [0, 1, 3, 16, 17, 20])
def test_a_writer_goes_on_after_the_rows_that_it_is_told_to_keep(tmp_path, n):
    write_steps(tmp_path / "r", 20)
    (tmp_path / "r" / "steps-00099.tmp").write_text("half a part")
    (tmp_path / "r" / "notes.txt").write_text("mine")
    writer = Writer(tmp_path / "r", may_continue=True)
    assert writer.is_waiting
    for refused in (lambda: writer.commit({}), lambda: writer.append("steps", pd.DataFrame({"step": [0]}))):
        with pytest.raises(StorageError, match="already holds a recording"):
            refused()
    writer = Writer(tmp_path / "r", may_continue=True)  # that one has let go of the folder
    writer.go_on({"steps": n, "layers": 2 * n, "skips": 0})
    assert not writer.is_waiting
    assert writer.rows == ({"steps": n, "layers": 2 * n} if n else {})
    writer.append("steps", pd.DataFrame({"step": [77], "loss": [7.0]}))
    writer.commit({"run": "streamed"})
    loaded = gradflow.load(tmp_path / "r")
    assert loaded.steps.step.tolist() == [*range(n), 77]
    assert loaded.layers.step.tolist() == [step for step in range(n) for _ in "ab"]
    manifest = read_manifest(tmp_path / "r")
    files = {part["file"] for part in manifest["parts"]} | {MANIFEST, "notes.txt"}
    writer.close()
    assert {path.name for path in (tmp_path / "r").iterdir()} == files
    assert len(files) == len(manifest["parts"]) + 2


def test_a_writer_does_not_go_on_without_all_rows(tmp_path):
    write_steps(tmp_path / "r", 3)
    for rows in ({"steps": 4, "layers": 6}, {"steps": 3, "layers": 6, "skips": 1}):
        with pytest.raises(StorageError, match="holds fewer rows"):
            Writer(tmp_path / "r", may_continue=True).go_on(rows)
    with pytest.raises(StorageError, match="no recording"):
        Writer(tmp_path / "new", may_continue=True).go_on({"steps": 1})
    empty = Writer(tmp_path / "new", may_continue=True)
    empty.go_on({"steps": 0})
    assert not empty.is_waiting
    (tmp_path / "r" / "steps-00001.parquet").write_bytes(b"cut")
    with pytest.raises(DamagedError, match=r"steps-00001.parquet: cut short"):
        Writer(tmp_path / "r", may_continue=True).go_on({"steps": 3, "layers": 6})
    Writer(tmp_path / "r", may_continue=True).go_on({"steps": 1, "layers": 6})  # the damaged part is dropped
    assert gradflow.load(tmp_path / "r").steps.step.tolist() == [0]


def test_a_writer_takes_no_recording_unless_it_may_continue(tmp_path):
    write_steps(tmp_path / "r", 1)
    with pytest.raises(StorageError, match="already holds files"):
        Writer(tmp_path / "r")


def test_an_empty_frame_is_no_part(tmp_path):
    writer = Writer(tmp_path / "r")
    writer.append("steps", pd.DataFrame({"step": []}))
    writer.commit({})
    assert read_manifest(tmp_path / "r")["parts"] == []


def test_what_a_crash_or_damage_left_does_not_stop_a_save(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    for name in ("layers-00000.parquet.damaged", "steps-00001.tmp", "steps-00000-first-3-first-1.parquet"):
        (tmp_path / "r" / name).write_text("left")
    gradflow.save(recording(seed=7), tmp_path / "r")
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        "layers-00000.parquet", "recording.json", "steps-00000.parquet",
    ]  # fmt: skip
    for name in ("steps-1.parquet", "thesis-00001.parquet", "steps-00001.parquet.txt"):
        (tmp_path / "r" / name).write_text("mine")
        with pytest.raises(StorageError, match=rf"contains more than a recording \({name}\)"):
            gradflow.save(recording(), tmp_path / "r")
        (tmp_path / "r" / name).unlink()


def test_a_tail_reads_each_part_once(tmp_path):
    writer = write_steps(tmp_path / "r", 14)
    tail = Tail(tmp_path / "r")
    first = tail.read()
    assert first.steps.step.tolist() == list(range(14))
    assert tail.read() is first
    kept = (tmp_path / "r" / "steps-00003.parquet").read_bytes()
    (tmp_path / "r" / "steps-00003.parquet").unlink()  # has been read
    writer.append("steps", pd.DataFrame({"step": [14], "loss": [14.0]}))
    writer.commit({"run": "renamed"})
    second = tail.read()
    assert (second.steps.step.tolist(), second.meta["run"]) == (list(range(15)), "renamed")
    assert second.layers.layer.tolist() == ["a", "b"] * 14
    (tmp_path / "r" / "steps-00003.parquet").write_bytes(kept)
    writer.append("steps", pd.DataFrame({"step": [15], "loss": [15.0]}))
    writer.commit({"run": "merged"})
    assert not (tmp_path / "r" / "steps-00003.parquet").exists()
    assert tail.read().steps.step.tolist() == list(range(16))
    (tmp_path / "r" / "steps-00016.parquet").unlink()
    assert tail.read().steps.step.tolist() == list(range(16))
    with pytest.raises(DamagedError, match="missing"):
        Tail(tmp_path / "r").read()


def test_a_tail_whose_parts_are_merged_while_it_reads_begins_anew(tmp_path, monkeypatch):
    writer = write_steps(tmp_path / "r", 15)
    stale = [read_manifest(tmp_path / "r")]
    writer.append("steps", pd.DataFrame({"step": [15], "loss": [15.0]}))
    writer.commit({"run": "streamed"})
    current = read_manifest(tmp_path / "r")
    monkeypatch.setattr("gradflow.storage.tail.read_manifest", lambda _: stale.pop() if stale else current)
    assert Tail(tmp_path / "r").read().steps.step.tolist() == list(range(16))


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (pyarrow.table({"step": [0, 1, 2], "layer": list("abc")}), "it holds 3 rows instead of 2"),
        (pyarrow.table([[0, 1], [0, 1]], names=["step", "step"]), "two of its columns have one name"),
        (pyarrow.table({"step": [[0], [1]]}), "its column 'step' holds list"),
        (pyarrow.table({"step": [b"0", b"1"]}), "its column 'step' holds binary"),
        (pyarrow.table({"layer": pyarrow.array([b"a", b"b"]).dictionary_encode()}), "'layer' holds dictionary"),
    ],
)
def test_a_table_that_is_not_plain_is_damage(tmp_path, table, problem):
    gradflow.save(recording(), tmp_path / "r")
    parquet.write_table(table, tmp_path / "r" / "layers-00000.parquet")
    sign_anew(tmp_path / "r")
    with pytest.raises(DamagedError, match=problem):
        _ = gradflow.load(tmp_path / "r").layers


def test_plain_columns_of_every_kind_are_read(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    columns = {
        "step": pyarrow.array([0, 1], pyarrow.int32()),
        "layer": pyarrow.array(["a", "b"]).dictionary_encode(),
        "weighted": [True, False],
        "grad_norm": pyarrow.array([0.5, 1.5], pyarrow.float32()),
        "kind": pyarrow.array(["Linear"] * 2, pyarrow.large_string()),
        "nothing": pyarrow.nulls(2),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "r" / "layers-00000.parquet")
    sign_anew(tmp_path / "r")
    layers = gradflow.load(tmp_path / "r").layers
    assert layers[["step", "layer", "grad_norm", "kind"]].to_dict("list") == {
        "step": [0, 1], "layer": ["a", "b"], "grad_norm": [0.5, 1.5], "kind": ["Linear", "Linear"],
    }  # fmt: skip


PART = {"table": "steps", "file": "steps-00000.parquet", "rows": 1, "bytes": 1, "sha256": "0"}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"format": "other"}, "is not the manifest of a gradflow recording"),
        ({"version": "1"}, "format version '1'"),
        ({"version": 2}, "format version 2"),
        ({"meta": []}, "meta or parts is missing"),
        ({"parts": {}}, "meta or parts is missing"),
        ({"parts": [[]]}, "a part lacks its table"),
        *(({"parts": [{key: PART[key] for key in PART if key != left_out}]}, "a part lacks") for left_out in PART),
        ({"parts": [PART | {"rows": "1"}]}, "a part has '1' rows"),
        ({"parts": [PART | {"file": 3}]}, "a part is named 3"),
    ],
)
def test_a_manifest_that_is_wrong_says_where(tmp_path, changed, problem):
    whole = {"format": "gradflow-recording", "version": 1, "meta": {}, "parts": []}
    (tmp_path / MANIFEST).write_text(json.dumps(whole | changed))
    with pytest.raises(StorageError, match=problem):
        read_manifest(tmp_path)


def test_a_description_keeps_what_is_of_the_type_that_it_is_taken_for(tmp_path):
    kept = {"run": "a", "depth": 56, "settings": {}, "published": [], "seed": None}
    kept |= {"wall_seconds": 1, "recorded_seconds": 1.5}
    lost = {"family": 1, "steps": True, "n_test": 10**15 + 1, "n_train": 1.0, "recorder_seconds": True, "label": []}
    lost |= {"constant_error": math.inf, "certain_loss": "1", "versions": [], "set_aside": {}}
    other = {"anything": [True, {"at": "all"}]}
    whole = {"format": "gradflow-recording", "version": 1, "meta": kept | lost | other, "parts": []}
    (tmp_path / MANIFEST).write_text(json.dumps(whole))
    assert read_manifest(tmp_path)["meta"] == kept | other


def test_json_of_a_stranger(tmp_path):
    file = tmp_path / "file.json"
    file.write_text('{"a\\ud800": ["\\ud83d\\ude00", "\\uDFFFb", 1]}')
    assert read_json(file) == {"a\ufffd": ["\U0001f600", "\ufffdb", 1]}
    file.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(file)
    with pytest.raises(ValueError, match="it is no file"):
        read_json(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is no file"):
        read_json(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none")
    with file.open("wb") as stream:
        stream.write(b'"a"')
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match=f"more than {MAX_BYTES} bytes"):
        read_json(file)
    file.write_bytes(b'"a"'.ljust(MAX_BYTES))
    assert read_json(file) == "a"
    assert MAX_BYTES == 67_108_864


def test_a_part_that_cannot_be_read_is_damage(tmp_path, monkeypatch):
    write_steps(tmp_path / "r", 2)
    loaded = gradflow.load(tmp_path / "r")
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.read_bytes", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output")))
        with pytest.raises(DamagedError, match=r"steps-00000.parquet: changed while it was read"):
            _ = loaded.steps
    assert loaded.steps.step.tolist() == [0, 1]


def test_names_of_parts_set_aside_add_up(tmp_path):
    gradflow.save(recording(), tmp_path / "r")
    for table in ("layers", "steps"):
        (tmp_path / "r" / f"{table}-00000.parquet").write_bytes(b"")
        loaded = gradflow.load(tmp_path / "r", set_aside=True)
    assert loaded.meta["set_aside"] == ["layers-00000.parquet", "steps-00000.parquet"]
    assert (loaded.layers.empty, loaded.steps.empty) == (True, True)

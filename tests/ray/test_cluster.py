"""A sweep on a real Ray cluster of two nodes on loopback, one of which is killed on the way."""

import shutil
import socket

import pytest
from made import broken_run, one_run
from pandas.testing import assert_frame_equal

from gradflow.experiments import PlanError, RunsFailedError, execute, plan
from gradflow.experiments.ray_engine import RayEngine

# Ray 2.60 itself leaves sockets open and warns of its own arguments
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]

SMALL = {"seeds": 1, "widths": (4, 4, 4), "device": "cpu", "steps": 6}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield made
    made.shutdown()


def same_tables(found, wanted):
    assert [one.name for one in found] == [one.name for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert_frame_equal(one.layers, other.layers, check_exact=True)
        assert_frame_equal(one.steps, other.steps, check_exact=True)


def most_at_once(events):
    """The most runs that were started and had not ended at any time."""
    going, most = set(), 0
    for event in events:
        going = going | {event.run} if event.kind == "started" else going
        going = going - {event.run} if event.kind in ("finished", "failed") else going
        most = max(most, len(going))
    return most


def test_a_node_killed_in_mid_sweep_loses_nothing(cluster, tmp_path):
    runs = plan([8, 14], **{**SMALL, "steps": 1000})
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    events, killed = [], []

    def watch(event):
        events.append(event)
        saved = {file.parent for file in (tmp_path / "ray" / "unfinished").glob("*/checkpoint-*.pt")}
        stepping = {one.run for one in events if one.kind == "step"}
        if min(len(saved), len(stepping)) >= 2 and not killed:  # one run on each node is under way and can go on
            killed.append(event)
            cluster.remove_node(second, allow_graceful=False)
            cluster.add_node(num_cpus=1)

    found = execute(runs, out=tmp_path / "ray", engine=RayEngine(cluster.address), on_event=watch, checkpoint_every=0.2)
    assert killed
    started = [event.run for event in events if event.kind == "started"]
    again = [run for run in set(started) if started.count(run) > 1]
    assert len(again) == 1
    assert [event.run for event in events if event.kind == "resumed"] == again
    same_tables(found, execute(runs, out=tmp_path / "local", workers=2))


def test_without_a_shared_folder_runs_go_through_a_store(cluster, tmp_path):
    runs = plan([8], **SMALL)
    store = (tmp_path / "bucket").as_uri()
    found = execute(runs, out=tmp_path / "ray", engine=RayEngine(cluster.address), store=store)
    same_tables(found, execute(runs, out=tmp_path / "local", workers=1))
    assert sorted(path.name for path in (tmp_path / "bucket" / "runs").iterdir()) == sorted(run.id for run in runs)
    shutil.rmtree(tmp_path / "ray")
    events = []
    again = execute(runs, out=tmp_path / "ray", engine=RayEngine(cluster.address), store=store, on_event=events.append)
    assert {event.kind for event in events} == {"skipped"}
    same_tables(again, found)


def test_a_failing_run_costs_itself_alone(cluster, tmp_path):
    runs = [broken_run(), one_run(**{name: SMALL[name] for name in ("widths", "steps")})]
    with pytest.raises(RunsFailedError, match="family must be one of") as caught:
        execute(runs, out=tmp_path / "out", engine=RayEngine(cluster.address))
    assert list(caught.value.failures) == [runs[0].id]
    assert len(caught.value.recordings) == 1


def test_an_unreachable_cluster_is_one_line(tmp_path):
    with pytest.raises(PlanError, match=r"no Ray cluster at address 127\.0\.0\.1:9: Connection refused"):
        execute([one_run()], out=tmp_path / "out", engine=RayEngine("127.0.0.1:9"))
    with pytest.raises(PlanError, match="address must be host:port, auto or local; got 'nowhere'"):
        execute([one_run()], out=tmp_path / "out", engine=RayEngine("nowhere"))


def test_an_open_port_with_no_cluster_behind_it_is_one_line_in_time(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(PlanError, match=f"^no Ray cluster at address {address}: no answer in 10 s\\.$"):
            execute([one_run()], out=tmp_path / "out", engine=RayEngine(address))

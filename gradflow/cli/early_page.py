"""The page of a sweep under way: written by a process beside it whenever all runs of one more seed are done.

`python -m gradflow.cli.early_page` is that process; it needs no torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradflow import storage
from gradflow.notes import annotated
from gradflow.text import current_language, language, text

if TYPE_CHECKING:  # it brings torch
    from gradflow.experiments import Event, Run

ENDED = ("finished", "skipped", "failed")
NICE = 5  # while runs compute; so that the page takes little from them
PAUSE = 4  # times as long as the first page took, before the second; as much more before each further one


class EarlyPages:
    """Writes `report.html` of the runs that are finished, again for each seed, until the last: `note` takes events.

    Where seeds are quick, a page comes for several of them, and more rarely the more there were, so that pages take a
    small part of the processors' time.
    `runs` are all of the sweep, `folder` is the sweep's, `notes` are what the sweep says of itself.
    """

    def __init__(
        self, runs: Sequence[Run], folder: Path, title: str | None, notes: Mapping[str, Any], command: str
    ) -> None:
        self._left = Counter(run.seed for run in runs)
        self._runs, self._finished = len(runs), 0
        self._about = {"title": title, "notes": dict(notes), "command": command}
        self._folder = folder
        self._lock: storage.FileId | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._n_new = 0  # runs that no page shows yet
        self._is_due = False  # of a seed that is complete
        self._n_pages = 0
        self._began = self._took = 0.0  # the last page

    def note(self, event: Event) -> None:
        """Take an event of the sweep."""
        if self._lock is None:  # the sweep holds its folder by now
            self._lock = storage.file_id(self._folder / storage.LOCK)
        if event.kind in ENDED:
            self._left[event.run.seed] -= 1
            self._finished += event.kind != "failed"
            self._n_new += event.kind == "finished"
            self._is_due |= not self._left[event.run.seed] and self._n_new > 0
        # After the last run comes the report itself.
        if self._is_due and any(self._left.values()) and self._may_begin():
            self._begin(nice=NICE)

    def leave(self) -> None:
        """Write a page of what there is, where a sweep is interrupted; a second Ctrl-C ends that too."""
        if self._n_new:
            self.close()
            self._begin(nice=0)
        if self._process is not None:
            self._process.communicate()

    def close(self) -> None:
        """End the process that writes, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _may_begin(self) -> bool:
        """Whether no page is being written, and the last ones have taken little of the time."""
        if self._process is not None:
            if self._process.poll() is None:
                return False
            said, _ = self._process.communicate()
            self._took, self._process = float(said or 0), None
        return time.monotonic() - self._began >= (1 + PAUSE * self._n_pages) * self._took

    def _begin(self, nice: int) -> None:
        done, seeds = sum(not n for n in self._left.values()), len(self._left)
        status = text("progress.so_far", finished=self._finished, runs=self._runs, done=done, seeds=seeds)
        asked = {**self._about, "lock": self._lock, "status": status, "lang": current_language()}
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._n_new, self._is_due, self._began = 0, False, time.monotonic()
        self._n_pages += 1
        with contextlib.suppress(OSError):  # where no process can be started, the page comes at the end
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "gradflow.cli.early_page",
                    str(self._folder.absolute()),
                    json.dumps(asked),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends it
            )
            if nice and hasattr(os, "setpriority"):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, nice)


@contextmanager
def early_pages(pages: EarlyPages) -> Iterator[EarlyPages]:
    """End the writing when the sweep is over; write once more where it is interrupted."""
    try:
        yield pages
    except KeyboardInterrupt:
        pages.leave()
        raise
    finally:
        pages.close()


def main(folder: Path, asked: Mapping[str, Any]) -> None:
    """Write the page into a sweep's folder, unless another folder has its name by now."""
    from gradflow.reporting.page import write_page  # both bring matplotlib, which the sweep itself need not
    from gradflow.reporting.report_data import ReportData

    with storage.anchored(folder) as place, language(asked["lang"]):
        if list(storage.file_id(place / storage.LOCK) or ()) != asked["lock"]:
            return
        found = [storage.load_one(one) for one in storage.find([place / "runs"])]
        data = ReportData(annotated(found, asked["notes"]), place, asked["command"])
        write_page(data, title=asked["title"], status=asked["status"])


if __name__ == "__main__":
    began = time.monotonic()
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
    sys.stdout.write(str(time.monotonic() - began))  # see `EarlyPages._may_begin`

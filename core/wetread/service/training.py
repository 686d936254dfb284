"""Training runs of a service: each a process of its own (`wetread train ledger`), so that reads go on and it can stop.

One run at a time. What a run tells (JSON lines) is kept in memory; what it leaves, a version and ledger entries, is in
the folder of versions and the ledger, whether or not the service is still there to hear of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wetread import uids
from wetread.errors import RefusedInput
from wetread.records.times import stamp
from wetread.service.errors import NotYet
from wetread.service.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wetread.service.backing import Backing
    from wetread.service.model_switch import SwitchingReader

KINDS = ("head", "sft", "drpo")
MOST_RUNS = 100
DATABASE_VARIABLE = "WETREAD_DATABASE"
"""Tells the process its database: a command line with a password could be seen by everybody on the machine."""
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What to train; see `wetread train ledger`."""

    kind: str = "head"
    steps: int = 100
    batch: int = 4
    learning_rate: float | None = None
    seed: int = 0
    promote: bool = True


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A run as it is now.

    Args:
        uid: of the run.
        login: who asked.
        request: what was asked.
        state: as of a read.
        stage: "starting", "collecting", "training", "gate" or "done".
        step: of `steps` of the stage.
        steps: of the stage.
        loss: parts of the last step's loss.
        started: UTC, ISO 8601.
        finished: the same, or None.
        reason: why it was CANCELED.
        result: version, ruling, reason and figures of the gate, once COMPLETED.
    """

    uid: str
    login: str
    request: TrainingRequest
    state: JobState
    stage: str
    step: int
    steps: int
    loss: Mapping[str, float]
    started: str
    finished: str | None = None
    reason: str = ""
    result: Mapping[str, Any] | None = None

    @property
    def progress(self) -> float:
        """0 to 1 over all stages."""
        share = self.step / self.steps if self.steps else 0.0
        begins, length = {"training": (0.05, 0.75), "gate": (0.8, 0.2), "done": (1.0, 0.0)}.get(self.stage, (0.0, 0.05))
        return begins + length * share


class Training:
    """Starts, follows and stops runs.

    Args:
        backing: database and archive of the runs.
        reader: whose versions are trained on, and which takes up what was promoted.
        environment: further variables for the process: what the archive asks for.
    """

    def __init__(self, backing: Backing, reader: SwitchingReader, environment: Mapping[str, str] | None = None) -> None:
        self._backing, self._reader, self._environment = backing, reader, dict(environment or {})
        self._lock = threading.Lock()
        self._runs: dict[str, TrainingRun] = {}
        self._process: subprocess.Popen[str] | None = None
        self._threads: list[threading.Thread] = []
        self._stopped: set[str] = set()

    def start(self, request: TrainingRequest, login: str) -> TrainingRun:
        """Start a run.

        Raises:
            NotYet: one is under way.
            RefusedInput: a request that cannot be meant.
        """
        if request.kind not in KINDS or not 1 <= request.steps <= 1_000_000 or not 1 <= request.batch <= 4096:
            raise RefusedInput("no such training", "training", f"kind is one of {', '.join(KINDS)}; steps from 1")
        with self._lock:
            if self._process is not None:
                raise NotYet("a training is under way", "training", "wait for its end, or stop it")
            run = TrainingRun(uids.derived(uids.READS, f"training|{uuid.uuid4()}"), login, request,
                              JobState.IN_PROGRESS, "starting", 0, 0, {}, stamp())  # fmt: skip
            self._runs[run.uid] = run
            for old in list(self._runs)[:-MOST_RUNS]:
                del self._runs[old]
            process = self._process = subprocess.Popen(
                self._command(request, login), env=self._variables(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace",
            )  # fmt: skip
        os.setpriority(os.PRIO_PROCESS, process.pid, 10)  # who waits for a read goes before
        thread = threading.Thread(target=self._follow, args=(run.uid, process), daemon=True, name="wetread-training")
        self._threads = [thread]
        thread.start()
        return run

    def runs(self) -> list[TrainingRun]:
        """Runs since the service started, newest first."""
        with self._lock:
            return list(self._runs.values())[::-1]

    def get(self, uid: str) -> TrainingRun:
        """One run.

        Raises:
            NotYet: not one of this service since it started.
        """
        with self._lock:
            if uid not in self._runs:
                raise NotYet("no such training since the service started", uid[:64], "see the ledger's model history")
            return self._runs[uid]

    def stop(self, uid: str) -> TrainingRun:
        """Stop a run; one that is over stays as it is. A half-made version leaves nothing behind that reads."""
        run = self.get(uid)
        with self._lock:
            process = self._process
            if process is None or run.state is not JobState.IN_PROGRESS:
                return self._runs[uid]
            self._stopped.add(uid)
        _end(process)
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
        return self.get(uid)

    def close(self) -> None:
        """The service stops: so does the run."""
        for run in self.runs():
            if run.state is JobState.IN_PROGRESS:
                self.stop(run.uid)

    def _command(self, request: TrainingRequest, login: str) -> list[str]:
        versions = self._reader.versions
        command = [sys.executable, "-m", "wetread", "train", "ledger", "--json", f"--by={login}",
                   f"--kind={request.kind}", f"--archive={self._backing.archive.location}", f"--out={versions.folder}",
                   f"--model={versions.base}", f"--steps={request.steps}", f"--batch={request.batch}",
                   f"--seed={request.seed}"]  # fmt: skip
        command += [] if request.learning_rate is None else [f"--learning-rate={request.learning_rate}"]
        return command + ([] if request.promote else ["--no-promote"])

    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self._environment, DATABASE_VARIABLE: self._backing.database.address}

    def _follow(self, uid: str, process: subprocess.Popen[str]) -> None:
        """Hear what the run tells until it ends."""
        said: list[str] = []
        listener = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
        listener.start()
        result = None
        for line in process.stdout or ():
            try:
                told = json.loads(line)
            except ValueError:
                continue  # a library's own words
            if "result" in told:
                result = told["result"]
            elif "stage" in told:
                self._change(uid, stage=told["stage"], step=told["step"], steps=told["steps"], loss=told["loss"] or {})
        code = process.wait()
        listener.join(_STOP_SECONDS)
        if code == 0 and result is not None:
            self._reader.follow()
            self._change(uid, state=JobState.COMPLETED, stage="done", step=1, steps=1, result=result, finished=stamp())
        else:
            # The command's last line says what, where and what to do; a library's could say anything.
            last = next((one.strip() for one in reversed(said) if one.startswith("wetread:")), "")
            reason = "stopped" if uid in self._stopped else last or f"the training ended with code {code}"
            self._change(uid, state=JobState.CANCELED, reason=reason[:500], finished=stamp())
        with self._lock:
            self._process = None

    def _change(self, uid: str, **changes: Any) -> None:
        with self._lock:
            if uid in self._runs:
                self._runs[uid] = replace(self._runs[uid], **changes)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()

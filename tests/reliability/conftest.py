"""A tiny run, trained once without interruption: what every damaged, killed or resumed run is compared with."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import mesa
from mesa.storage.run import Run

TASK = {"name": "linear_regression", "d_in": 3, "context": 4}


@pytest.fixture(scope="session")
def tiny() -> Callable[..., mesa.RunConfig]:
    """A configuration of milliseconds a step; keywords are fields of the training section, or `seeds`."""

    def make(seeds: int = 1, **training: Any) -> mesa.RunConfig:
        # Long between rolling checkpoints: where one is written must not depend on how busy the machine is.
        fields = {"steps": 150, "batch": 16, "evaluate_every": 10, "held_out": 64, "rolling_seconds": 1e6, **training}
        return mesa.RunConfig(task=dict(TASK), training=mesa.TrainingConfig(**fields), seeds=seeds)

    return make


@pytest.fixture(scope="session")
def trained(tiny: Callable[..., mesa.RunConfig], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two seeds to step 150, never interrupted. Not to be written to: use `copied`."""
    run = Run.create(tmp_path_factory.mktemp("runs") / "trained", tiny(seeds=2))
    mesa.train(run)
    return run


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Run:
    """A copy of the trained run that a test may damage."""
    shutil.copytree(trained.path, tmp_path / "copied")
    return Run.open(tmp_path / "copied")


@pytest.fixture(scope="session")
def content() -> Callable[[Run], dict[str, bytes]]:
    """Every byte that a run leaves behind: metrics, outcomes, and kept checkpoints with weights and optimiser.

    config.yaml is not among them: it holds the run's `steps`, which may differ.
    """

    def read(run: Run) -> dict[str, bytes]:
        files = sorted(path for path in run.path.glob("seed-*/**/*") if path.is_file() and path.name != ".lock")
        return {str(path.relative_to(run.path)): path.read_bytes() for path in files}

    return read


class Forger:
    """Changes a checkpoint and makes its digests valid again, as far as `honest` says: nothing else gives it away."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def tensors(self, file: str, change: Callable[[dict[str, Any]], Any], honest: bool = True) -> None:
        """Change the tensors of a file; with `honest`, the digests of tensors follow those of files."""
        from mesa.storage.checkpoint import _describe

        tensors = load_file(self.path / file)
        change(tensors)
        save_file(tensors, self.path / file)
        data = (self.path / file).read_bytes()

        def describe(manifest: dict[str, Any]) -> None:
            manifest["files"][file] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            if honest:
                manifest["tensors"][file] = {name: _describe(tensor) for name, tensor in tensors.items()}

        self.manifest(describe)

    def manifest(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change the manifest and seal it again."""
        from mesa.storage.checkpoint import _sealed

        manifest = json.loads((self.path / "manifest.json").read_bytes())
        del manifest["digest"]
        change(manifest)
        (self.path / "manifest.json").write_bytes(_sealed(manifest))


@pytest.fixture(scope="session")
def forge() -> type[Forger]:
    """The means to forge a checkpoint."""
    return Forger


class Server:
    """Real processes, a few milliseconds each to start: see `fork_server.py`."""

    # Seconds after which a process hangs; a busy machine takes minutes.
    PATIENCE = 900

    def __init__(self) -> None:
        script = Path(__file__).with_name("fork_server.py")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )
        self.answers: Queue[str] = Queue()
        self.errors: Queue[str] = Queue()
        for stream, lines in ((self.process.stdout, self.answers), (self.process.stderr, self.errors)):
            Thread(target=lambda stream=stream, lines=lines: [lines.put(x) for x in stream or ()], daemon=True).start()
        assert self.answers.get(timeout=self.PATIENCE) == "ready\n"

    def start(self, run: Path, workers: int = 1, **options: Any) -> int:
        """Fork a process that trains a run; its id."""
        job = {"run": str(run), "workers": workers, "hold": None, "config": None, "die_at": None, **options}
        return self._ask(job)

    def command(self, log: Path, *arguments: object, gate: Path | None = None) -> int:
        """Fork a process that runs a command line of `mesa` and prints to the log; its id.

        It waits at the gate whenever it has saved a reading.
        """
        words = [str(argument) for argument in arguments]
        return self._ask({"command": words, "log": str(log), "gate": None if gate is None else str(gate)})

    def ended(self, process: int) -> int:
        """Wait for a process's end; its exit code, or minus the signal that ended it."""
        code = self._ask({"wait": process})
        assert code != 1, "".join(self.errors.queue)
        return code

    def printed(self, line: str) -> bool:
        """Has a process printed this line to stderr? It may be on its way."""
        with suppress(Empty):
            while self.errors.get(timeout=60) != line:
                pass
            return True
        return False

    def _ask(self, question: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return int(self.answers.get(timeout=self.PATIENCE))

    def close(self) -> None:
        """End the server and, where a test failed, what it left running."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=60)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Where processes that train are started."""
    running = Server()
    yield running
    running.close()

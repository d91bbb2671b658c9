"""Starts processes that train or run a command: loads the packages once, then forks a process for every line it reads.

A line is JSON, `{"run": path, "config": path or null, "workers": n, "hold": {...} or null, "die_at": n or null}`; the
answer is the process's id. `{"wait": ID}` is answered with its exit code once it ended. With `die_at`, the process
kills itself, as `kill -9` would, just before its n-th operation on a file; `config` makes it create the run first.
With `hold`, `{"gate": directory, "seed": n or null, "step": n}`, training waits before that step (before its first
checkpoint, for step 0): it leaves a file named after its seed in the gate, and goes on when the gate is deleted. So a
test stops a process at a step, however fast the machine is. Worker processes inherit `hold` by the environment.
A process ends with 0, with 130 after an interruption, or with 2 after a UserError, which it prints to stderr.
The line `{"command": [argument, ...], "log": file, "gate": directory or null}` runs a command line of `mesa`, and what
it prints goes to the file. With a gate it waits whenever a reading was saved, until the gate is deleted.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import mesa
from mesa.config import yaml as config_file
from mesa.training import seed as train_seed
from mesa.training.trainer import Trainer

HOLD = "MESA_TEST_HOLD"
WRITES = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            print(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1]), flush=True)
            continue
        child = os.fork()
        if child == 0:
            # A shell starts background jobs with Ctrl-C ignored, and children keep that.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os._exit(command(job) if "command" in job else train(job))
        print(child, flush=True)


def command(job: dict[str, Any]) -> int:
    from analyses import cli

    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    if job["gate"] is not None:
        hold_readings(Path(job["gate"]))
    sys.argv = ["mesa", *job["command"]]
    try:
        cli.main()
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def hold_readings(gate: Path) -> None:
    from probes import Reading

    save = Reading.save

    def saving(self: Reading, folder: Path, stem: str, *rest: Any, **named: Any) -> None:
        save(self, folder, stem, *rest, **named)
        while gate.exists():
            time.sleep(0.002)

    setattr(Reading, "save", saving)  # noqa: B010 (its arguments are passed on as they are)


def train(job: dict[str, Any]) -> int:
    if job["hold"] is not None:
        os.environ[HOLD] = json.dumps(job["hold"])
        train_seed.Trainer = held(job["hold"])
    if job["die_at"] is not None:
        die_at(job["die_at"], job["run"])
    try:
        if job["config"] is not None:
            mesa.Run.create(job["run"], config_file.load(Path(job["config"])))
        mesa.train(mesa.Run.open(job["run"]), workers=job["workers"])
    except KeyboardInterrupt:
        return 130
    except mesa.UserError as error:
        print(error, file=sys.stderr, flush=True)
        return 2
    return 0


def held(hold: dict[str, Any]) -> type[Trainer]:
    """A trainer that waits at the gate before one step, and takes its time after it."""
    gate = Path(hold["gate"])

    class Held(Trainer):
        def __init__(self, config: mesa.RunConfig, seed: int, *further: Any, **named: Any) -> None:
            super().__init__(config, seed, *further, **named)
            self.wait_before(0)

        def step(self, number: int) -> Any:
            self.wait_before(number)
            time.sleep(0.002)
            return super().step(number)

        def wait_before(self, number: int) -> None:
            if number != hold["step"] or hold["seed"] not in (None, self.seed) or not gate.exists():
                return
            (gate / f"seed-{self.seed}").touch()
            while gate.exists():
                time.sleep(0.002)

    return Held


def die_at(count: int, run: str) -> None:
    operations = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal operations
        # Files below a directory that is being deleted are named by their descriptor's directory, not by their path.
        if event in WRITES and (str(arguments[0]).startswith(run) or event in ("os.remove", "os.rmdir")):
            operations += 1
            if operations == count:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__" and HOLD in os.environ:
    # A worker process that was spawned by a process of this server.
    train_seed.Trainer = held(json.loads(os.environ[HOLD]))

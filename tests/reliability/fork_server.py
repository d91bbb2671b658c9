"""Starts processes that train: loads the packages once, then forks a process for every line it reads.

A line is JSON, `{"run": path, "config": path or null, "workers": n, "pause": seconds per step, "die_at": n or null}`;
the answer is the process's id. `{"wait": ID}` is answered with its exit code once it ended. With `die_at`, the process
kills itself, as `kill -9` would, just before its n-th operation on a file; `config` makes it create the run first.
A process ends with 0, with 130 after an interruption, or with 2 after a UserError, which it prints to stderr.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import mesa
from mesa.config import yaml as config_file
from mesa.training import seed as train_seed
from mesa.training.trainer import Trainer

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
            os._exit(train(job))
        print(child, flush=True)


def train(job: dict[str, Any]) -> int:
    train_seed.Trainer = slowed(job["pause"])
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


def slowed(pause: float) -> type[Trainer]:
    class Slowed(Trainer):
        def step(self, number: int) -> Any:
            time.sleep(pause)
            return super().step(number)

    return Slowed


def die_at(count: int, run: str) -> None:
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        # Files below a directory that is being deleted are named by their descriptor's directory, not by their path.
        if event in WRITES and (str(arguments[0]).startswith(run) or event in ("os.remove", "os.rmdir")):
            seen += 1
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    main()

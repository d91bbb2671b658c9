"""Wrong arguments are refused before a verb imports what only its work needs."""

import json
import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "transformer_lens", "seaborn", "pandas", "matplotlib", "scipy", "pyarrow"}
# Many command lines in one process: a module that one of them loads stays, and shows after all the later ones.
SCRIPT = """
import contextlib, io, json, sys
from analyses import cli
for arguments in json.loads(sys.argv[1]):
    sys.argv, out, err, code = ["mesa", *arguments], io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try: cli.main()
        except SystemExit as end: code = end.code
    heavy = sorted(HEAVY & set(sys.modules))
    print(json.dumps([code, heavy, out.getvalue(), err.getvalue()]))
""".replace("HEAVY", repr(HEAVY))


def called(*command_lines: list[str], cwd: Path) -> list[tuple[int, list[str], str, str]]:
    """Exit code, heavy modules, stdout and stderr of each command line."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(command_lines)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=True)
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


REFUSED = [
    (["config"], "Missing argument"),
    (["config", "one-layr"], "did you mean 'one-layer'"),
    (["train", "missing.yaml", "--out", "run"], "missing.yaml: cannot be read"),
    (["train", "good.yaml", "--out", "run", "--set", "steps"], "must be KEY=VALUE"),
    (["train", "good.yaml", "--out", "run", "--set", "model.n_layers=0"], "model.n_layers: 0 is refused"),
    (["resume", "nothing"], "nothing: is not a run"),
    (["verify", "nothing"], "nothing: is not a run"),
    (["report", "nothing"], "nothing: is not a run"),
    (["attribute", "nothing"], "nothing: is not a run"),
    (["probe"], "give a run directory, or --pretrained DIR"),
    (["probe", "run", "--pretrained", "x"], "not both"),
    (["probe", "nothing"], "nothing: is not a run"),
    (["probe", "nothing", "--probe", "gd_alignmnt"], "did you mean 'gd_alignment'"),
    (["probe", "nothing", "--checkpoint", "lst"], "must be last, all, or a training step"),
    (["probe", "nothing", "--checkpoint", "²"], "must be last, all, or a training step"),
    (["probe", "nothing", "--out", "x"], "goes with --pretrained"),
    (["reproduce", "one-stp"], "did you mean 'one-step'"),
    (["reproduce", "one-step", "--quick", "--full"], "a run has one size"),
    (["reproduce", "one-step", "--seeds", "1001"], "'--seeds': Input should be less than or equal to 1000"),
    (["reproduce", "one-step", "--seeds-from", "1000000001"], "'--seeds-from'"),
    (["bench", "trainig"], "did you mean 'training'"),
    (["bench", "training", "--json", "no/such/file"], "does not exist"),
    (["--plugin", "no_such_plugin", "list"], "cannot be loaded"),
]


def test_wrong_arguments_load_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("seeds: 1\n")
    answers = called(*(arguments for arguments, _ in REFUSED), cwd=tmp_path)
    for (arguments, words), (code, heavy, _, err) in zip(REFUSED, answers, strict=True):
        assert words in err, arguments
        assert (code, heavy) == (2, []), arguments
    assert [path.name for path in tmp_path.iterdir()] == ["good.yaml"]


def test_a_plugin_is_listed_and_help_and_list_load_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "plugin_row.py").write_text(
        "from tasks.registry import TaskRow\n"
        "TASKS = {'mine': TaskRow(target='plugin_row:Mine', about='a task of mine', prompts='tokens')}\n"
        "class Mine: ...\n"
    )
    shown, listed = called(["--help"], ["--plugin", "plugin_row.py", "list"], cwd=tmp_path)
    assert (shown[0], listed[0], shown[1], listed[1], listed[3]) == (0, 0, [], [], "")
    assert "reproduce" in shown[2]
    assert all(words in listed[2] for words in ("a task of mine", "one-step", "shuffled_labels"))


def test_an_interpreter_without_docstrings_is_refused(tmp_path: Path) -> None:
    """Without them transformers cannot be imported, and says so in a traceback."""
    command = [sys.executable, "-OO", "-m", "analyses.cli", "train", "good.yaml", "--out", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("mesa: error: PYTHONOPTIMIZE: 2, or python -OO, ") and done.stderr.count("\n") == 1

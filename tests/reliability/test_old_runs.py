"""A run directory that version 0.1.0 wrote still opens, trains on, and gives the same model."""

from typing import Any

import torch
import yaml

from mesa.storage.run import Run


def as_0_1_0(settings: dict[str, Any]) -> None:
    """Rewrite a configuration in place as 0.1.0 wrote it: without the kind of model and without an end of training."""
    settings["model"].pop("kind")
    settings["training"].pop("until")


def test_a_run_of_0_1_0_opens(copied: Run, forge: Any) -> None:
    before = dict(copied.load(0).named_parameters())
    file = copied.path / "config.yaml"
    settings = yaml.safe_load(file.read_text())
    as_0_1_0(settings)
    file.write_text(yaml.safe_dump(settings))
    for seed in copied.seeds:
        for path in copied.checkpoints(seed).values():
            forge(path).manifest(lambda manifest: as_0_1_0(manifest["config"]))
    opened = Run.open(copied.path)
    assert opened.config == copied.config
    assert not opened.verify()[1]
    assert all(torch.equal(before[name], weight) for name, weight in opened.load(0).named_parameters())
    # What the same settings ask for now is the run that is there.
    assert Run.create(copied.path, copied.config).config == copied.config

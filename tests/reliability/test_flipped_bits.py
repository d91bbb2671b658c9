"""One flipped bit anywhere, a truncation or a missing file: refused by name, though safetensors alone sees little."""

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors

from mesa.errors import DamagedCheckpoint
from mesa.storage.checkpoint import load
from mesa.storage.run import Run

FILES = ("model.safetensors", "trainer.safetensors", "manifest.json")


def flipped(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def refusal(path: Path) -> str:
    with pytest.raises(DamagedCheckpoint) as caught:
        load(path)
    return str(caught.value)


@pytest.fixture
def checkpoint(copied: Run) -> Path:
    return copied.checkpoints(0)[150]


def refuses_each(checkpoint: Path, name: str, bits: list[int]) -> None:
    file = checkpoint / name
    whole = file.read_bytes()
    for bit in bits:
        file.write_bytes(flipped(whole, bit))
        try:
            load(checkpoint)
        except DamagedCheckpoint as error:
            message = str(error)
            assert message.startswith(f"{file}: ") and "\n" not in message, f"bit {bit}: {message!r}"
        else:
            pytest.fail(f"bit {bit} of {name} was flipped and the checkpoint loaded")
    # The negative control: with the bit back in its place the checkpoint is good.
    file.write_bytes(whole)
    load(checkpoint)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_every_byte_of_headers_and_every_seventh_of_tensors_is_refused(
    checkpoint: Path, name: str
) -> None:
    draw, data = random.Random(0), (checkpoint / name).read_bytes()
    header = len(data) if name == "manifest.json" else 8 + int.from_bytes(data[:8], "little")
    flips = [*range(header), *range(header, len(data), 7)]
    refuses_each(checkpoint, name, [8 * byte + draw.randrange(8) for byte in flips])


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_refused(checkpoint: Path, name: str) -> None:
    refuses_each(checkpoint, name, list(range(8 * (checkpoint / name).stat().st_size)))


def test_safetensors_alone_loads_most_flipped_bits(checkpoint: Path) -> None:
    # Why there are digests: its format checks the header, and nothing checks the numbers.
    data = (checkpoint / "model.safetensors").read_bytes()
    loaded = 0
    for bit in range(0, 8 * len(data), 7):
        try:
            parse_safetensors(flipped(data, bit))
            loaded += 1
        except (SafetensorError, KeyError, ValueError):
            pass
    share = loaded / len(range(0, 8 * len(data), 7))
    # The weights are two fifths of this small file; in a larger one, nearly every bit is a weight's.
    weights = sum(4 * tensor.numel() for tensor in parse_safetensors(data).values()) / len(data)
    assert share > weights > 0.3


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(checkpoint: Path, name: str, kept: float) -> None:
    file = checkpoint / name
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    assert refusal(checkpoint).startswith(f"{file}: ")


@pytest.mark.parametrize("name", FILES)
def test_a_longer_file_is_refused(checkpoint: Path, name: str) -> None:
    file = checkpoint / name
    file.write_bytes(file.read_bytes() + b"\n")
    assert refusal(checkpoint).startswith(f"{file}: ")


def test_the_same_tensors_spelt_otherwise_are_refused(checkpoint: Path) -> None:
    # Only the file's own digest sees this: the entries of the header in another order, every tensor as it was.
    file = checkpoint / "model.safetensors"
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:end])
    header = json.dumps(dict(reversed(entries.items())), separators=(",", ":")).encode().ljust(end - 8)
    file.write_bytes(data[:8] + header + data[end:])
    there, here = parse_safetensors(data), parse_safetensors(file.read_bytes())
    assert all(torch.equal(there[name], here[name]) for name in there | here)
    assert refusal(checkpoint) == f"{file}: its content does not match its digest"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    assert refusal(checkpoint) == f"{checkpoint / name}: cannot be read: No such file or directory"


@pytest.mark.parametrize("junk", [b"", b"[]", b"null", b"{}", b"\xff\xfe", b'{"digest": NaN}', b"[" * 100_000])
def test_a_manifest_that_is_something_else_is_refused(checkpoint: Path, junk: bytes) -> None:
    (checkpoint / "manifest.json").write_bytes(junk)
    assert refusal(checkpoint).startswith(f"{checkpoint / 'manifest.json'}: ")


def test_an_untouched_checkpoint_loads_bitwise(trained: Run, checkpoint: Path) -> None:
    there, here = load(trained.checkpoints(0)[150]), load(checkpoint)
    model = dict(trained.load(0).named_parameters())
    assert there.model.keys() == here.model.keys() == model.keys()
    for name, tensor in here.model.items():
        assert torch.equal(tensor, there.model[name]) and torch.equal(tensor, model[name])
    assert all(torch.equal(tensor, there.trainer[name]) for name, tensor in here.trainer.items())

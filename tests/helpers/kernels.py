"""Prompts, a kernel of any processor, and the model's own loss, for the tests of the kernel; needs llvmlite."""

import pytest
import torch

from mesa import fast
from mesa.fast.kernel.machine import machine
from mesa.fast.kernel.path import KernelPath
from tasks import InterleavedReader, LinearRegression, PairedReader

AVX2 = {"avx2": True, "fma": True}
READER = PairedReader()


def kernel(model, features=None, reader: PairedReader | InterleavedReader = READER):
    """The kernel's loss for a processor with these features, this one's by default."""
    tensors, on = fast.path(model, reader), machine(64 if model.cfg.dtype == torch.float64 else 32, features)
    assert tensors is not None
    if on is None:
        pytest.skip("this processor has neither AVX2 nor AVX-512")
    return KernelPath(tensors, on)


def prompts(batch=20, context=12, dtype=torch.float64):
    """Prompts of three inputs and one output, the same ones every time."""
    return LinearRegression(d_in=3, context=context).sample(batch, torch.Generator().manual_seed(0)).to(dtype=dtype)


def plain(model, prompt):
    """The loss by the model's own forward pass."""
    inputs = READER.encode(prompt)
    return READER.loss(READER.decode(model(inputs), inputs), prompt)


def gradients(model, loss):
    """The gradient in every trained weight, as one vector of float64."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, trained)]).double()

"""Which step sizes, and which gammas of GD++, have least loss after the last step."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from mesa.learners.descent.minimise import minimise
from mesa.learners.descent.steps import descend, descend_clipped, moments, reach, typical_norm
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import half_squared_error

Start = Float[Tensor, "d_in d_out"] | None
# The loss as a function of gammas (None: all zero) and step sizes, one of each a step.
Loss = Callable[[Tensor | None, Tensor], Tensor]


def fitted_sizes(
    prompt: RegressionPrompt, steps: int, shared: bool, start: Start, clip: float | None
) -> tuple[float, ...]:
    """The step sizes of gradient descent of least loss after the last step, one each.

    One step is least squares in c: the prediction is W0 x_q + c g, where g is what a step of size 1 adds to it. More
    steps make the loss a polynomial in c without a closed form; it is searched below the size at which most prompts
    diverge. For one size each, searches start at distinct values, as the loss is symmetric in the sizes and equal ones
    are a saddle: at Chebyshev's sizes, and at sizes around the shared one. The end of lower loss is the fit.
    """
    if steps == 1 and clip is None:
        begin = None if start is None else start.to(prompt.x)
        change = prompt.query @ descend(moments(prompt, begin), None, prompt.x.new_ones(1))[0]
        base = 0.0 if begin is None else prompt.query @ begin
        return (float(((prompt.target - base) * change).sum() / change.square().sum()),)
    wide = prompt.to(dtype=torch.float64)
    loss, unit = _loss(wide, None if start is None else start.to(wide.x), clip), 1.0 / typical_norm(prompt)

    def loss_of_shared(fraction: float) -> float:
        value = loss(None, torch.full((steps,), 2.0 * unit * fraction, dtype=torch.float64))
        return float(value.nan_to_num(nan=1e30, posinf=1e30))

    # Searched in fractions of 2 `unit`, so that the tolerance is relative: inputs may have any scale.
    end: Any = minimize_scalar(loss_of_shared, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-7})
    shared_size = 2.0 * float(end.x)
    if shared:
        return (unit * shared_size,) * steps
    spread = shared_size * torch.linspace(0.9, 1.1, steps, dtype=torch.float64)
    starts = [torch.tensor(_chebyshev_sizes(steps), dtype=torch.float64), spread]
    ends = [minimise(lambda sizes: loss(None, unit * sizes), begin) for begin in starts]
    best = min(ends, key=lambda sizes: float(loss(None, unit * sizes)))
    return tuple((unit * best).tolist())


def fitted_gammas_and_sizes(
    prompt: RegressionPrompt, steps: int, shared: bool, clip: float | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The gammas and the step sizes of GD++ of least loss after the last step, one of each a step.

    The loss has several minima. A search starts at fitted gradient descent, another one at pairs with a correction; the
    end of lower loss is the fit.
    """
    unit = 1.0 / typical_norm(prompt)
    wide = prompt.to(dtype=torch.float64)
    plain = fitted_sizes(wide, steps, True, None, clip if shared else None)[0]
    if steps == 1:
        return (0.0,), (plain,)

    def loss_of_pair(pair: Tensor, loss: Loss) -> Tensor:
        return loss(unit * pair[:1].expand(steps), unit * pair[1:].expand(steps))

    starts = [torch.tensor(start, dtype=torch.float64) for start in ([0.0, plain / unit], [0.4, 1.0])]
    # Pairs of each step only start here, and their search looks at the clip.
    best = _clipped_end(wide, loss_of_pair, starts, clip if shared else None, tolerance=1e-10)
    if shared:
        return (unit * float(best[0]),) * steps, (unit * float(best[1]),) * steps
    return _pairs_of_each_step(wide, steps, clip, unit, best)


def _clipped_end(
    wide: RegressionPrompt,
    loss_of: Callable[[Tensor, Loss], Tensor],
    starts: list[Tensor],
    clip: float | None,
    tolerance: float,
) -> Tensor:
    """The numbers of least loss with a clip. Without one a loss costs a tenth: it tells which start leads lowest."""
    loss, unclipped = _loss(wide, None, clip), _loss(wide, None, None)
    ends = [_minimised(lambda values: loss_of(values, unclipped), start) for start in starts]
    begin = min([*starts, *ends], key=lambda values: float(loss_of(values, loss).nan_to_num(nan=math.inf)))
    # A search ends after some hundred evaluations: what is left is small, and the best one gets as many again.
    return _minimised(lambda values: loss_of(values, loss), begin, tolerance=tolerance)


def _pairs_of_each_step(
    wide: RegressionPrompt, steps: int, clip: float | None, unit: float, shared_pair: Tensor
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A pair each step: the search starts at the shared pair, at gradient descent's sizes, and at growing pairs."""
    last = steps - 1

    def loss_of_values(values: Tensor, loss: Loss) -> Tensor:
        # The last gamma changes nothing: it is no variable.
        gammas = torch.cat([values[:last], values.new_zeros(1)])
        return loss(unit * gammas, unit * values[last:])

    # Equal pairs are a saddle.
    spread = torch.linspace(0.9, 1.1, steps, dtype=torch.float64)
    # Per-step gradient descent is a member of this class, and so a start: the wider class never fits worse.
    plain_sizes = fitted_sizes(wide, steps, False, None, None)
    none = torch.zeros(last, dtype=torch.float64)
    growing = _growing_values(steps)
    starts = [
        torch.cat([shared_pair[0] * spread[:last], shared_pair[1] * spread]),
        torch.cat([none, torch.tensor(plain_sizes, dtype=torch.float64) / unit]),
        torch.cat([growing[:last], growing]),
    ]
    best = unit * _clipped_end(wide, loss_of_values, starts, clip, tolerance=1e-8)
    return (*best[:last].tolist(), 0.0), tuple(best[last:].tolist())


def _minimised(loss: Callable[[Tensor], Tensor], start: Tensor, tolerance: float = 1e-10) -> Tensor:
    """Where a loss is least near `start`, searched in multiples of the start's values.

    The best numbers of late steps are hundreds of times those of early ones. In these multiples all have one scale;
    without them a search stops far above the minimum.
    """
    scale = torch.where(start == 0, 0.1, start.abs())
    return scale * minimise(lambda multiples: loss(scale * multiples), start / scale, tolerance=tolerance)


def _growing_values(steps: int) -> Tensor:
    """The gammas, and sizes, in units of 1 / |S|, that keep all eigenvalues in bounds and shrink them fastest.

    A correction maps an eigenvalue l to l (1 - g l)^2. This maps the interval from 0 to L = 4 / (3 g) onto that from 0
    to 4 / (27 g) = L / 9: its only maximum inside, at l = 1 / (3 g), has the value that it takes at L. So the next
    correction can be 9 times as large, and so on. A step of the same size as the correction keeps the residuals in
    proportion to the inputs. QED. L is twice the typical |S|, because the largest eigenvalue varies between prompts.
    """
    return 4.0 / (3.0 * 2.0) * 9.0 ** torch.arange(steps, dtype=torch.float64)


def _loss(prompt: RegressionPrompt, start: Start, clip: float | None) -> Loss:
    if clip is not None:
        return lambda gammas, sizes: half_squared_error(
            descend_clipped(prompt, gammas, sizes, start, clip)[-1], prompt.target
        )
    last, base = reach(prompt, start), 0.0 if start is None else prompt.query @ start
    return lambda gammas, sizes: half_squared_error(last(gammas, sizes) + base, prompt.target)


def _chebyshev_sizes(steps: int) -> list[float]:
    """Step sizes to begin a search at, in units of 1 / |S|: Chebyshev's for eigenvalues between .05 and 1."""
    middle, half = 0.525, 0.475
    return [1.0 / (middle + half * math.cos(math.pi * (k + 0.5) / steps)) for k in range(steps)]

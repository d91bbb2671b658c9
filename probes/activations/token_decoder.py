"""Decode x and y of every token from a residual stream, also where tokens are embedded."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probes.activations.residual_stream import ResidualStream, residual_stream
from probes.sensitivity import chunks
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class TokenDecoder:
    """Decodes x and y from a residual stream: its first and last entries, or, for embedded tokens, an affine map."""

    d_in: int
    d_out: int
    map: tuple[Float[Tensor, "d_model d_token"], Float[Tensor, " d_token"]] | None = None

    @classmethod
    def fitted(cls, subject: RegressionSubject, prompt: RegressionPrompt) -> "TokenDecoder":
        """The entries themselves where tokens are not embedded, else the map of least norm that fits these prompts."""
        d_in, d_out = prompt.x.shape[-1], prompt.y.shape[-1]
        streams = [residual_stream(subject, chunk) for chunk in chunks(prompt)]
        if not streams[0].embedded:
            return cls(d_in, d_out)
        features, tokens = _examples(streams, prompt.x.shape[1])
        feature_mean, token_mean = features.mean(dim=0), tokens.mean(dim=0)
        weight = torch.linalg.pinv(features - feature_mean, rtol=1e-6) @ (tokens - token_mean)
        return cls(d_in, d_out, (weight, token_mean - feature_mean @ weight))

    def resid(self, resid: Tensor) -> tuple[Tensor, Tensor]:
        """x and y of a residual stream."""
        return self._split(resid if self.map is None else resid @ self.map[0] + self.map[1])

    def change(self, written: Tensor) -> tuple[Tensor, Tensor]:
        """The changes of x and y that a change of the residual stream means."""
        return self._split(written if self.map is None else written @ self.map[0])

    def worth(self, subject: RegressionSubject, prompt: RegressionPrompt) -> Iterator[dict[str, object]]:
        """The map's R^2 on other prompts, a row for x and one for y; none where there is no map."""
        if self.map is None:
            return
        streams = [residual_stream(subject, chunk) for chunk in chunks(prompt)]
        features, tokens = _examples(streams, prompt.x.shape[1])
        for target, decoded, truth in zip("xy", self.resid(features), self._split(tokens), strict=True):
            unexplained = (decoded - truth).square().sum() / (truth - truth.mean(dim=0)).square().sum()
            yield {"metric": "decoding_r_squared", "target": target, "value": 1.0 - float(unexplained)}

    def _split(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return tokens[..., : self.d_in], tokens[..., tokens.shape[-1] - self.d_out :]


def _examples(streams: list[ResidualStream], count: int) -> tuple[Tensor, Tensor]:
    """The first residual stream of all context tokens, and the tokens that the model was given."""
    features = [stream.resid[0, :, :count].flatten(0, 1) for stream in streams]
    tokens = [stream.inputs.values[:, :count].flatten(0, 1).double() for stream in streams]
    return torch.cat(features), torch.cat(tokens)

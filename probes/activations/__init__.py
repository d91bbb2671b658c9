"""Questions about the residual stream."""

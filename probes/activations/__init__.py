"""Questions to the residual stream."""

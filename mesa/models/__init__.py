"""The transformers: HookedTransformers by configuration, and their parts."""

"""Configuration: what it may hold, how it is written as YAML, and configurations with a name."""

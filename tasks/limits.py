"""Bounds of what a task can be."""

from numbers import Integral

# The most entries, examples or symbols that a field may ask for: with more one prompt would not fit in memory.
LARGEST = 2**20


def check_count(name: str, value: int | float, least: int = 1, most: int = LARGEST, most_words: str = "") -> None:
    """Raise ValueError, naming the field, for what is no whole number from `least` to `most`.

    `most_words` says what `most` is, where it is another field.

    >>> check_count("nonzero", 2.5, 1, 10)
    Traceback (most recent call last):
    ValueError: nonzero: 2.5 must be a whole number
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name}: {value!r} must be a whole number")
    if not least <= value <= most:
        raise ValueError(f"{name}: {value} must be at least {least} and at most {most_words}{most}")

"""The laws of every row, whatever it names."""

from tasks.registry import Row


def check_row(name: str, row: Row) -> None:
    """The name can be typed, the sentence fits a line of `mesa list`, and the target is there."""
    assert name == name.lower() and " " not in name, name
    assert row.about and "\n" not in row.about and len(row.about) <= 100 and not row.about.endswith("."), row.about
    assert row.target.count(":") == 1, row.target
    assert row.load() is not None

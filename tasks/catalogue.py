"""The tasks and readers that a configuration can name; only names and sentences, nothing is loaded."""

TASKS = {
    "linear_regression": ("tasks.linear_regression", "LinearRegression", "y = w.x with a fresh teacher w per prompt"),
    "sine": ("tasks.sine", "SineRegression", "y = a sin(x + p) with a fresh curve per prompt"),
}
READERS = {
    "paired": ("tasks.reader", "PairedReader", "one token (x, y) per example, a query token (x, 0)"),
}

"""The tasks and readers that a configuration can name; only names and sentences, nothing is loaded."""

TASKS = {
    "linear_regression": ("tasks.linear_regression", "LinearRegression", "y = w.x with a fresh teacher w per prompt"),
    "sine": ("tasks.sine", "SineRegression", "y = a sin(x + p) with a fresh curve per prompt"),
    "repeated_tokens": ("tasks.repeated_tokens", "RepeatedTokens", "random symbols, repeated after a random distance"),
    "associative_recall": ("tasks.associative_recall", "AssociativeRecall", "pairs A B ... A -> B of keys and values"),
    "markov_chain": ("tasks.markov_chain", "MarkovChain", "a fresh Markov chain per sequence"),
}
READERS = {
    "paired": ("tasks.reader", "PairedReader", "one token (x, y) per example, a query token (x, 0)"),
    "neighbouring": ("tasks.neighbouring", "NeighbouringReader", "x and y in neighbouring tokens, with positions"),
    "symbols": ("tasks.symbols", "SymbolsReader", "ids for a language model, logits for the next token"),
}

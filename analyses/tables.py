"""Tables that claims and figures both read."""

import pandas as pd


def losses(rows: pd.DataFrame, probe: str, *by: str) -> pd.DataFrame:
    """Losses side by side: columns `model` and one for each learner, indexed by the columns `by`."""
    chosen = rows[(rows["probe"] == probe) & rows["metric"].isin(["loss", "learner_loss"])]
    named = chosen.assign(who=chosen["learner"].fillna("model"))
    return named.set_index([*by, "who"])["value"].unstack("who")

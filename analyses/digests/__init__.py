"""Short names of rules and of results that change where the rule, the configuration or the code does."""

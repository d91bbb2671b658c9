"""Results that are kept, and judgements that are recorded."""

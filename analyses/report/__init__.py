"""Pages: of an analysis, of a run, of a run's heads."""

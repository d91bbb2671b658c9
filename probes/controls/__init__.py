"""Controls: subjects on which a probe must give another answer than on the model, or a known answer."""

"""The plants that `mesa bench identify` reports on: no threshold of `identify` is set by looking at them."""

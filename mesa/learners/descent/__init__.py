"""The steps of gradient descent and GD++, and the search for their free numbers."""

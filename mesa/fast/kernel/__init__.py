"""The training loss and its gradient in machine code that is made for a model's shape; needs llvmlite.

`matrix`, `emit`, `product`, `exponential`, `softmax`, `gather` and `tape` are the generator: they know matrices and
gradients, and no model. `forms`, `program` and `uniform` are written with it. `compiled` and `path` call the result.
"""

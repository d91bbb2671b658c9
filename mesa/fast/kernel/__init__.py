"""The training loss and its gradient in machine code that is made for a model's shape; needs llvmlite."""

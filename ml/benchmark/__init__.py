"""How fast the engine is, beside eager PyTorch and beside what the arithmetic allows: `python -m ml benchmark`."""

"""Compiled kernels, and the layers and the optimizer that are built from them."""

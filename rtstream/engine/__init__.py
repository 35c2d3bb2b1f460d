"""The running system, one package per noun."""

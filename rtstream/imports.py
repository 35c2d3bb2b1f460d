"""Modules that are imported when they are first used, because they take much time or memory."""

from __future__ import annotations

import importlib
from types import ModuleType


class LateModule(ModuleType):
    """Stands for a module, which is imported at the first access to one of its attributes.

    Type checkers read the usual import instead::

        if TYPE_CHECKING:
            import numpy as np
        else:
            np = LateModule("numpy")
    """

    def __getattr__(self, name: str) -> object:
        value = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, value)  # later accesses cost what those of a module do
        return value

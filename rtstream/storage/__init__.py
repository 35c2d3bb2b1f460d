"""Storage of recorded files and exported videos: one interface, implemented by a folder.

The implementation is imported from ``rtstream.storage.folder``. Media processes need only this package, which imports
nothing but the standard library.
"""

from rtstream.storage.interface import Storage, StoredFile
from rtstream.storage.keys import joined
from rtstream.storage.local import Draft, LocalFiles
from rtstream.storage.reserve import DiskReserve

__all__ = ["DiskReserve", "Draft", "LocalFiles", "Storage", "StoredFile", "joined"]

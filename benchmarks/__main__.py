"""List the measurements. Each is a module that is run by itself."""

from __future__ import annotations

from pathlib import Path


def main() -> None:
    """Print each measurement with its first line."""
    print("Each measurement is a command of its own:\n")
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        first = path.read_text(encoding="utf-8").lstrip('"').partition("\n")[0].rstrip('"')
        print(f"  python -m benchmarks.{path.stem:<12} {first}")


if __name__ == "__main__":
    main()

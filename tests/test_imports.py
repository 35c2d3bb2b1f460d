"""The rules of the architecture about imports, SQL and access to recorded files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.syntax import parsed

ROOT = Path(__file__).parents[1]
OURS = ("server", "tools", "resources", "rtstream")
FOUNDATION = (
    "rtstream.disk",
    "rtstream.errors",
    "rtstream.ids",
    "rtstream.imports",
    "rtstream.keys",
    "rtstream.local_clock",
    "rtstream.json_types",
    "rtstream.states",
    "rtstream.__version__",
)
"""Modules without state, or that only hold a secret: any package may import them."""
CLIENT_SIDE = ("rtstream.client", "rtstream.models", "rtstream.rules", "rtstream.concurrency")

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    # package -> what of ours it may import, besides itself and the foundation
    "tools": CLIENT_SIDE,
    "resources": CLIENT_SIDE,
    "rtstream/models": ("rtstream.rules",),
    "rtstream/rules": ("rtstream.models",),
    "rtstream/client": ("rtstream.models", "rtstream.rules", "rtstream.concurrency"),
    "rtstream/api": (
        *(
            "rtstream.config",
            "rtstream.engine",
            "rtstream.models",
            "rtstream.rules",
            "rtstream.storage",
            "rtstream.store.database",
            "rtstream.store.journal",
            "rtstream.store.responses",
        ),
        "rtstream.concurrency",
    ),
    "rtstream/engine": (
        *("rtstream.models", "rtstream.rules", "rtstream.config", "rtstream.messages", "rtstream.forkserver"),
        *("rtstream.mp4", "rtstream.extract", "rtstream.perception", "rtstream.storage", "rtstream.store"),
        *("rtstream.concurrency", "rtstream.ipc", "rtstream.camera"),
    ),
    "rtstream/perception": (
        *("rtstream.rules", "rtstream.config", "rtstream.telemetry", "rtstream.concurrency", "rtstream.logs"),
    ),
    "rtstream/camera": ("rtstream.models", "rtstream.rules"),
    "rtstream/ipc": ("rtstream.rules",),
    "rtstream/store": ("rtstream.models", "rtstream.rules", "rtstream.concurrency"),
    "rtstream/storage": (),
    "rtstream/recorder": (
        *("rtstream.rules", "rtstream.messages", "rtstream.mp4", "rtstream.forkserver", "rtstream.ipc"),
        "rtstream.logs",
    ),
    "rtstream/mp4": ("rtstream.rules",),
    "rtstream/extract": (
        *("rtstream.rules", "rtstream.mp4", "rtstream.storage", "rtstream.forkserver"),
        # The footage reader samples as the recorder's taps do.
        *("rtstream.recorder.frames", "rtstream.recorder.audio", "rtstream.messages"),
    ),
    "rtstream/testsource": ("rtstream.mp4", "rtstream.rules"),
    "rtstream/capture": ("rtstream.client", "rtstream.models", "rtstream.rules", "rtstream.concurrency"),
}
IO_LIBRARIES = (
    *("socket", "asyncio", "anyio", "httpx", "websockets", "sqlalchemy", "av", "threading", "subprocess", "requests"),
    *("os", "pathlib.Path", "shutil", "io", "sqlite3", "urllib.request", "multiprocessing", "concurrent"),
)
MAX_ENGINE_ENTRIES = 15


def modules_of(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lies_in(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_the_packages_it_may(package: str) -> None:
    allowed = (package.replace("/", "."), *FOUNDATION, *MAY_IMPORT[package])
    wrong = [
        f"{shown(path)} imports {name}"
        for path in modules_of(package)
        for name in imported(path)
        if name.split(".")[0] in OURS and not lies_in(name, allowed)
    ]
    assert wrong == []


def test_every_package_has_its_rule() -> None:
    packages = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "rtstream").glob("*/__init__.py")}
    assert packages - set(MAY_IMPORT) == set()


def test_the_system_knows_nothing_of_its_mcp_server() -> None:
    for path in modules_of("rtstream"):
        for name in imported(path):
            assert name.split(".")[0] not in ("server", "tools", "resources", "mcp"), f"{path} imports {name}"


def test_rules_import_no_library_that_reads_or_waits() -> None:
    for path in modules_of("rtstream/rules"):
        for name in imported(path):
            assert not lies_in(name, IO_LIBRARIES), f"{path} imports {name}"


TABLES = ("rtstream.store.tables", "rtstream.store.gap_tables", "rtstream.store.search_tables")


def test_only_the_store_contains_sql() -> None:
    typing_only = ("sqlalchemy.Connection", "sqlalchemy.Row")
    wrong = [
        f"{shown(path)} imports {name}"
        for package in OURS
        for path in modules_of(package)
        if not shown(path).startswith("rtstream/store/")
        for name in imported(path)
        if lies_in(name, ("sqlalchemy", "sqlite3", "alembic", *TABLES))
        and name not in typing_only
        and not name.startswith("rtstream.store.search_tables.")
    ]
    assert wrong == []


def test_only_the_demo_starts_the_test_source() -> None:
    """Tests and benchmarks import it; the demo runs it as a program of its own."""
    wrong = [
        f"{shown(path)} imports {name}"
        for package in OURS
        for path in modules_of(package)
        if not shown(path).startswith("rtstream/testsource/")
        for name in imported(path)
        if lies_in(name, ("rtstream.testsource",))
    ]
    assert wrong == []
    named = [
        shown(path)
        for package in OURS
        for path in modules_of(package)
        if not shown(path).startswith("rtstream/testsource/") and "rtstream.testsource" in path.read_text("utf-8")
    ]
    assert named == ["server/cli/demo.py"]


# --- the packages of the engine


ENGINE = ROOT / "rtstream" / "engine"


def unit_of(module: str) -> str:
    """The package or module of the engine that ``module`` belongs to: ``rtstream.engine.streams.x`` -> ``streams``."""
    return module.split(".")[2]


def engine_imports() -> Iterator[tuple[Path, str, str, str]]:
    """Path, own unit, imported module and imported name of every import of one engine unit by another."""
    for path in modules_of("rtstream/engine"):
        own = path.relative_to(ENGINE).parts[0].removesuffix(".py")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                wrong = [alias.name for alias in node.names if alias.name.startswith("rtstream.engine")]
                assert wrong == [], f"{shown(path)} imports {wrong} as a module"
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rtstream.engine"):
                assert node.module is not None
                assert node.module != "rtstream.engine", f"{shown(path)}: import the name from its package"
                if unit_of(node.module) != own:
                    yield from ((path, own, node.module, alias.name) for alias in node.names)


def test_the_engine_has_few_entries() -> None:
    entries = [path.name for path in ENGINE.iterdir() if path.name not in ("__init__.py", "__pycache__")]
    assert len(entries) <= MAX_ENGINE_ENTRIES, entries


def test_packages_of_the_engine_reach_each_other_only_through_what_they_export() -> None:
    wrong: list[str] = []
    for path, _, module, name in engine_imports():
        package = ENGINE / unit_of(module)
        if package.is_dir():
            exported = exports(package / "__init__.py")
            if module.count(".") > 2 or name not in exported:
                wrong.append(f"{shown(path)} imports {module}.{name}")
    assert wrong == []


def exports(init: Path) -> set[str]:
    """The names in ``__all__``."""
    for node in parsed(init).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return set(ast.literal_eval(node.value))
    return set()


def test_the_packages_of_the_engine_form_no_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for _, own, module, _ in engine_imports():
        graph.setdefault(own, set()).add(unit_of(module))
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_only_the_composition_imports_the_engine_as_a_whole() -> None:
    importers = {own for _, own, module, _ in engine_imports() if unit_of(module) == "engine"}
    assert importers == set()


# --- recorded files


NO_FILES = ("rtstream/engine", "rtstream/api", "rtstream/extract", "rtstream/mp4", "rtstream/rules", "rtstream/models")
"""Packages that reach recorded files and exported videos only through ``rtstream/storage/``."""

FILE_MODULES = ("os", "shutil", "tempfile", "glob", "mmap")
HARMLESS = ("os.name", "os.environ", "os.getpid", "os.cpu_count", "os.setpriority", "os.PRIO_PROCESS")
FILE_CALLS = (
    *("open", "io.open", "os.open", "anyio.open_file", "Path", "anyio.Path", "pathlib.Path"),
    *("FileResponse", "StaticFiles", "av.open"),
)
FILE_METHODS = (
    *("unlink", "rmtree", "mkdir", "rmdir", "touch", "symlink_to", "hardlink_to", "iterdir", "glob", "rglob"),
    *("read_bytes", "write_bytes", "read_text", "write_text", "stat", "is_file", "is_dir", "exists"),
)

MAY_TOUCH_FILES = {
    ("rtstream/engine/engine.py", "Path"): "creates the data folder and the roots of the storages",
    ("rtstream/engine/engine.py", "mkdir"): "creates the data folder",
    ("rtstream/engine/streams/addresses.py", "Path"): "checks files that users name as sources",
    ("rtstream/engine/streams/addresses.py", "anyio.Path"): "checks files that users name as sources",
    ("rtstream/engine/streams/addresses.py", "is_file"): "checks files that users name as sources",
    ("rtstream/engine/streams/publishers.py", "shutil.which"): "looks for the ffmpeg program",
    ("rtstream/api/media.py", "Path"): "the files of the player page, which are part of the program",
    ("rtstream/api/media.py", "is_file"): "the files of the player page, which are part of the program",
    ("rtstream/api/media.py", "FileResponse"): "the files of the player page, which are part of the program",
    ("rtstream/api/app.py", "StaticFiles"): "the files of the player page, which are part of the program",
    ("rtstream/extract/frames.py", "av.open"): "decodes bytes in memory",
    ("rtstream/extract/footage.py", "av.open"): "decodes file objects that the storage opened",
    ("rtstream/extract/screen_edges.py", "av.open"): "decodes file objects that the storage opened",
    ("rtstream/extract/audio.py", "av.open"): "decodes a file object that the storage opened",
    ("rtstream/extract/playback_audio.py", "av.open"): "reads an init segment in memory",
}


def file_accesses(path: Path) -> Iterator[tuple[str, int]]:
    """The calls in a module that may touch files, with their lines."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in FILE_CALLS:
                yield called, node.lineno
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.split(".")[0] in FILE_MODULES and name not in HARMLESS:
                yield name, node.lineno
            elif node.attr in FILE_METHODS:
                yield node.attr, node.lineno
        if isinstance(node, ast.ImportFrom) and node.module in FILE_MODULES:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@pytest.mark.parametrize("package", NO_FILES)
def test_recorded_files_are_reached_only_through_the_storage(package: str) -> None:
    wrong = [
        f"{shown(path)}:{line} uses {what}"
        for path in modules_of(package)
        for what, line in file_accesses(path)
        if (shown(path), what) not in MAY_TOUCH_FILES
    ]
    assert wrong == []


def test_no_exception_for_files_is_out_of_date() -> None:
    used = {
        (shown(path), what) for package in NO_FILES for path in modules_of(package) for what, _ in file_accesses(path)
    }
    assert set(MAY_TOUCH_FILES) - used == set()


# --- loaded libraries


@pytest.mark.parametrize(
    "start",
    ["import rtstream.engine.engine, rtstream.api.app", "import server.__main__, tools, resources"],
    ids=["engine", "mcp"],
)
def test_no_media_or_model_library_is_loaded_by_the_engine_or_the_mcp_server(start: str) -> None:
    heavy = ("av", "rapidocr", "onnxruntime", "cv2", "moonshine_voice", "pocketsphinx")
    code = f"{start}\nimport sys\nprint([name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.strip() == "[]"


def loaded_by(start: str, *names: str) -> str:
    code = f"{start}\nimport sys\nprint([name for name in {names!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return run.stdout.strip()


def test_the_port_is_open_before_the_engine_is_loaded() -> None:
    """A start imports only the server first, so that it responds within a second."""
    later = ("sqlalchemy", "numpy", "mcp", "httpx", "rtstream.engine.engine", "rtstream.models", "rtstream.client")
    assert loaded_by("import server.__main__, server.http", *later) == "[]"


def test_an_engine_without_documents_and_exports_loads_no_numpy() -> None:
    """It takes 12 MB and a tenth of a second."""
    everything = "import server.http, importlib\n[importlib.import_module(name) for name in server.http.LATER]"
    assert loaded_by(everything, "numpy", "mcp", "alembic", "rtstream.testsource") == "[]"


def test_media_processes_load_no_event_loop_with_the_storage() -> None:
    code = "import rtstream.storage, sys\nprint([name for name in ('anyio', 'asyncio') if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.strip() == "[]"

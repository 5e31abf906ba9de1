"""The house rules that a machine can check: layers, where heavy libraries live, sizes, the doorway."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ockham
from ockham import version
from ockham.verb_table import VERBS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "ockham"
FILES = sorted(SOURCE.rglob("*.py"))
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
RUFF = SETTINGS["ruff"]["lint"]
BANNED = set(RUFF["flake8-tidy-imports"]["banned-module-level-imports"])
HEAVY_HOMES = {ROOT / path for path, rules in RUFF["per-file-ignores"].items() if "TID253" in rules}

MAX_FILE = 400
MAX_FUNCTION = 70
MAX_PARAMETERS = 6
# What is larger, and why. An entry that is no longer needed fails too.
LARGER = {
    "ockham/curation/kernels/text_stats.py:_read is too long": "one flat loop over bytes: calls cost four times more",
}

PUBLIC = [
    "Advice",
    "Candidate",
    "Check",
    "ConfigError",
    "CurateSpec",
    "Curated",
    "DataError",
    "Dataset",
    "Destination",
    "Diagnosis",
    "EndpointSpec",
    "Estimate",
    "EvalSpec",
    "Example",
    "Filter",
    "FilterRecord",
    "FitSpec",
    "Listening",
    "LoadedModel",
    "OckhamError",
    "Plan",
    "PlanSpec",
    "PlugSpec",
    "PredictSpec",
    "Prediction",
    "Progress",
    "PullResult",
    "PullSpec",
    "Questions",
    "Report",
    "Requirements",
    "RunResult",
    "Scorer",
    "ServeSpec",
    "Verdict",
    "Verification",
    "__version__",
    "check_filter",
    "check_scorer",
    "curate",
    "decide",
    "doctor",
    "eval",
    "export",
    "fit",
    "list_models",
    "load",
    "load_result",
    "plan",
    "predict",
    "pull_model",
    "remove_model",
    "report",
    "seal",
    "serve",
    "tune",
    "verify",
]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "src").as_posix()


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def at_module_level(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every import that runs when the module is imported, with its line; those for type checking do not run."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (Function, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""
        waiting += ast.iter_child_nodes(node)


def test_heavy_libraries_are_imported_at_module_level_only_where_the_table_says() -> None:
    found = [
        f"{name_of(path)}:{line} imports {module}"
        for path in FILES
        if path not in HEAVY_HOMES
        for line, module in at_module_level(ast.parse(path.read_text(encoding="utf-8")))
        if module.split(".")[0] in BANNED
    ]
    assert found == []


def test_the_table_of_heavy_libraries_names_files_that_need_it() -> None:
    homes = [path for path in HEAVY_HOMES if path.is_relative_to(SOURCE)]
    idle = [
        name_of(path)
        for path in homes
        if not any(
            module.split(".")[0] in BANNED for _, module in at_module_level(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    assert idle == []


@pytest.mark.parametrize(
    "code",
    [
        "import ockham",
        "import ockham; dir(ockham); ockham.Requirements(); ockham.OckhamError",
        "from ockham import cli; cli.run(['--help'])",
        "from ockham import cli; cli.run(['--version'])",
        "from ockham import cli; cli.run(['fit', '--help'])",
        "from ockham import cli; cli.run(['doctor', '--help'])",
        "from ockham import cli; cli.run(['curate', '--help'])",
        "from ockham import curate",
    ],
)
def test_starting_loads_nothing_heavy(code: str) -> None:
    script = f"{code}\nimport sys\nprint('LOADED', *sorted(set({sorted(BANNED)!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_the_doorway_is_as_recorded() -> None:
    assert ockham.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC
    assert dir(ockham) == PUBLIC


def test_every_public_name_opens() -> None:
    for name in PUBLIC:
        value = getattr(ockham, name)
        if name != "__version__":
            assert value.__name__ == name
            assert value.__module__.startswith("ockham.")
            assert value.__doc__
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = ockham.fitt


def test_every_command_is_a_function_of_the_same_name() -> None:
    # `models` is a room too, so each of its actions has a function.
    names = {"models": ("list_models", "pull_model", "remove_model")}
    functions = [name for verb in VERBS for name in names.get(verb, (verb,))]
    assert [name for name in functions if name not in PUBLIC or not callable(getattr(ockham, name))] == []


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ockham.__version__ == project["version"]
    assert project["name"] == version.DISTRIBUTION


def test_nothing_tells_a_reader_to_install_the_other_project_of_our_name() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "scripts/setup"]
    wrong = re.compile(r"install [^\n`]*?\bockham(?!-slm)(?=\[|[\s'\"`]|$)", re.M)
    assert wrong.search("pip install 'ockham[tune]'")
    assert wrong.search("pip install ockham")
    assert [path.name for path in (*FILES, *pages) if wrong.search(path.read_text(encoding="utf-8"))] == []


def too_large() -> set[str]:
    found = set()
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MAX_FILE:
            found.add(name_of(path))
        for node in functions(ast.parse(text)):
            given = node.args
            # Keyword-only parameters count too; self and cls do not.
            number = len(
                [a for a in (*given.posonlyargs, *given.args, *given.kwonlyargs) if a.arg not in ("self", "cls")]
            )
            option = any("click" in ast.unparse(decorator) for decorator in node.decorator_list)
            if number > MAX_PARAMETERS and not option:
                found.add(f"{name_of(path)}:{node.name} has {number} parameters")
            if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION:
                found.add(f"{name_of(path)}:{node.name} is too long")
    return found


def test_files_and_functions_stay_small() -> None:
    assert too_large() == set(LARGER)


def test_every_module_says_what_it_is() -> None:
    silent = [name_of(path) for path in FILES if len(ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "") < 20]
    assert silent == []


def test_no_drawers() -> None:
    drawers = {"utils", "util", "common", "core", "helpers", "base", "managers", "misc"}
    assert [name_of(path) for path in FILES if drawers & {*path.parts[len(SOURCE.parts) :], path.stem}] == []


def import_graph(root: Path) -> dict[str, set[str]]:
    """Module → modules of the same tree that it imports anywhere: within functions and for types, too."""
    files = {".".join(path.relative_to(root).with_suffix("").parts): path for path in root.rglob("*.py")}
    modules = {
        name.removesuffix(".__init__"): ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()
    }
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= (members & modules.keys()) or {node.module or ""}
        graph[name] &= modules.keys() - {name}
    return graph


def in_circles(graph: dict[str, set[str]]) -> set[str]:
    """Return the nodes from which a path leads back, and those between two such."""
    left = {name: set(targets) for name, targets in graph.items()}
    while ends := {name for name, targets in left.items() if not targets & left.keys()}:
        left = {name: targets for name, targets in left.items() if name not in ends}
    while starts := left.keys() - set().union(*left.values()):
        left = {name: targets for name, targets in left.items() if name not in starts}
    return set(left)


def test_a_circle_is_seen() -> None:
    assert in_circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"b", "c"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert in_circles(import_graph(ROOT / "src")) == set()


def test_no_assert_global_or_print_in_the_source() -> None:
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            prints = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            if isinstance(node, (ast.Assert, ast.Global)) or (prints and "cli" not in path.parts):
                found.append(f"{name_of(path)}:{getattr(node, 'lineno', 0)} {type(node).__name__}")
    assert found == []


def test_nothing_unpickles() -> None:
    forbidden = ("pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal")
    found = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] in forbidden for name in names):
                found.append(f"{name_of(path)}: {names}")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                found.append(f"{name_of(path)}:{node.lineno} torch.load")
    assert found == []


def test_unit_tests_stand_in_the_rooms_of_their_modules() -> None:
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    folders = {
        path.name for path in (ROOT / "tests" / "unit").iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert folders - rooms <= {"benchmarks", "pretrain"}
    alone = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "unit").glob("test_*.py")}
    modules = {path.stem for path in SOURCE.glob("*.py")}
    assert sorted(test for test in alone if not any(f"{test}_".startswith(f"{name}_") for name in modules)) == []

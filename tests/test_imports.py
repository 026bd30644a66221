"""The three packages point one way: training and app use model_store, and never each other."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "model_store", "training")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

# Package: top-level names that nothing in it may import.
FORBIDDEN = {
    "app": {"training", "tests", "tensorflow", "keras", "openvino"},
    "model_store": {"app", "training", "tests", "flask", "werkzeug", "jinja2"},
    "training": {"app", "tests", "flask", "tensorflow"},
}
# The one file that may, inside a function: under another backend nothing of it is called (docs/decisions/0007).
EXCEPTIONS = {"training.batch_norm": {"tensorflow"}}
# An engine's library is imported in that engine's own file and nowhere else.
ENGINE_LIBRARIES = {"tensorflow", "keras", "openvino"}
# What views hang on; nothing that they use may know them.
BLUEPRINTS = {"app.patient", "app.clinician", "app.api", "app.operations", "app.model_page"}
BELOW_BLUEPRINTS = {"app.uploads", "app.inference", "app.advice", "app.problems"}
IMPORT_NOTHING_OF_OURS = ("model_store.classes", "model_store.errors")


def imported(path: Path, at_import_time: bool = False) -> set[str]:
    """Name what a file imports, as `package.module` or `package.module.name`.

    With `at_import_time`, imports inside functions are left out: they run later.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _outside_functions(tree) if at_import_time else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}:{node.lineno}: say the full name of the module"
            names.update(_from(node))
    return names


def _from(node: ast.ImportFrom) -> set[str]:
    inside = {f"{node.module}.{alias.name}" for alias in node.names}
    # `from app import problems` needs app.problems; what else `app` holds does not matter to it.
    return inside if inside <= MODULES.keys() else {node.module, *inside}


def _outside_functions(node):
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _outside_functions(child)


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_nothing_that_its_rule_forbids(package):
    for module, path in MODULES.items():
        if module.partition(".")[0] == package:
            excepted = EXCEPTIONS.get(module, set())
            assert not tops(imported(path)) & FORBIDDEN[package] - excepted, module
            assert not tops(imported(path, at_import_time=True)) & excepted, module


@pytest.mark.parametrize("module", EXCEPTIONS)
def test_an_exception_to_the_rules_is_still_needed(module):
    assert tops(imported(MODULES[module])) >= EXCEPTIONS[module]


def test_no_import_escapes_the_rules_through_importlib():
    """Only a recipe is imported by its name."""
    calling = {module for module, path in MODULES.items() if "import_module(" in path.read_text(encoding="utf-8")}
    assert calling == {"training.configs"}


def test_model_store_imports_an_engines_library_only_in_that_engines_file():
    engines = ROOT / "model_store" / "engines"
    for path in (ROOT / "model_store").rglob("*.py"):
        if path.parent != engines:
            assert not tops(imported(path)) & ENGINE_LIBRARIES, path.relative_to(ROOT)


@pytest.mark.parametrize("module", IMPORT_NOTHING_OF_OURS)
def test_the_foundations_import_nothing_of_ours(module):
    assert not tops(imported(MODULES[module])) & set(PACKAGES)


def test_what_blueprints_use_imports_no_blueprint():
    for module in BELOW_BLUEPRINTS & MODULES.keys():
        assert not imported(MODULES[module]) & BLUEPRINTS, module


def test_no_import_runs_in_a_circle():
    graph = {
        module: {name for name in imported(path, at_import_time=True) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_no_module_is_called_utils():
    assert not [path for path in FILES if path.stem in {"utils", "util", "helpers", "misc", "common"}]

"""What the documents say is what the code does."""

import ast
import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import Config
from app.problems import PROBLEMS
from benchmarks.__main__ import LIMITS, is_within
from model_store import images
from tests.fuzz.__main__ import LIMIT_MB

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md"]
GUIDE = ["operate.md", *sorted(f"operate/{path.name}" for path in (ROOT / "docs" / "operate").glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def settings_row(field: dataclasses.Field) -> str:
    return f"| `{field.metadata['variable']}` | {shown(field.default)} | {field.metadata['help']} |"


def shown(default) -> str:
    if isinstance(default, tuple):
        default = ",".join(default)
    if isinstance(default, Path) and default.is_relative_to(ROOT):
        default = default.relative_to(ROOT)
    return "empty" if default == "" else f"`{default}`"


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda field: field.name)
def test_every_setting_is_documented_with_its_default_and_meaning(field):
    row = settings_row(field)
    assert row in read("settings.md").splitlines(), f"docs/settings.md lacks: {row}"


def test_no_setting_is_documented_that_does_not_exist():
    documented = set(re.findall(r"^\| `(SKIN_\w+)`", read("settings.md"), re.MULTILINE))
    assert documented == {field.metadata["variable"] for field in dataclasses.fields(Config)}


def test_the_map_names_every_module_and_no_other():
    content = read("architecture.md")
    for package in ("app", "model_store", "training"):
        part = content[content.index(f"\n## {package}/") :].split("\n## ")[1]
        named = set(re.findall(r"`([\w/]+\.py)`", part)) - {"wsgi.py", "gunicorn.conf.py", "gunicorn_worker.py"}
        modules = {file.relative_to(ROOT / package).as_posix() for file in (ROOT / package).rglob("*.py")}
        empty = {name for name in modules if name.endswith("__init__.py") and name not in named}
        assert named == {name for name in modules - empty if not name.startswith("configs/")}


def test_the_servers_own_variables_are_documented_with_their_defaults():
    configuration = (ROOT / "gunicorn.conf.py").read_text(encoding="utf-8")
    read_there = re.findall(r'_setting\("(\w+)", "([^"]*)"', configuration)
    assert configuration.count("_setting(") - 1 == len(read_there) > 0
    assert configuration.count("os.environ") == 1
    for variable, default in read_there:
        assert f"| `{variable}` | `{default}` |" in read("settings.md")


def test_every_problem_is_documented_with_its_status():
    documented = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", read("operate/troubleshooting.md"), re.MULTILINE))
    assert documented == {code: str(problem.status) for code, problem in PROBLEMS.items()}


def test_every_code_that_an_error_may_carry_is_documented():
    lines = read("operate/troubleshooting.md").splitlines()
    rows = [line.split(" | ")[0] for line in lines if line.startswith("| `")]
    assert codes_raised() - set(re.findall(r"`(\w+)`", " ".join(rows))) == set()


def codes_raised() -> set[str]:
    """The codes in `SomeError("code", ...)` and `super().__init__("code", ...)`, wherever the site may meet them."""
    calls = [
        node
        for package in ("app", "model_store")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
    ]
    firsts = {call.args[0].value for call in calls if re.search(r"Error$|__init__$", ast.unparse(call.func))}
    return {first for first in firsts if isinstance(first, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", first)}


def sizing_rows() -> tuple[list[str], list[str]]:
    """What the guide says of sizes: measured, out of the files that the commands wrote; and computed from it."""
    bench, load = (json.loads((ROOT / "benchmarks" / f"{name}.json").read_text()) for name in ("results", "load"))
    one, twelve = (bench["requests"][size]["request_ms"] for size in ("1mp", "12mp"))
    per_second = {clients: bench["site_throughput"][clients]["per_second"] for clients in ("1", "8")}
    limits = Config()
    uploads_mb, decoding_mb = 2 * limits.uploads * limits.max_upload_mb, limits.decoding * LIMIT_MB
    measured = [
        f"| processors | {bench['cpus']} ({bench['processor']}) |",
        f"| from start to ready, the network converted before | {bench['ready_s']:.1f} s |",
        f"| a photo of 1 megapixel; of 12 | {one:.0f} ms; {twelve:.0f} ms |",
        f"| photos a second that the served site answers with 1 client; with 8 "
        f"| {per_second['1']:.0f}; {per_second['8']:.0f} |",
        f"| with {load['clients']} clients at once: half are answered in; 99 of 100 in "
        f"| {load['answered_p50_s']:.2f} s; {load['answered_p99_s']:.2f} s |",
        f"| of their {load['requests']:,} requests, refused with 503 since every place was taken "
        f"| {load['statuses']['503'] / load['requests']:.0%} |",
        f"| memory idle; under load | {bench['resident_idle_mb']:.0f} MB; {bench['resident_loaded_mb']:.0f} MB |",
    ]
    computed = [
        f"| containers for 100 photos in the busiest second | {math.ceil(100 / per_second['8']) + 1} |",
        f"| the longest wait in a full queue of {limits.queue_length} "
        f"| {limits.queue_length / per_second['8']:.1f} s |",
        f"| memory when every place for uploads and decoding is taken, at the default limits "
        f"| {bench['resident_idle_mb'] + uploads_mb + decoding_mb:.0f} MB |",
    ]
    return measured, computed


def test_the_sizes_in_the_guide_are_those_that_were_measured_or_computed_from_them():
    for word, rows in zip(("measured", "computed"), sizing_rows(), strict=True):
        table = f"| | {word} |\n| --- | --- |\n" + "\n".join(rows) + "\n\n"
        assert table in read("operate/running.md"), f"docs/operate/running.md lacks:\n{table}"


def test_the_benchmarks_name_the_figures_that_are_missed_and_no_others():
    bench = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    missed = ", ".join(f"`{key}`" for key in LIMITS if not is_within(key, bench[key])) or "none"
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert f"Of the figures that were asked for, missed: {missed}.\n" in text


def test_the_served_site_reaches_less_of_the_direct_rate_than_the_queue_as_is_said():
    bench = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    for clients, site in bench["site_throughput"].items():
        assert site["over_direct"] < bench["throughput"][clients]["over_direct"]


def test_the_guide_says_how_many_megapixels_each_format_may_have():
    (row,) = [
        line for line in read("operate/troubleshooting.md").splitlines() if line.startswith("| `image_too_large`")
    ]
    limits = {decoder.format: limit for decoder, limit in images._LIMIT_MEGAPIXELS_OF.items()}
    said = (
        f"over {images.LIMIT_MEGAPIXELS} megapixels, {limits['HEIF']} of HEIC ({images._LIMIT_MEGAPIXELS_RICH_HEIC} "
        f"with transparency, more than 8 bits, or colour at full resolution), {images._LIMIT_MEGAPIXELS_CMYK} of CMYK, "
        f"{limits['AVIF']} of AVIF, {limits['WEBP']} of WebP;"
    )
    assert said in row


@pytest.mark.parametrize("name", [*GUIDE, "legal.md", "privacy.md", "api.md"])
def test_every_setting_that_a_guide_names_exists(name):
    named = set(re.findall(r"\bSKIN_\w+", read(name)))
    assert named <= {field.metadata["variable"] for field in dataclasses.fields(Config)}


def test_every_make_target_for_people_has_a_help_line():
    internal = {"browser", "services"}  # steps of others
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) - internal
    assert targets == set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE))


def test_every_make_target_that_a_document_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"(?:^|`)(?:\w+=\S+ )?make ([a-z-]+)", text, re.MULTILINE)
        assert set(named) <= targets, path.name


def test_an_audit_fails_where_a_package_could_not_be_asked_about():
    (options,) = re.findall(r"^\t\$\(BIN\)/pip-audit (.+)$", MAKEFILE, re.MULTILINE)
    assert "--strict" in options.split()


def test_the_readme_credits_both_collections_at_its_beginning():
    opening = README.partition("\n## ")[0]
    assert "[ISIC 2019](https://challenge.isic-archive.com/landing/2019/)" in opening
    assert re.search(r"\[PAD-UFES-20\]\(https://doi\.org/\S+\) \(Pacheco et al\. 2020, CC BY 4\.0\)", opening)


def test_the_readme_serves_the_bundle_that_reproduce_writes():
    command = [sys.executable, "-m", "training", "reproduce", "--help"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (name,), (version,) = (re.findall(rf"the bundle's {what}\s+\(([\w.]+)\)", text) for what in ("name", "version"))
    assert f"`SKIN_BUNDLE={name}/{version} make serve`" in README


def test_the_readme_opens_with_the_two_commands():
    commands = re.search(r"^## Two commands\n.*?```sh\n(.*?)```", README, re.MULTILINE | re.DOTALL).group(1)
    assert [line.split("#")[0].strip() for line in commands.splitlines()] == ["make serve", "make test"]


@pytest.mark.parametrize("command", re.findall(r"python (-m .*)$", README, re.MULTILINE))
def test_every_command_of_the_readme_has_the_steps_and_options_that_it_names(command):
    module, step = command.split()[1:3]
    result = subprocess.run([sys.executable, "-m", module, step, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for option in re.findall(r"--[a-z-]+", command):
        assert option in result.stdout


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_of_ours_leads_somewhere(path):
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) + re.findall(r'src="([^":]+)"', text)
    assert [target for target in targets if not (path.parent / target).exists()] == []


def headings(path: Path) -> list[str]:
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_heading_of_ours_leads_to_one(path):
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text(encoding="utf-8")):
        there = headings(path.parent / target if target else path)
        assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in there}


def test_every_page_that_a_file_names_exists_and_has_the_section():
    folders = ("app", "benchmarks", "deploy", "docs", "model_store", "training")
    files = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".md", ".py", ".yml", ".yaml")
    ]
    found = 0
    for path in [*files, *ROOT.glob("*.py"), ROOT / "Dockerfile"]:
        text = path.read_text(encoding="utf-8")
        for page, section in re.findall(r"\b(docs/[\w/.-]+\.md)(?:,[\s#]+\"([^\"]+)\")?", text):
            found += 1
            assert (ROOT / page).is_file(), f"{path}: {page}"
            assert not section or section in headings(ROOT / page), f"{path}: {page}, {section}"
    assert found > 5


def test_the_guides_first_page_leads_to_each_of_its_pages():
    assert set(GUIDE[1:]) <= set(re.findall(r"\]\(([^)#]+)\)", read("operate.md")))


def test_no_lock_file_names_an_index_or_a_build_of_one_machine():
    for path in ROOT.glob("requirements*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        pins = [line for line in lines if not line.lstrip().startswith(("#", "--hash"))]
        assert pins
        for pin in pins:
            assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+((a|b|rc|post)\d+)?( ; .*)? \\", pin), f"{path.name}: {pin}"

"""What an install promises: every version pinned, no CUDA build by accident, scripts any POSIX shell can run."""

import re
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PINS = dict(
    line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if not line.startswith("#")
)
PINNED = {canonicalize_name(name): version for name, version in PINS.items()}


def needed(name, extras, seen):
    """Every distribution that a requirement pulls in here, with the installed version."""
    key = (canonicalize_name(name), frozenset(extras))
    if key in seen:
        return
    seen[key] = None
    try:
        found = distribution(name)
    except PackageNotFoundError:  # an extra that is not installed here
        return
    seen[key] = found.version
    for line in found.requires or []:
        requirement = Requirement(line)
        wanted = [{"extra": extra} for extra in (*extras, "")]
        if requirement.marker is None or any(requirement.marker.evaluate(environment) for environment in wanted):
            needed(requirement.name, requirement.extras, seen)


def test_everything_that_gets_installed_is_pinned_at_the_installed_version():
    seen = {}
    needed("wetread", ("app", "dev"), seen)
    installed = {name: version.split("+")[0] for (name, _), version in seen.items() if version and name != "wetread"}
    assert len(installed) > 60
    assert {name: PINNED.get(name) for name in installed} == installed


def test_pins_name_no_build_and_no_torchvision():
    assert all(re.fullmatch(r"[0-9][0-9A-Za-z.]*", version) for version in PINS.values())
    assert "torchvision" not in PINNED


def test_the_install_script_and_the_pins_agree():
    script = (REPOSITORY / "scripts" / "install.sh").read_text()
    for name in ("torch", "monailabel"):
        assert f"{name.upper()}_VERSION={PINNED[name]}\n" in script


def test_torchvision_is_not_installed():
    """Its PyPI wheel is a CUDA build; beside a CPU torch it breaks the import of vision models in transformers."""
    assert "torchvision" not in {canonicalize_name(found.name) for found in distributions()}


@pytest.mark.parametrize("script", ["scripts/install.sh", "scripts/debian_tools.sh"])
def test_scripts_are_posix_shell(script):
    assert subprocess.run(["sh", "-n", str(REPOSITORY / script)], check=False).returncode == 0


def test_make_alone_explains_itself():
    text = subprocess.run(["make"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    targets = {" ".join(line.split()[:2]) for line in text.splitlines()}
    assert {"make demo", "make test", "make test-debian", "make lint", "make app"} <= targets


def test_an_unusable_python_is_refused_in_words(tmp_path):
    old = tmp_path / "python3.11"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = ["make", "install", f"VENV={tmp_path / 'venv'}", f"PYTHON={old}"]
    done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "no Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (tmp_path / "venv").exists()

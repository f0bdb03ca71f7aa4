"""The book's public address, in one place.

``REPOSITORY`` is the only line that names it. ``python -m entropylab.book.address URL`` sets it and writes it
where it is needed: the buttons in ``_config.yml``, and in each notebook the Colab link and the line that
installs the package. ``python -m entropylab.book.address --check`` says where the tree differs. While it is
empty, nothing is shown.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import entropylab
from entropylab.book import places

REPOSITORY = ""  # for example "https://github.com/owner/name"

LAUNCH = "<!-- launch -->"
_BOOTSTRAP = "from entropylab.book import bootstrap\n\nbootstrap()"
_CONFIG_BLOCK = re.compile(r"# address: begin.*?# address: end", re.DOTALL)
_VALID = re.compile(r"https://github\.com/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


def tag() -> str:
    """The tag that this version of the package is released under, for example ``"v0.1.0"``."""
    return f"v{entropylab.__version__}"


def colab_url(notebook: str, repository: str = REPOSITORY) -> str:
    """Address that opens a notebook on Colab; ``notebook`` is its path in the repository."""
    host = repository.replace("https://github.com", "https://colab.research.google.com/github")
    return f"{host}/blob/{tag()}/{quote(notebook)}"


def launch_line(notebook: str, repository: str = REPOSITORY) -> str:
    """The line below a notebook's title: an invisible mark, and the Colab link once there is an address."""
    if not repository:
        return LAUNCH
    link = colab_url(notebook, repository)
    return f'{LAUNCH}<a class="lab-launch" href="{link}">Run this chapter on Colab</a>'


def bootstrap_cell(repository: str = REPOSITORY) -> str:
    """Source of a notebook's first code cell.

    On Colab it installs the package alone; `bootstrap` then adds what is missing. Elsewhere the package is
    there.
    """
    if not repository:
        return _BOOTSTRAP
    return (
        "import sys\n\n"
        'if "google.colab" in sys.modules:\n'
        f"    %pip install --quiet --no-deps {repository}/archive/refs/tags/{tag()}.tar.gz\n\n"
        f"{_BOOTSTRAP}"
    )


def config_block(repository: str = REPOSITORY) -> str:
    """The part of ``_config.yml`` that depends on the address."""
    lines = ["# address: begin (written by python -m entropylab.book.address)"]
    if repository:
        lines += [
            "repository:",
            f"  url: {repository}",
            f"  branch: {tag()}",
            "launch_buttons:",
            "  colab_url: https://colab.research.google.com",
        ]
    else:
        lines += ["repository:", '  url: ""']
    return "\n".join([*lines, "# address: end"])


def notebooks(root: Path) -> Iterator[Path]:
    """All notebooks of the book, in order."""
    for path in sorted((root / "chapters").rglob("*.ipynb")):
        if not {"_build", ".ipynb_checkpoints"} & set(path.parts):
            yield path


def place_in_notebook(content: dict[str, Any], path: str, repository: str = REPOSITORY) -> None:
    """Write the address into a notebook's content: its launch line and its bootstrap cell."""
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and LAUNCH in source:
            lines = source.split("\n")
            line = launch_line(path, repository)
            cell["source"] = "\n".join(line if old.startswith(LAUNCH) else old for old in lines)
        elif "bootstrap" in cell["metadata"].get("tags", []):
            cell["source"] = bootstrap_cell(repository)


def differences(root: Path, repository: str = REPOSITORY) -> dict[Path, str]:
    """Files that do not show ``repository`` as they should, with the text that they should have."""
    found = {}
    config = root / "_config.yml"
    text = config.read_text(encoding="utf-8")
    if not _CONFIG_BLOCK.search(text):
        raise ValueError("_config.yml has lost the lines '# address: begin' and '# address: end'")
    if (wanted := _CONFIG_BLOCK.sub(lambda _: config_block(repository), text)) != text:
        found[config] = wanted
    for path in notebooks(root):
        content = json.loads(path.read_text(encoding="utf-8"))
        before = [("".join(cell["source"])) for cell in content["cells"]]
        place_in_notebook(content, path.relative_to(root).as_posix(), repository)
        if [("".join(cell["source"])) for cell in content["cells"]] != before:
            for cell in content["cells"]:
                if isinstance(cell["source"], str):
                    cell["source"] = cell["source"].splitlines(keepends=True)
            found[path] = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return found


def write(root: Path, repository: str) -> list[Path]:
    """Set the address and write it everywhere.

    Parameters
    ----------
    root : Path
        The checkout.
    repository : str
        ``https://github.com/<owner>/<name>``, or empty to take the address out.

    Returns
    -------
    list of Path
        The files that changed.

    Raises
    ------
    ValueError
        If the address has another form.
    """
    if repository and not _VALID.fullmatch(repository):
        raise ValueError(f"repository must look like https://github.com/owner/name, not {repository!r}")
    changes = differences(root, repository)
    own = root / "entropylab" / "book" / "address.py"
    text = own.read_text(encoding="utf-8")
    wanted = re.sub(r'^REPOSITORY = ".*?"', f'REPOSITORY = "{repository}"', text, count=1, flags=re.MULTILINE)
    if wanted != text:
        changes[own] = wanted
    for path, content in changes.items():
        path.write_text(content, encoding="utf-8")
    return list(changes)


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Set or check the book's public address.")
    parser.add_argument("repository", nargs="?", help="https://github.com/owner/name")
    parser.add_argument("--unset", action="store_true", help="take the address out everywhere")
    parser.add_argument("--check", action="store_true", help="say which files differ from this module")
    options = parser.parse_args(arguments)
    root = places.checkout()
    if root is None:
        parser.error("this command works in a checkout of the book")
    if options.check:
        stale = differences(root)
        for path in stale:
            print(f"{path.relative_to(root)} does not show the address {REPOSITORY or '(unset)'}")
        return 1 if stale else 0
    if bool(options.repository) == options.unset:
        parser.error("give an address, --unset or --check")
    for path in write(root, "" if options.unset else options.repository):
        print(f"wrote {path.relative_to(root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Installs the sections of requirements.txt into the Python that runs this, and writes which of them failed and why:
python install.py OUT.json. A section that stands is not installed again."""
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    name = ""
    for line in (HERE / "requirements.txt").read_text().splitlines():
        if heading := re.match(r"# \[(\w+)\]", line):
            name = heading[1]
            found[name] = []
        elif line and not line.startswith("#"):
            found[name].append(line)
    return found


def stands(requirement: str) -> bool:
    name, version = requirement.split("==")
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


def install(requirements: list[str]) -> str:
    """The reason why not, or ''."""
    # llama.cpp for the CPU it runs on, as ours is compiled.
    environment = {"CMAKE_ARGS": "-DGGML_NATIVE=ON", **os.environ}
    run = subprocess.run([sys.executable, "-m", "pip", "install", *requirements], env=environment, text=True,
                         stdout=sys.stderr, stderr=subprocess.PIPE)
    sys.stderr.write(run.stderr)
    errors = [line for line in run.stderr.splitlines() if "rror" in line] or [f"pip ended with status {run.returncode}"]
    # A reason must not carry the address that a package came from.
    return "" if run.returncode == 0 else re.sub(r"https?://\S+", "(address)", errors[-1].strip())[:300]


def main() -> int:
    result: dict[str, dict[str, object]] = {}
    for name, requirements in sections().items():
        missing = [r for r in requirements if not stands(r)]
        if missing:
            print(f"installing {name}: {' '.join(missing)}", file=sys.stderr, flush=True)
        reason = install(requirements) if missing else ""
        result[name] = {"ok": not reason, "reason": reason, "packages": requirements}
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n")
    return 0 if result["common"]["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())

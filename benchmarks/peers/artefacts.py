# SPDX-License-Identifier: Apache-2.0
"""What each engine loads, made when it is first asked for and kept: FOLDER/<model>/<engine>-<type>."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

from engines import ENGINES, HERE, OURS, Failed

TIMEOUT = 3600


class Artefacts:
    def __init__(self, folder: Path, molmo: Path, logs: Path) -> None:
        self.folder, self.molmo, self.logs = folder, molmo, logs
        self.failures: dict[tuple[str, str, str], str] = {}

    def path(self, engine: str, model: str, kind: str) -> Path:
        """Raises Failed with the reason."""
        maker = ENGINES[engine].maker
        if maker == "hf" or (engine == OURS and kind in ("f32", "bf16")):
            return self.make("hf", model, "bf16" if kind == "bf16" else "f32", "")
        converts = {"": "", "same": "bf16" if kind == "bf16" else "f32"}.get(ENGINES[engine].converts, ENGINES[engine].converts)
        return self.make(maker, model, kind, converts)

    def make(self, maker: str, model: str, kind: str, converts: str) -> Path:
        out = self.folder / model / f"{maker}-{kind}"
        key = (maker, model, kind)
        if out.exists():
            return out
        if key not in self.failures:
            self.failures[key] = self.run(maker, model, kind, out, converts)
        if self.failures[key]:
            raise Failed(self.failures[key])
        return out

    def run(self, maker: str, model: str, kind: str, out: Path, converts: str) -> str:
        """The reason why not, or ''."""
        command = [sys.executable, str(HERE / "prepare.py"), maker, model, kind, str(out), "--molmo", str(self.molmo)]
        if converts:
            command += ["--hf", str(self.make("hf", model, converts, ""))]
        print(f"  writing {model} {kind} for {maker}", file=sys.stderr, flush=True)
        with open(self.logs / f"prepare-{maker}.log", "a") as log:
            try:
                run = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                return f"not converted within {TIMEOUT} s"
        if run.returncode == 0:
            return ""
        lines = [line for line in run.stdout.splitlines() if line.startswith('{"reason"')]
        return json.loads(lines[-1])["reason"] if lines else f"the converter ended with status {run.returncode}"

    def drop(self, model: str) -> None:
        shutil.rmtree(self.folder / model, ignore_errors=True)

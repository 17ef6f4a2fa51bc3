# SPDX-License-Identifier: Apache-2.0
"""The engines, and the process of one of them that answers by protocol.py."""
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TIMEOUT = 1800  # seconds for one answer: torch.compile of the largest model takes minutes
OURS = "molmo"


@dataclass(frozen=True)
class EngineInfo:
    name: str
    command: tuple[str, ...]  # after the Python; of ours: none
    section: str              # of requirements.txt
    maker: str                # of prepare.py, for what it loads; "hf": it loads the Hugging Face folder
    converts: str = ""        # it converts the folder of this type, "same": of its own


def _info(name: str, script: str, section: str, maker: str, converts: str = "", *extra: str) -> EngineInfo:
    return EngineInfo(name, (str(HERE / script), *extra), section, maker, converts)


ENGINES = {e.name: e for e in (
    EngineInfo(OURS, (), "common", "molmo", "f32"),
    _info("llama_cpp", "worker_llama_cpp.py", "llama_cpp", "llama_cpp"),
    _info("torch", "worker_torch.py", "torch", "hf"),
    _info("torch_compile", "worker_torch.py", "torch", "hf", "", "--compile"),
    _info("onnxruntime", "worker_onnxruntime.py", "onnxruntime", "onnxruntime"),
    _info("ctranslate2", "worker_ctranslate2.py", "ctranslate2", "ctranslate2", "f32"),
    _info("openvino", "worker_openvino.py", "openvino", "openvino", "same"),
)}


class Failed(Exception):
    """What an engine answered, or why it did not."""


class Worker:
    """One engine in a process of its own. Whatever it prints goes to the log."""

    def __init__(self, command: list[str], threads: int, log: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
                       "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        self.started = time.perf_counter()
        with open(log, "ab") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                            env=environment)
        self.unread = b""

    def ask(self, what: str, **fields: Any) -> dict[str, Any]:
        try:
            self.process.stdin.write(json.dumps({"do": what, **fields}).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(self.ending()) from None
        reply = json.loads(self.line())
        if not reply["ok"]:
            raise Failed(str(reply["reason"]))
        return reply

    def line(self) -> bytes:
        end = time.monotonic() + TIMEOUT
        out = self.process.stdout.fileno()
        while b"\n" not in self.unread:
            ready, _, _ = select.select([out], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                self.process.kill()
                raise Failed(f"no answer within {TIMEOUT} s")
            part = os.read(out, 1 << 20)
            if not part:
                raise Failed(self.ending())
            self.unread += part
        line, self.unread = self.unread.split(b"\n", 1)
        return line

    def ending(self) -> str:
        status = self.process.wait()
        return f"the process ended with signal {-status}" if status < 0 else f"the process ended with status {status}"

    def close(self) -> None:
        try:
            self.process.stdin.close()
            self.process.wait(timeout=20)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def start(engine: EngineInfo, ours: Path, threads: int, log: Path) -> Worker:
    command = [str(ours)] if engine.name == OURS else [sys.executable, *engine.command]
    return Worker(command, threads, log)

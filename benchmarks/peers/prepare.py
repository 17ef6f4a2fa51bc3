# SPDX-License-Identifier: Apache-2.0
"""Writes what one engine loads: python prepare.py ENGINE MODEL TYPE OUT [--hf DIR] [--molmo PROGRAM].

OUT is a path that does not exist; it appears when it is complete. The driver runs this as a program of its own, so that
its memory is given back."""
import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from protocol import reason_of
from shapes import SHAPES, TYPES, Shape


class Unsupported(Exception):
    """What this engine does not do."""


def hf(out: Path, shape: Shape, kind: str, _: argparse.Namespace) -> None:
    from make_model import write_hf
    out.mkdir()
    write_hf(out, shape, kind)


def gguf(out: Path, shape: Shape, kind: str, _: argparse.Namespace) -> None:
    from make_model import write_gguf
    write_gguf(out, shape, kind)


def molmo(out: Path, shape: Shape, kind: str, args: argparse.Namespace) -> None:
    """Quantised by our own tool, from the f32 folder; the tied embedding too, as --pure does for the peers."""
    if not Path(args.molmo).exists():
        raise Unsupported(f"{args.molmo} is not built; molmo quantize writes this checkpoint")
    command = [args.molmo, "quantize", args.hf, "--format", kind, "--keep", "none", "--out", str(out)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError("molmo quantize: " + (run.stderr.strip() or run.stdout.strip() or f"exit status {run.returncode}"))
    if not (out / "tokenizer.json").exists():  # for the work "start"; the rest is the tool's business
        shutil.copy(Path(args.hf) / "tokenizer.json", out)


def onnxruntime(out: Path, shape: Shape, kind: str, _: argparse.Namespace) -> None:
    if kind == "bf16":
        raise Unsupported("the CPU execution provider has no bf16 MatMul or GroupQueryAttention")
    from make_model import random_weights
    from onnx_graph import write
    out.mkdir()
    write(out, shape, kind, random_weights(shape))


def ctranslate2(out: Path, shape: Shape, kind: str, args: argparse.Namespace) -> None:
    import ctranslate2 as c
    from ctranslate2.converters import TransformersConverter
    if kind == "q4":
        raise Unsupported("no 4-bit weights on the CPU")
    if kind == "bf16" and "bfloat16" not in c.get_supported_compute_types("cpu"):
        raise Unsupported("no bfloat16 on this CPU (get_supported_compute_types)")
    quantization = {"f32": "float32", "bf16": "bfloat16", "q8": "int8_float32"}[kind]
    TransformersConverter(args.hf, low_cpu_mem_usage=True).convert(str(out), quantization=quantization)


def openvino(out: Path, shape: Shape, kind: str, args: argparse.Namespace) -> None:
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig
    config = None
    if kind in ("q8", "q4"):
        options = {"group_size": 32, "ratio": 1.0, "all_layers": True} if kind == "q4" else {}
        config = OVWeightQuantizationConfig(bits=8 if kind == "q8" else 4, sym=True, **options)
    model = OVModelForCausalLM.from_pretrained(args.hf, export=True, stateful=True, compile=False, load_in_8bit=False,
                                               quantization_config=config)
    model.save_pretrained(out)


MAKERS = {"hf": hf, "llama_cpp": gguf, "molmo": molmo, "onnxruntime": onnxruntime, "ctranslate2": ctranslate2,
          "openvino": openvino}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=MAKERS)
    parser.add_argument("model", choices=SHAPES)
    parser.add_argument("type", choices=TYPES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--hf", default="", help="the Hugging Face folder that some engines convert")
    parser.add_argument("--molmo", default="", help="our tool")
    args = parser.parse_args()
    part = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.unlink(missing_ok=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        MAKERS[args.engine](part, SHAPES[args.model], args.type, args)
    except Exception as error:  # whatever a converter raises is the reason why the row is missing
        print(json.dumps({"reason": str(error) if isinstance(error, Unsupported) else reason_of(error)}))
        return 1
    part.rename(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

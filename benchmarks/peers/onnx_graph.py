# SPDX-License-Identifier: Apache-2.0
"""A Llama as the graph that ONNX Runtime runs fastest: its own fused operators (GroupQueryAttention with RoPE and KV cache,
SkipSimplifiedLayerNormalization) and, for q8 and q4, MatMulNBits: blocks of 32 weights, activations quantised to int8."""
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from shapes import Shape

BLOCK = 32
CONTRIB = "com.microsoft"


def blocks_of(weight: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of GGUF's Q8_0 or Q4_0 in MatMulNBits' layout: bytes [rows, blocks, 32 * bits / 8] with the zero point
    in the middle, scales [rows, blocks]. Rows that no block fits are padded with zeros."""
    rows, cols = weight.shape
    padded = np.pad(weight, ((0, 0), (0, -cols % BLOCK))).reshape(rows, -1, BLOCK)
    if bits == 8:
        scale = np.abs(padded).max(axis=2) / 127
    else:
        largest = np.take_along_axis(padded, np.abs(padded).argmax(axis=2)[..., None], 2)[..., 0]
        scale = largest / -8
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)[..., None]
    if bits == 8:
        values = (np.rint(padded * inverse) + 128).astype(np.uint8)
    else:
        values = np.minimum(padded * inverse + 8.5, 15).astype(np.uint8)
        values = values[..., 0::2] | values[..., 1::2] << 4
    return values, scale.astype(np.float16).astype(np.float32)


class Graph:
    """Nodes and tensors; the bytes of the tensors go to one file beside the model as they come."""

    def __init__(self, folder: Path, bits: int) -> None:
        self.nodes, self.tensors, self.bits, self.names = [], [], bits, 0
        self.data = open(folder / "model.data", "wb")

    def constant(self, name: str, array: np.ndarray) -> str:
        self.data.write(b"\0" * (-self.data.tell() % 4096))
        tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape,
                             data_location=TensorProto.EXTERNAL)
        array = np.ascontiguousarray(array)
        for key, value in (("location", "model.data"), ("offset", self.data.tell()), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self.data.write(array.tobytes())
        self.tensors.append(tensor)
        return name

    def node(self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes) -> str:
        self.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def matmul(self, x: str, name: str, weight: np.ndarray) -> str:
        """x times the transpose of weight [rows, cols]."""
        if self.bits == 32:
            return self.node("MatMul", [x, self.constant(f"{name}.w", weight.T)], [f"{name}.y"])
        values, scales = blocks_of(weight, self.bits)
        return self.node("MatMulNBits", [x, self.constant(f"{name}.w", values), self.constant(f"{name}.s", scales)],
                         [f"{name}.y"], CONTRIB, K=weight.shape[1], N=weight.shape[0], bits=self.bits, block_size=BLOCK,
                         accuracy_level=4)


def add_layer(g: Graph, shape: Shape, layer: int, h: str, normed: str, w: dict[str, np.ndarray], next_norm: np.ndarray
              ) -> tuple[str, str]:
    """From the stream and its norm to the stream and the next layer's norm."""
    p, n = f"model.layers.{layer}.", f"l{layer}"
    qkv = np.concatenate([w[p + f"self_attn.{part}_proj.weight"] for part in "qkv"])
    mixed = g.node("GroupQueryAttention",
                   [g.matmul(normed, f"{n}.qkv", qkv), "", "", f"past_key_{layer}", f"past_value_{layer}", "seqlens_k",
                    "total_sequence_length", "cos", "sin"],
                   [f"{n}.mixed", f"present_key_{layer}", f"present_value_{layer}"], CONTRIB, num_heads=shape.heads,
                   kv_num_heads=shape.kv_heads, do_rotary=1, scale=shape.head_dim ** -0.5)
    out = g.matmul(mixed, f"{n}.out", w[p + "self_attn.o_proj.weight"])
    h, normed = skip_norm(g, h, out, f"{n}.post", w[p + "post_attention_layernorm.weight"])
    gate = g.matmul(normed, f"{n}.gate", w[p + "mlp.gate_proj.weight"])
    up = g.matmul(normed, f"{n}.up", w[p + "mlp.up_proj.weight"])
    silu = g.node("Mul", [gate, g.node("Sigmoid", [gate], [f"{n}.sigmoid"])], [f"{n}.silu"])
    down = g.matmul(g.node("Mul", [silu, up], [f"{n}.inner"]), f"{n}.down", w[p + "mlp.down_proj.weight"])
    return skip_norm(g, h, down, f"{n}.next", next_norm)


def skip_norm(g: Graph, h: str, delta: str, name: str, weight: np.ndarray) -> tuple[str, str]:
    g.node("SkipSimplifiedLayerNormalization", [h, delta, g.constant(f"{name}.w", weight)],
           [f"{name}.normed", "", "", f"{name}.h"], CONTRIB, epsilon=1e-5)
    return f"{name}.h", f"{name}.normed"


def write(folder: Path, shape: Shape, kind: str, w: dict[str, np.ndarray]) -> None:
    """model.onnx, model.data and about.json for the weights w, named as in the Hugging Face folder."""
    bits = {"f32": 32, "q8": 8, "q4": 4}[kind]
    g = Graph(folder, bits)
    angles = np.outer(np.arange(shape.context), 10000.0 ** (-np.arange(0, shape.head_dim, 2) / shape.head_dim))
    g.constant("cos", np.cos(angles).astype(np.float32))
    g.constant("sin", np.sin(angles).astype(np.float32))
    embedding = w["model.embed_tokens.weight"]
    h = g.node("Gather", [g.constant("embedding", embedding), "input_ids"], ["h"])
    norms = [w[f"model.layers.{i}.input_layernorm.weight"] for i in range(shape.layers)] + [w["model.norm.weight"]]
    normed = g.node("SimplifiedLayerNormalization", [h, g.constant("norm.w", norms[0])], ["norm"], epsilon=1e-5, axis=-1)
    for layer in range(shape.layers):
        h, normed = add_layer(g, shape, layer, h, normed, w, norms[layer + 1])
    last = g.node("Gather", [normed, g.constant("last", np.array([-1], np.int64))], ["last_row"], axis=1)
    head = g.matmul(last, "head", embedding)
    g.node("Identity", [head], ["logits"])
    g.data.close()
    save(folder, shape, g)
    matmul = "MatMul f32" if bits == 32 else f"MatMulNBits {bits} bits, blocks of {BLOCK}, accuracy level 4 (int8); embedding f32"
    (folder / "about.json").write_text(json.dumps({
        "kv_heads": shape.kv_heads, "head_dim": shape.head_dim, "context": shape.context, "layers": shape.layers,
        "vocab": shape.vocab, "matmul": matmul}))


def save(folder: Path, shape: Shape, g: Graph) -> None:
    info = helper.make_tensor_value_info
    cache = [1, shape.kv_heads, "context", shape.head_dim]
    inputs = [info("input_ids", TensorProto.INT64, [1, "n"]), info("seqlens_k", TensorProto.INT32, [1, 1]),
              info("total_sequence_length", TensorProto.INT32, [])]
    outputs = [info("logits", TensorProto.FLOAT, [1, 1, shape.vocab])]
    for layer in range(shape.layers):
        for part in ("key", "value"):
            inputs.append(info(f"past_{part}_{layer}", TensorProto.FLOAT, cache))
            outputs.append(info(f"present_{part}_{layer}", TensorProto.FLOAT, cache))
    graph = helper.make_graph(g.nodes, "llama", inputs, outputs, g.tensors)
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)])
    onnx.save(model, str(folder / "model.onnx"))

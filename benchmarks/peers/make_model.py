# SPDX-License-Identifier: Apache-2.0
"""The same random weights as a Hugging Face folder (f32 or bf16) and as GGUF (F32, BF16, Q8_0, Q4_0)."""
import json
import math
import struct
import zlib
from pathlib import Path

import gguf
import numpy as np

from shapes import SEED, Shape


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    d, kv, f = shape.d_model, shape.kv_heads * shape.head_dim, shape.hidden
    out: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (shape.vocab, d)}
    for i in range(shape.layers):
        p = f"model.layers.{i}."
        out |= {p + "input_layernorm.weight": (d,), p + "self_attn.q_proj.weight": (d, d),
                p + "self_attn.k_proj.weight": (kv, d), p + "self_attn.v_proj.weight": (kv, d),
                p + "self_attn.o_proj.weight": (d, d), p + "post_attention_layernorm.weight": (d,),
                p + "mlp.gate_proj.weight": (f, d), p + "mlp.up_proj.weight": (f, d), p + "mlp.down_proj.weight": (d, f)}
    return out | {"model.norm.weight": (d,)}


def random_weights(shape: Shape) -> dict[str, np.ndarray]:
    """N(0, 0.02) matrices, norm weights of 1 + N(0, 0.02); the same numbers on every machine and run."""
    weights = {}
    for name, size in tensor_shapes(shape).items():
        rng = np.random.Generator(np.random.PCG64([SEED, zlib.crc32(f"{shape.name}/{name}".encode())]))
        weights[name] = rng.standard_normal(size, dtype=np.float32) * np.float32(0.02)
        if len(size) == 1:
            weights[name] += 1
    return weights


def bf16_bits(x: np.ndarray) -> np.ndarray:
    """Rounded to nearest, ties to even."""
    bits = x.view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def vocabulary(size: int) -> tuple[list[str], list[str]]:
    """Tokens and merges of a byte-level BPE of `size` tokens: three special ones, the 256 bytes, then words of two, three
    and four letters. It means nothing, but loading it costs what a real one's loading costs."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in visible]
    tokens = ["<unk>", "<s>", "</s>"] + [chr(b) for b in visible] + [chr(256 + i) for i in range(len(hidden))]
    letters = [chr(97 + i) for i in range(26)]
    pairs = [a + b for a in letters for b in letters]
    words = [(a, b) for a in letters for b in letters] + [(p, a) for p in pairs for a in letters] + [
        (p, q) for p in pairs for q in pairs]
    words = words[:size - len(tokens)]
    return tokens + [a + b for a, b in words], [f"{a} {b}" for a, b in words]


def write_tokenizer(folder: Path, size: int) -> None:
    tokens, merges = vocabulary(size)
    special = [{"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                "special": True} for i in range(3)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}))


def write_hf(folder: Path, shape: Shape, kind: str) -> None:
    """config.json, model.safetensors, tokenizer.json."""
    dtype = {"f32": "float32", "bf16": "bfloat16"}[kind]
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": shape.d_model,
        "intermediate_size": shape.hidden, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_dim, "vocab_size": shape.vocab,
        "max_position_embeddings": shape.context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "attention_bias": False,
        "mlp_bias": False, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": dtype}, indent=1))
    write_tokenizer(folder, shape.vocab)
    header, at, size = {}, 0, 2 if kind == "bf16" else 4
    for name, dims in tensor_shapes(shape).items():
        end = at + math.prod(dims) * size
        header[name] = {"dtype": {"f32": "F32", "bf16": "BF16"}[kind], "shape": dims, "data_offsets": [at, end]}
        at = end
    head = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    head += b" " * ((-len(head) - 8) % 64)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for array in random_weights(shape).values():
            file.write((bf16_bits(array) if kind == "bf16" else array).tobytes())


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """GGUF's Llama rotates neighbouring rows of q and k, Hugging Face's the two halves of a head."""
    rows, cols = weight.shape
    return np.ascontiguousarray(weight.reshape(heads, 2, rows // heads // 2, cols).swapaxes(1, 2)).reshape(rows, cols)


def gguf_name(name: str) -> str:
    for old, new in (("model.layers.", "blk."), ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"),
                     ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
                     ("self_attn.o_proj", "attn_output"),
                     ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
                     ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down")):
        name = name.replace(old, new)
    return name


def write_gguf(file: Path, shape: Shape, kind: str) -> list[str]:
    """Every matrix in the one format (llama-quantize --pure); where a row is no multiple of 32, f16, as llama-quantize
    falls back. Returns the names of those."""
    formats = {"f32": "F32", "bf16": "BF16", "q8": "Q8_0", "q4": "Q4_0"}
    wanted = gguf.GGMLQuantizationType[formats[kind]]
    w = gguf.GGUFWriter(str(file), "llama", use_temp_file=True)
    w.add_context_length(shape.context)
    w.add_embedding_length(shape.d_model)
    w.add_block_count(shape.layers)
    w.add_feed_forward_length(shape.hidden)
    w.add_head_count(shape.heads)
    w.add_head_count_kv(shape.kv_heads)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(10000.0)
    w.add_rope_dimension_count(shape.head_dim)
    w.add_vocab_size(shape.vocab)
    tokens, merges = vocabulary(shape.vocab)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3))
    w.add_token_merges(merges)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    exceptions = []
    for name, array in random_weights(shape).items():
        if "q_proj" in name or "k_proj" in name:
            array = interleaved(array, shape.heads if "q_proj" in name else shape.kv_heads)
        if array.ndim == 1:
            w.add_tensor(gguf_name(name), array)
            continue
        format_ = wanted
        if kind in ("q8", "q4") and array.shape[1] % 32 != 0:
            format_ = gguf.GGMLQuantizationType.F16
            exceptions.append(name)
        w.add_tensor(gguf_name(name), gguf.quants.quantize(array, format_), raw_dtype=format_)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return exceptions

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the golden files of the model tests: tiny random models, run by transformers on the CPU.

Each case is a folder with config.json and model.safetensors as transformers writes them, and golden.safetensors with
the token ids, every hidden state, the logits and a cached greedy decode. Beside the cases: norms/, rope/, sampling/ and penalties/
(single operations), and stories260K/ when --stories names the folder of that model.

    python tools/make_golden.py [--stories DIR] [--out DIR] [--only NAME ...]
"""
import argparse
import copy
import json
import math
import platform
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import tokenizers
import torch
import transformers
from safetensors.torch import save
from transformers import (AutoModelForCausalLM, LlamaConfig, MinPLogitsWarper, Olmo2Config, OlmoConfig,
                          Qwen2Config, Qwen3Config, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper,
                          TopKLogitsWarper, TopPLogitsWarper)
from transformers.models.llama.modeling_llama import LlamaRMSNorm, LlamaRotaryEmbedding
from transformers.models.olmo.modeling_olmo import OlmoLayerNorm
from transformers.models.olmo2.modeling_olmo2 import Olmo2RMSNorm

REPO = Path(__file__).resolve().parent.parent
SEED = 0
LENGTHS = (1, 7, 33)
GREEDY_STEPS = 5
PAD = 3  # left padding of the second row of the batch run
VERSIONS = {
    "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
    "tokenizers": tokenizers.__version__, "safetensors": safetensors.__version__, "seed": str(SEED),
}

# Common sizes. Option cases have one layer, so that the folder stays small; unusual eps and theta in some show that
# they are read.
SIZES = dict(hidden_size=48, num_attention_heads=6, num_key_value_heads=2, intermediate_size=40, vocab_size=61,
             num_hidden_layers=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0,
             tie_word_embeddings=False)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)


@dataclass
class Case:
    name: str
    config: type
    options: dict = field(default_factory=dict)
    store: torch.dtype = torch.float32    # dtype of model.safetensors
    compute: torch.dtype = torch.float32  # dtype of the run
    padded: bool = False
    long: int = 0  # tokens of one long prompt, of which a few rows of logits are kept


def one(**kw) -> dict:
    return dict(num_hidden_layers=1, **kw)


BF16, F16 = torch.bfloat16, torch.float16
CASES = [
    Case("llama_default", LlamaConfig, padded=True),
    Case("llama_mha", LlamaConfig, one(num_key_value_heads=6)),
    Case("llama_mqa", LlamaConfig, one(num_key_value_heads=1, rope_theta=300.0)),
    Case("llama_bias", LlamaConfig, dict(attention_bias=True, mlp_bias=True, rms_norm_eps=0.05)),
    Case("llama_headdim", LlamaConfig, one(head_dim=12)),
    Case("llama_tied", LlamaConfig, one(tie_word_embeddings=True)),
    # All frequencies are in the middle or the long band here ...
    Case("llama_llama3rope", LlamaConfig, dict(rope_scaling=dict(LLAMA3, original_max_position_embeddings=16))),
    # ... and in all three bands here.
    Case("llama_llama3rope_bands", LlamaConfig,
         one(head_dim=16, rope_scaling=dict(LLAMA3, original_max_position_embeddings=32))),
    # Frequencies of the middle band that another order of operations rounds otherwise: far positions tell.
    Case("llama_llama3rope_long", LlamaConfig,
         one(head_dim=20, rope_theta=500000.0, max_position_embeddings=2048,
             rope_scaling=dict(LLAMA3, factor=32.0, original_max_position_embeddings=24)), long=1500),
    Case("llama_gelu", LlamaConfig, one(hidden_act="gelu")),
    Case("llama_gelu_tanh", LlamaConfig, one(hidden_act="gelu_pytorch_tanh")),
    Case("llama_relu", LlamaConfig, one(hidden_act="relu")),
    Case("qwen2", Qwen2Config, padded=True),
    Case("qwen3", Qwen3Config, dict(head_dim=12, rms_norm_eps=0.05)),
    Case("olmo", OlmoConfig, dict(clip_qkv=0.5)),
    Case("olmo_noclip", OlmoConfig, one()),
    Case("olmo2", Olmo2Config, padded=True),
    Case("llama_default_bf16", LlamaConfig, store=BF16, compute=BF16),
    Case("qwen2_bf16", Qwen2Config, store=BF16, compute=BF16),
    Case("olmo2_bf16", Olmo2Config, store=BF16, compute=BF16),
    Case("llama_default_bf16w", LlamaConfig, store=BF16),
    Case("olmo2_bf16w", Olmo2Config, store=BF16),
    Case("llama_default_f16w", LlamaConfig, store=F16),
]


def save_file(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    """A safetensors file whose bytes repeat: the library itself writes the metadata in random order."""
    raw = save({k: v.contiguous() for k, v in tensors.items()})
    size = int.from_bytes(raw[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(raw[8:8 + size])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size:])


def fill(model: torch.nn.Module) -> None:
    """Weights N(0, 0.3), norm weights U(0.5, 1.5), biases N(0, 0.5): small weights would hide errors."""
    g = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if "norm" in name:
                p.copy_(torch.rand(p.shape, generator=g) + 0.5)
            else:
                p.copy_(torch.randn(p.shape, generator=g) * (0.5 if name.endswith("bias") else 0.3))


def token_ids(length: int, vocab: int, salt: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(1000 * salt + length)
    return torch.randint(3, vocab, (1, length), generator=g)


@torch.no_grad()
def forward(model, ids: torch.Tensor, **kw) -> dict:
    """Hidden states in the transformers convention, the output of the last block before the final norm, logits."""
    kept = {}
    hook = model.model.norm.register_forward_hook(lambda m, i, o: kept.__setitem__("x", i[0]))
    out = model(input_ids=ids, output_hidden_states=True, use_cache=False, **kw)
    hook.remove()
    return {"hidden": [h.float() for h in out.hidden_states], "last": kept["x"].float(), "logits": out.logits.float()}


@torch.no_grad()
def greedy(model, ids: torch.Tensor, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`steps` new ids from a cached decode that ignores end-of-text, and the logits that chose them."""
    out = model(input_ids=ids, use_cache=True)
    chosen, rows = [], []
    for i in range(steps):
        row = out.logits[0, -1].float()
        rows.append(row)
        chosen.append(int(row.argmax()))
        if i + 1 < steps:
            out = model(input_ids=torch.tensor([[chosen[-1]]]), past_key_values=out.past_key_values, use_cache=True)
    return torch.tensor(chosen, dtype=torch.int32), torch.stack(rows)


def margin(rows: torch.Tensor) -> float:
    top = rows.topk(2).values
    return (top[:, 0] - top[:, 1]).min().item()


def clear_prompt(exact, model, vocab: int) -> torch.Tensor:
    """The first prompt of 7 ids whose greedy choices are clear, so that rounding (in bf16 too) cannot change them,
    and not all alike."""
    wanted = 0.1 if exact is model else 0.7
    for salt in range(2000):
        prompt = token_ids(7, vocab, salt=10 + salt)
        ids, rows = greedy(exact, prompt, GREEDY_STEPS)
        if margin(rows) >= wanted and len(set(ids.tolist())) >= 4 and torch.equal(ids, greedy(model, prompt, GREEDY_STEPS)[0]):
            return prompt
    raise RuntimeError("no prompt with clear choices found")


@torch.no_grad()
def padded_run(model, vocab: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """A batch of two rows, the second left-padded, as generate() prepares it; returns the valid part of that row."""
    width = 7 + PAD
    first, second = token_ids(width, vocab, salt=2), token_ids(7, vocab, salt=3)
    ids = torch.cat([first, torch.cat([torch.zeros(1, PAD, dtype=torch.long), second], dim=1)])
    mask = torch.ones_like(ids)
    mask[1, :PAD] = 0
    positions = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 1)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False).logits.float()[1, PAD:]
    single = model(input_ids=second, use_cache=False).logits.float()[0]
    return second[0], logits, (logits - single).abs().max().item()


@torch.no_grad()
def long_run(model, vocab: int, length: int) -> tuple[dict, float]:
    """Every 100th row of logits and the last, and how far they lie from a run whose matrix products are in f64."""
    ids = token_ids(length, vocab)
    rows = torch.tensor(sorted({*range(99, length, 100), length - 1}))
    logits = model(input_ids=ids, use_cache=False).logits.float()[0, rows]
    other = copy.deepcopy(model).double()(input_ids=ids, use_cache=False).logits[0, rows]
    return ({"long.ids": ids[0].int(), "long.rows": rows.int(), "long.logits": logits},
            (logits - other).abs().max().item())


def make_case(case: Case, out: Path) -> None:
    folder = out / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = case.config(**{**SIZES, **case.options})
    model = AutoModelForCausalLM.from_config(config)
    fill(model)
    model.to(case.store).save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)  # says nothing that config.json does not say

    # What follows sees only what is on disk.
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=case.compute, attn_implementation="eager").eval()
    meta = dict(VERSIONS, case=case.name, compute=str(case.compute).removeprefix("torch."),
                weights=str(case.store).removeprefix("torch."))
    tensors = {}
    vocab, layers = config.vocab_size, config.num_hidden_layers
    for s in LENGTHS:
        ids = token_ids(s, vocab)
        r = forward(model, ids)
        tensors[f"ids.{s}"] = ids[0].int()
        tensors[f"embed.{s}"] = r["hidden"][0][0].clone()
        for i, h in enumerate(r["hidden"]):
            tensors[f"hidden.{s}.{i}"] = h[0]
        tensors[f"last.{s}"] = r["last"][0]
        tensors[f"logits.{s}"] = r["logits"][0]
        assert len(r["hidden"]) == layers + 1
    exact = model
    if case.compute != torch.float32:
        exact = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager")
        exact.eval()
    prompt = clear_prompt(exact, model, vocab)
    tensors["greedy.prompt"] = prompt[0].int()
    tensors["greedy.ids"], tensors["greedy.logits"] = greedy(model, prompt, GREEDY_STEPS)
    meta["greedy_margin"] = f"{margin(greedy(exact, prompt, GREEDY_STEPS)[1]):.6f}"  # in f32
    if case.padded:
        ids, logits, difference = padded_run(model, vocab)
        tensors["padded.ids"], tensors["padded.logits"] = ids.int(), logits
        meta["padded_left"] = str(PAD)
        meta["padded_difference"] = f"{difference:.2e}"  # to the run of that row alone, in transformers itself
    if case.long:
        more, own = long_run(model, vocab, case.long)
        tensors.update(more)
        meta["long.own_error"] = f"{own:.2e}"
        print(f"{case.name}: logits of {case.long} tokens differ by {own:.2e} in transformers itself")
    if exact is not model:
        for s in LENGTHS:
            want = forward(exact, token_ids(s, vocab))["logits"][0]
            error = (tensors[f"logits.{s}"] - want).abs().max().item()
            meta[f"own_error.{s}"] = f"{error:.6f}"  # of this run against f32 computation from the same weights
            meta[f"logits_max.{s}"] = f"{want.abs().max().item():.6f}"
    save_file(tensors, folder / "golden.safetensors", metadata=meta)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{case.name}: {size / 1000:.0f} kB, greedy {tensors['greedy.ids'].tolist()} margin {meta['greedy_margin']}"
          + (f", padded {meta['padded_difference']}" if case.padded else "")
          + (f", own error {meta['own_error.33']} of {meta['logits_max.33']}" if "own_error.33" in meta else ""))


@torch.no_grad()
def make_norms(out: Path) -> None:
    """Each norm on the same rows in bf16, f16 and f32; large weights, so that the order of the casts shows."""
    width, eps = 48, {"llama_rms": 1e-5, "olmo2_rms": 1e-6, "olmo_ln": 1e-5, "torch_ln": 1e-5}
    g = torch.Generator().manual_seed(SEED)
    x = torch.randn(8, width, generator=g)
    x[1] *= 100.0
    x[2] *= 1e-3
    x[3] = 0.0
    x[4] += 50.0
    x[5] = x[5] * 5000.0  # its squares overflow in f16
    x[6] = 0.0
    x[6, 0] = 3.0
    w = torch.rand(width, generator=g) * 100.0 + 50.0
    b = torch.randn(width, generator=g) * 20.0
    tensors = {}
    for dt, tag in ((torch.bfloat16, "bf16"), (torch.float16, "f16"), (torch.float32, "f32")):
        xs, ws, bs = x.to(dt), w.to(dt), b.to(dt)
        tensors[f"x.{tag}"], tensors[f"w.{tag}"], tensors[f"b.{tag}"] = xs, ws, bs
        llama, olmo2 = LlamaRMSNorm(width, eps["llama_rms"]).to(dt), Olmo2RMSNorm(width, eps["olmo2_rms"]).to(dt)
        llama.weight.copy_(ws)
        olmo2.weight.copy_(ws)
        ln = torch.nn.LayerNorm(width, eps=eps["torch_ln"]).to(dt)
        ln.weight.copy_(ws)
        ln.bias.copy_(bs)
        tensors[f"llama_rms.{tag}"] = llama(xs)
        tensors[f"olmo2_rms.{tag}"] = olmo2(xs)
        tensors[f"olmo_ln.{tag}"] = OlmoLayerNorm(width)(xs)
        tensors[f"torch_ln.{tag}"] = ln(xs)
    # The two RMS norms with one eps: how many results differ by the cast order alone.
    same = Olmo2RMSNorm(width, eps["llama_rms"]).bfloat16()
    same.weight.copy_(w.bfloat16())
    differ = (same(x.bfloat16()) != tensors["llama_rms.bf16"]).sum().item()
    tensors["olmo2_rms_eps_of_llama.bf16"] = same(x.bfloat16())
    folder = out / "norms"
    folder.mkdir(parents=True, exist_ok=True)
    meta = dict(VERSIONS, **{f"eps.{k}": repr(v) for k, v in eps.items()}, bf16_results_that_differ=str(differ))
    save_file(tensors, folder / "golden.safetensors", metadata=meta)
    print(f"norms: {differ} of {x.numel()} bf16 results differ by cast order")


def llama3_sweep() -> dict[str, torch.Tensor]:
    """inv_freq before and after llama3's scaling, of many sizes one after another: the f32 bits of transformers."""
    cases = [(dim, theta, factor, original, low, high)
             for dim in (20, 64, 80, 96, 128) for theta in (10000.0, 500000.0)
             for factor, original, low, high in ((8, 8192, 1, 4), (32, 8192, 1, 4), (8, 32, 1, 4), (32, 24, 1, 4),
                                                 (16, 1000, 2, 3), (5, 4096, 1, 32))]
    plain, scaled = [], []
    for dim, theta, factor, original, low, high in cases:
        options = dict(hidden_size=dim * 2, num_attention_heads=2, rope_theta=theta, max_position_embeddings=131072)
        plain.append(LlamaRotaryEmbedding(LlamaConfig(**options)).inv_freq)
        scaling = dict(rope_type="llama3", factor=float(factor), low_freq_factor=float(low),
                       high_freq_factor=float(high), original_max_position_embeddings=original)
        scaled.append(LlamaRotaryEmbedding(LlamaConfig(rope_scaling=scaling, **options)).inv_freq)
    return {"sweep.cases": torch.tensor(cases, dtype=torch.float32), "sweep.plain": torch.cat(plain),
            "sweep.scaled": torch.cat(scaled)}


@torch.no_grad()
def make_rope(out: Path) -> None:
    """cos and sin of the first half (the second repeats it), inv_freq, and one rotated vector per position."""
    scaled = dict(LLAMA3, original_max_position_embeddings=8192)
    kinds = {
        "default_128": dict(hidden_size=4096, num_attention_heads=32, rope_theta=10000.0),
        "default_64_1e6": dict(hidden_size=896, num_attention_heads=14, rope_theta=1000000.0),
        "llama31_8b": dict(hidden_size=4096, num_attention_heads=32, rope_theta=500000.0, rope_scaling=scaled),
        "llama32_1b": dict(hidden_size=2048, num_attention_heads=32, rope_theta=500000.0,
                           rope_scaling=dict(scaled, factor=32.0)),
    }
    positions = torch.tensor([[0, 1, 7, 100, 8191]])
    tensors, meta = {"positions": positions[0].int()}, dict(VERSIONS)
    for name, options in kinds.items():
        config = LlamaConfig(max_position_embeddings=131072, **options)
        rope = LlamaRotaryEmbedding(config)
        cos, sin = rope(torch.zeros(1, 5, 1), positions)
        half = config.head_dim // 2
        assert torch.equal(cos[..., :half], cos[..., half:])
        q = torch.randn(5, config.head_dim, generator=torch.Generator().manual_seed(SEED))
        rotated = torch.cat([-q[:, half:], q[:, :half]], dim=-1)
        tensors[f"{name}.inv_freq"] = rope.inv_freq
        tensors[f"{name}.cos"], tensors[f"{name}.sin"] = cos[0, :, :half], sin[0, :, :half]
        tensors[f"{name}.x"], tensors[f"{name}.y"] = q, q * cos[0] + rotated * sin[0]
        meta[name] = json.dumps(dict(options, head_dim=config.head_dim))
        plain = 1.0 / options["rope_theta"] ** (torch.arange(half, dtype=torch.float64) * 2 / config.head_dim)
        print(f"rope {name}: inv_freq against default in f64, last ratio {(rope.inv_freq[-1] / plain[-1]).item():.6f}")
    tensors.update(llama3_sweep())
    folder = out / "rope"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "golden.safetensors", metadata=meta)


SETTINGS = [  # temperature, top_k (0 = off), top_p (1 = off)
    (1.0, 0, 1.0), (0.7, 0, 1.0), (2.5, 0, 1.0), (1.0, 1, 1.0), (1.0, 5, 1.0), (1.0, 50, 1.0), (1.0, 100000, 1.0),
    (1.0, 0, 0.9), (1.0, 0, 0.5), (1.0, 0, 0.05), (1.0, 0, 0.0), (1.0, 0, 0.999), (0.8, 40, 0.95), (1.5, 10, 0.3),
    (0.2, 3, 0.99), (1.3, 7, 0.75),
]


def make_sampling(out: Path) -> None:
    """Probabilities after temperature, top-k and top-p in transformers' order."""
    g = torch.Generator().manual_seed(SEED)
    logits = {f"v{v}": torch.randn(v, generator=g) * 2.0 for v in (1, 5, 17, 61, 512, 1024)}
    logits["ties17"] = torch.round(torch.randn(17, generator=g) * 2.0)
    logits["ties256"] = torch.round(torch.randn(256, generator=g) * 4.0) / 2.0
    logits["equal8"] = torch.full((8,), 1.5)
    logits["minus_inf9"] = torch.randn(9, generator=g).index_fill(0, torch.tensor([1, 4, 8]), -math.inf)
    logits["large6"] = torch.tensor([1e4, 9999.0, -1e4, 0.0, 9998.5, 1e4 - 3])
    logits["half_quarter_quarter"] = torch.tensor([0.5, 0.25, 0.25]).log()
    tensors = {f"logits.{k}": v for k, v in logits.items()}
    rows = []
    for case, row in logits.items():
        settings = SETTINGS + ([(1.0, 0, 0.75)] if case == "half_quarter_quarter" else [])
        for i, (temperature, top_k, top_p) in enumerate(settings):
            scores, ids = row[None], torch.zeros(1, 1, dtype=torch.long)
            if temperature != 1.0:
                scores = TemperatureLogitsWarper(temperature)(ids, scores)
            if top_k != 0:
                scores = TopKLogitsWarper(top_k)(ids, scores)
            margin_p = math.inf
            if top_p < 1.0:
                # Distance of the cumulated probabilities from the threshold: near 0, rounding or the order of ties
                # decides, and only the sum and the number of kept tokens can be compared.
                cumulated = scores[0].double().sort().values.softmax(-1).cumsum(-1)
                inner = (cumulated[:-1] - (1.0 - top_p)).abs()  # the last one is kept whatever its sum
                margin_p = inner.min().item() if len(inner) else math.inf
                scores = TopPLogitsWarper(top_p)(ids, scores)
            probability = scores[0].softmax(-1)
            lowest = scores[0][probability > 0].min()
            name = f"probs.{case}.{i}"
            tensors[name] = probability
            rows.append({
                "name": name, "logits": f"logits.{case}", "temperature": temperature, "top_k": top_k, "top_p": top_p,
                "kept": int(torch.isfinite(scores[0]).sum()),
                # Is a token of the same score as the lowest kept one removed (top-p cuts through a tie)?
                "cuts_tie": bool(((scores[0] == -math.inf) & (row / temperature == lowest)).any()),
                "threshold_margin": None if math.isinf(margin_p) else float(f"{margin_p:.3g}"),
            })
    folder = out / "sampling"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "golden.safetensors", metadata=VERSIONS)
    (folder / "sampling.json").write_text(json.dumps({"versions": VERSIONS, "cases": rows}, indent=1) + "\n")
    print(f"sampling: {len(rows)} distributions, {sum(r['cuts_tie'] for r in rows)} cut through a tie")


PENALTIES = [  # repetition_penalty, temperature, top_k (0 = off), top_p (1 = off), min_p (0 = off)
    (1.3, 1.0, 0, 1.0, 0.0), (0.8, 1.0, 0, 1.0, 0.0), (1.0, 1.0, 0, 1.0, 0.1), (1.0, 1.7, 0, 1.0, 0.05),
    (1.0, 1.0, 0, 1.0, 1.0), (1.0, 1.0, 7, 0.9, 0.2), (1.1, 0.7, 20, 0.95, 0.02), (1.0, 1.0, 0, 0.0, 0.5),
]


def make_penalties(out: Path) -> None:
    """Probabilities, and the greedy token, after repetition penalty, temperature, top-k, top-p and min-p."""
    g = torch.Generator().manual_seed(SEED + 1)
    logits = {f"v{v}": torch.randn(v, generator=g) * 2.0 for v in (1, 9, 61, 512)}
    logits["minus_inf9"] = torch.randn(9, generator=g).index_fill(0, torch.tensor([1, 4, 8]), -math.inf)
    logits["negative16"] = -torch.rand(16, generator=g) * 6.0
    tensors, rows = {}, []
    for case, row in logits.items():
        ids = torch.randint(0, len(row), (1, 2 + len(row) // 3), generator=g)
        ids[0, -1] = row.argmax()  # the likeliest is penalised too, so that the greedy token may change
        tensors[f"logits.{case}"], tensors[f"ids.{case}"] = row, ids[0].int()
        for i, (penalty, temperature, top_k, top_p, min_p) in enumerate(PENALTIES):
            scores = row[None].clone()
            if penalty != 1.0:
                scores = RepetitionPenaltyLogitsProcessor(penalty)(ids, scores)
            greedy_id = int(scores[0].argmax())
            if temperature != 1.0:
                scores = TemperatureLogitsWarper(temperature)(ids, scores)
            if top_k != 0:
                scores = TopKLogitsWarper(top_k)(ids, scores)
            if top_p < 1.0:
                scores = TopPLogitsWarper(top_p)(ids, scores)
            if min_p > 0.0:
                ratio = (scores[0].double().softmax(-1) / scores[0].double().softmax(-1).max() - min_p).abs()
                assert min_p == 1.0 or ratio.min() > 1e-6, "rounding would decide about a token"
                scores = MinPLogitsWarper(min_p)(ids, scores)
            name = f"probs.{case}.{i}"
            tensors[name] = scores[0].softmax(-1)
            rows.append({"name": name, "logits": f"logits.{case}", "ids": f"ids.{case}", "greedy": greedy_id,
                         "repetition_penalty": penalty, "temperature": temperature, "top_k": top_k, "top_p": top_p,
                         "min_p": min_p})
    folder = out / "penalties"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "golden.safetensors", metadata=VERSIONS)
    (folder / "penalties.json").write_text(json.dumps({"versions": VERSIONS, "cases": rows}, indent=1) + "\n")
    print(f"penalties: {len(rows)} distributions")


@torch.no_grad()
def make_stories(source: Path, out: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(source, torch_dtype=torch.float32, attn_implementation="eager").eval()
    vocab = model.config.vocab_size
    ids = torch.cat([torch.tensor([[1]]), token_ids(23, vocab)], dim=1)
    tensors = {"ids": ids[0].int(), "logits": forward(model, ids)["logits"][0]}
    chosen, rows = greedy(model, torch.tensor([[1]]), 100)
    tensors["greedy.ids"] = chosen
    tokenizer = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    meta = dict(VERSIONS, greedy_text=tokenizer.decode([1] + chosen.tolist()), greedy_margin=f"{margin(rows):.6f}")
    folder = out / "stories260K"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "golden.safetensors", metadata=meta)
    print(f"stories260K: margin {meta['greedy_margin']}\n{meta['greedy_text']}")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=REPO / "tests" / "data" / "golden")
    p.add_argument("--stories", type=Path, default=None, help="folder of stories260K")
    p.add_argument("--only", nargs="*", default=None,
                   help="names of cases, or norms, rope, sampling, penalties, stories260K")
    a = p.parse_args()
    torch.set_num_threads(1)
    wanted = (lambda n: True) if a.only is None else (lambda n: n in a.only)
    for case in CASES:
        if wanted(case.name):
            make_case(case, a.out)
    for name, make in (("norms", make_norms), ("rope", make_rope), ("sampling", make_sampling),
                       ("penalties", make_penalties)):
        if wanted(name):
            make(a.out)
    if a.stories and wanted("stories260K"):
        make_stories(a.stories, a.out)


if __name__ == "__main__":
    main()

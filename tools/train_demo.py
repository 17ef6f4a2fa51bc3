#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train the bundled demo model: a small OLMo-2-style decoder on the plays of Shakespeare.

Reads one text file, trains a byte-level BPE tokenizer on the training part, trains the model on the CPU and writes
a Hugging Face folder (config.json, generation_config.json, model.safetensors in bf16, tokenizer.json,
tokenizer_config.json, README.md) that transformers and molmo load. About half an
hour on one core. Seeded; other processors may round differently and so give another, equally good model.

    python tools/train_demo.py --text tinyshakespeare.txt
"""
import argparse
import json
import math
import platform
import random
import time
from pathlib import Path

import numpy as np
import tokenizers
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file as save_plain
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from make_golden import save_file as save_sorted
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, Olmo2Config, Olmo2ForCausalLM

REPO = Path(__file__).resolve().parent.parent
EOT = "<|endoftext|>"
# The pattern that OLMo-2, Qwen2 (with single digits) and Llama-3 share: words with one leading non-letter,
# digit groups, punctuation with its line breaks.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PROMPTS = ["ROMEO:\n", "First Citizen:\nBefore we proceed"]


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--text", type=Path, required=True, help="the training text, UTF-8")
    p.add_argument("--out", type=Path, default=REPO / "models" / "shakespeare", help="folder of the model")
    p.add_argument("--golden", type=Path, default=REPO / "tests" / "data" / "golden" / "shakespeare",
                   help="folder of the greedy golden made from the finished model")
    p.add_argument("--work", type=Path, default=None, help="folder for best.pt and the log (default: build/train_demo)")
    p.add_argument("--steps", type=int, default=4400)
    p.add_argument("--batch-tokens", type=int, default=1024, help="tokens per optimiser step")
    p.add_argument("--context", type=int, default=256, help="window for the first part of the training")
    p.add_argument("--long-context", type=int, default=512, help="window for the last part")
    p.add_argument("--long-part", type=float, default=0.25, help="share of the steps with the long window")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--dropout", type=float, default=0.1, help="on the embedding and on both residual branches")
    p.add_argument("--vocab", type=int, default=1024)
    p.add_argument("--hidden", type=int, default=192)
    p.add_argument("--inner", type=int, default=512)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--heads", type=int, default=6)
    p.add_argument("--kv-heads", type=int, default=2)
    p.add_argument("--eval-every", type=int, default=200)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--export-only", action="store_true", help="skip the training: export from best.pt")
    return p.parse_args()


def train_tokenizer(text: str, vocab: int) -> Tokenizer:
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
    ])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(EOT, special=True, normalized=False)])
    tok.train_from_iterator([text], trainer)
    return tok


def make_config(a: argparse.Namespace) -> Olmo2Config:
    return Olmo2Config(
        vocab_size=a.vocab, hidden_size=a.hidden, intermediate_size=a.inner, num_hidden_layers=a.layers,
        num_attention_heads=a.heads, num_key_value_heads=a.kv_heads, max_position_embeddings=a.long_context,
        rope_theta=10000.0, rms_norm_eps=1e-6, hidden_act="silu", attention_bias=False, attention_dropout=0.0,
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, pad_token_id=0, initializer_range=0.02)


def add_dropout(model: Olmo2ForCausalLM, p: float) -> None:
    """Dropout by hooks (the architecture has none): active in train() only, never stored."""
    def hook(_module, _inputs, output):
        return F.dropout(output, p, training=model.training)
    model.model.embed_tokens.register_forward_hook(hook)
    for layer in model.model.layers:
        layer.post_attention_layernorm.register_forward_hook(hook)
        layer.post_feedforward_layernorm.register_forward_hook(hook)


def optimizer_for(model: Olmo2ForCausalLM, a: argparse.Namespace) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": a.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=a.lr, betas=(0.9, 0.95), eps=1e-8, fused=True)


def learning_rate(step: int, a: argparse.Namespace) -> float:
    warm = max(1, a.steps // 20)
    if step < warm:
        return a.lr * (step + 1) / warm
    t = (step - warm) / max(1, a.steps - warm)
    return a.lr * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * t)))


class Windows:
    """Random windows of the token stream. Half of them begin at a speech, behind an end-of-text token, so that the
    model can start from nothing; the target is never the end-of-text token."""

    def __init__(self, ids: np.ndarray, starts: np.ndarray, seed: int):
        self.ids, self.starts, self.rng = ids, starts, np.random.default_rng(seed)

    def batch(self, rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        xs, ys = [], []
        usable = self.starts[self.starts < len(self.ids) - length - 1]
        for _ in range(rows):
            if self.rng.random() < 0.5:
                s = int(self.rng.choice(usable))
                w = np.concatenate([[0], self.ids[s:s + length]])
            else:
                s = int(self.rng.integers(0, len(self.ids) - length - 1))
                w = self.ids[s:s + length + 1]
            xs.append(w[:-1])
            ys.append(w[1:])
        return torch.tensor(np.array(xs)), torch.tensor(np.array(ys))


@torch.no_grad()
def evaluate(model, ids: np.ndarray, length: int, limit: int | None = None) -> float:
    """Mean nats per token over consecutive windows that start behind an end-of-text token."""
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    starts = range(0, len(ids) - 1, length)
    for i, s in enumerate(starts):
        if limit is not None and i >= limit:
            break
        y = torch.tensor(ids[s:s + length])[None]
        x = torch.cat([torch.zeros(1, 1, dtype=y.dtype), y[:, :-1]], dim=1)
        loss = F.cross_entropy(model(input_ids=x, use_cache=False).logits[0].float(), y[0], reduction="sum")
        total += loss.item()
        count += y.numel()
    model.train(was_training)
    return total / count


def train(a: argparse.Namespace, work: Path, tok: Tokenizer, parts: dict[str, str]) -> None:
    ids = {k: np.array(tok.encode(v).ids, dtype=np.int64) for k, v in parts.items()}
    for k in parts:
        print(f"{k}: {len(parts[k])} characters, {len(ids[k])} tokens, "
              f"{len(parts[k]) / len(ids[k]):.3f} characters per token", flush=True)
    # A speech begins after a token that ends in a blank line.
    ends = np.array([tok.id_to_token(i).endswith("ĊĊ") for i in range(tok.get_vocab_size())])
    starts = np.flatnonzero(ends[ids["train"]]) + 1
    data = Windows(ids["train"], starts, a.seed)

    model = Olmo2ForCausalLM(make_config(a))
    model.config._attn_implementation = "sdpa"
    add_dropout(model, a.dropout)
    print(f"parameters: {sum(p.numel() for p in model.parameters())}", flush=True)
    opt = optimizer_for(model, a)
    model.train()
    best, log, t0, running = math.inf, [], time.time(), []
    long_from = int(a.steps * (1.0 - a.long_part))
    for step in range(a.steps):
        length = a.long_context if step >= long_from else a.context
        x, y = data.batch(max(1, a.batch_tokens // length), length)
        for g in opt.param_groups:
            g["lr"] = learning_rate(step, a)
        logits = model(input_ids=x, use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        running.append(loss.item())
        if (step + 1) % a.eval_every == 0 or step + 1 == a.steps:
            val = evaluate(model, ids["validation"], a.context)
            mark = ""
            if val < best:
                best, mark = val, " *"
                torch.save({"model": model.state_dict(), "step": step + 1, "val": val}, work / "best.pt")
            entry = {"step": step + 1, "train": float(np.mean(running)), "val": val, "seconds": time.time() - t0}
            running = []
            log.append(entry)
            (work / "log.json").write_text(json.dumps(log, indent=1))
            print(f"step {step + 1:5d}  train {entry['train']:.4f}  val {val:.4f}  {entry['seconds']:.0f} s{mark}",
                  flush=True)


def to_bf16_bytes(model: Olmo2ForCausalLM, path: Path) -> None:
    state = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()
             if k != "lm_head.weight"}  # tied: stored once
    save_plain(state, path, metadata={"format": "pt"})


def export(a: argparse.Namespace, work: Path, tok: Tokenizer, parts: dict[str, str]) -> None:
    point = torch.load(work / "best.pt", weights_only=True)
    model = Olmo2ForCausalLM(make_config(a))
    model.load_state_dict(point["model"])
    model.tie_weights()
    a.out.mkdir(parents=True, exist_ok=True)
    to_bf16_bytes(model, a.out / "model.safetensors")
    config = model.config
    config.architectures = ["Olmo2ForCausalLM"]
    config.torch_dtype = torch.bfloat16
    config.save_pretrained(a.out)
    GenerationConfig(bos_token_id=0, eos_token_id=0, pad_token_id=0, do_sample=True, temperature=0.8,
                     top_k=50, top_p=0.95).save_pretrained(a.out)
    tok.save(str(a.out / "tokenizer.json"))
    (a.out / "tokenizer_config.json").write_text(json.dumps({
        "add_bos_token": False, "add_prefix_space": False, "bos_token": EOT, "clean_up_tokenization_spaces": False,
        "eos_token": EOT, "model_max_length": a.long_context, "pad_token": EOT,
        "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": None}, indent=2) + "\n")

    # What a user gets: the stored bf16 weights, loaded by transformers and computed in f32.
    stored = AutoModelForCausalLM.from_pretrained(a.out, torch_dtype=torch.float32, attn_implementation="eager").eval()
    fast = AutoTokenizer.from_pretrained(a.out)
    losses, chars = {}, {}
    for name, text in parts.items():
        ids = np.array(tok.encode(text).ids, dtype=np.int64)
        limit = None if name == "validation" else 200
        losses[name] = evaluate(stored, ids, a.long_context, limit)
        chars[name] = len(text) / len(ids)
    for k in losses:
        print(f"{k}: {losses[k]:.4f} nats/token, {losses[k] / chars[k]:.4f} nats/char, "
              f"{losses[k] / chars[k] / math.log(2):.4f} bits/char", flush=True)

    a.golden.mkdir(parents=True, exist_ok=True)
    tensors, meta = {}, {"torch": torch.__version__, "transformers": transformers.__version__,
                         "tokenizers": tokenizers.__version__, "compute": "float32",
                         "weights": "bfloat16 as stored, upcast"}
    for i, prompt in enumerate(PROMPTS):
        enc = fast(prompt, return_tensors="pt", return_token_type_ids=False)
        full = stored.generate(**enc, do_sample=False, max_new_tokens=64, use_cache=True, temperature=None,
                               top_k=None, top_p=None)
        logits = stored(input_ids=full[:, :-1]).logits[0]
        top2 = logits[enc.input_ids.shape[1] - 1:].topk(2).values
        tensors[f"prompt.{i}"] = enc.input_ids[0].int()
        tensors[f"greedy.{i}"] = full[0, enc.input_ids.shape[1]:].int()
        tensors[f"logits.{i}"] = logits[enc.input_ids.shape[1] - 1].clone()
        meta[f"prompt_text.{i}"] = prompt
        meta[f"greedy_text.{i}"] = fast.decode(full[0, enc.input_ids.shape[1]:])
        meta[f"smallest_margin.{i}"] = f"{(top2[:, 0] - top2[:, 1]).min().item():.6f}"
    save_sorted(tensors, a.golden / "golden.safetensors", metadata=meta)
    print("greedy:", PROMPTS[0] + meta["greedy_text.0"], sep="\n", flush=True)

    sample = ""
    torch.manual_seed(a.seed)
    for prompt in PROMPTS[:1]:
        enc = fast(prompt, return_tensors="pt", return_token_type_ids=False)
        out = stored.generate(**enc, do_sample=True, temperature=0.8, top_k=50, top_p=0.95, max_new_tokens=220)
        sample += fast.decode(out[0])
    print("sample:", sample, sep="\n", flush=True)
    write_card(a, model, point, losses, chars, sample)


def write_card(a, model, point, losses, chars, sample: str) -> None:
    bits = {k: losses[k] / chars[k] / math.log(2) for k in losses}
    count = sum(p.numel() for p in model.parameters())
    flags = (f"--steps {a.steps} --batch-tokens {a.batch_tokens} --lr {a.lr} --dropout {a.dropout} "
             f"--weight-decay {a.weight_decay} --seed {a.seed} --threads {a.threads}")
    (a.out / "README.md").write_text(f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language: en
---
# shakespeare: the demo model of molmo

A {count / 1e6:.2f} M-parameter OLMo-2-style decoder that writes lines like those of Shakespeare's plays. It exists so that
the demo and the tests have a real model and need no download. It knows nothing but these plays and is good for nothing else.

| | |
|---|---|
| architecture | `Olmo2ForCausalLM`: width {a.hidden}, {a.layers} layers, {a.heads} query heads and {a.kv_heads} key/value heads of {a.hidden // a.heads}, feed-forward {a.inner} (SwiGLU), RMSNorm after each branch, q/k norm over the whole vector, RoPE theta 10000, tied head |
| context | {a.long_context} tokens |
| tokenizer | byte-level BPE, {a.vocab} tokens, `{EOT}` = 0 (start, end and padding), digits in groups of three; trained on the training part |
| weights | bf16, {(a.out / 'model.safetensors').stat().st_size / 1e6:.2f} MB |
| data | "tinyshakespeare", 1.1 MB of the plays of William Shakespeare (public domain); first 90 % for training, last 10 % for validation |
| licence | weights, tokenizer and this card: Apache-2.0 |

## Losses

Of the stored bf16 weights, computed in f32, windows of {a.long_context} tokens, each from an empty context:

| part | nats per token | nats per character | bits per character |
|---|---|---|---|
| training (first 200 windows) | {losses['train']:.4f} | {losses['train'] / chars['train']:.4f} | {bits['train']:.4f} |
| validation | {losses['validation']:.4f} | {losses['validation'] / chars['validation']:.4f} | {bits['validation']:.4f} |

There are {chars['train']:.2f} characters per token in the training part and {chars['validation']:.2f} in the validation part.
The checkpoint is that of the best validation loss (step {point['step']} of {a.steps}).

## How it was made

AdamW (0.9, 0.95), cosine with warm-up, weight decay on the matrices, dropout on the embedding and both residual branches.
torch {torch.__version__}, transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, Python {platform.python_version()}, one CPU thread:

```sh
pip install -r tools/requirements.txt
python tools/train_demo.py --text tinyshakespeare.txt {flags}
```

## What it writes

Temperature 0.8, top-k 50, top-p 0.95, after `{PROMPTS[0].strip()}`:

```text
{sample.rstrip()}
```
""")


def main() -> None:
    a = arguments()
    torch.set_num_threads(a.threads)
    random.seed(a.seed)
    torch.manual_seed(a.seed)
    work = a.work or REPO / "build" / "train_demo"
    work.mkdir(parents=True, exist_ok=True)
    text = a.text.read_text(encoding="utf-8")
    cut = len(text) * 9 // 10
    parts = {"train": text[:cut], "validation": text[cut:]}
    tok = train_tokenizer(parts["train"], a.vocab)
    if not a.export_only:
        train(a, work, tok, parts)
    export(a, work, tok, parts)


if __name__ == "__main__":
    main()

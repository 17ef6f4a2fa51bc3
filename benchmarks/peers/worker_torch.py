# SPDX-License-Identifier: Apache-2.0
"""transformers' LlamaForCausalLM on PyTorch; with --compile, through torch.compile and a static KV cache that is no longer
than the work needs (attention runs over all of it).

int8: torch.ao's dynamically quantised linear layers, activations and weights in int8. int4: PyTorch's own 4-bit matrix
product for CPUs (aten), with the blocks of Q4_0 and bf16 activations (with f32 it is slower by far).
"""
import sys

import torch
import transformers

from protocol import serve

CONTEXT = 576  # of the static cache
COMPILE = "--compile" in sys.argv
GROUP = 32


class Int4Linear(torch.nn.Module):
    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        rows, cols = weight.shape
        if cols % GROUP:
            raise ValueError(f"rows of {cols} weights are no multiple of the group of {GROUP}")
        blocks = weight.detach().float().reshape(rows, -1, GROUP)
        largest = blocks.gather(2, blocks.abs().argmax(2, keepdim=True))
        scale = largest / -8
        values = (blocks / scale + 8.5).floor().clamp(0, 15).to(torch.int32).reshape(rows, cols)
        self.packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(values, 1)
        scale = scale[..., 0].T.to(weight.dtype)
        self.scales = torch.stack([scale, torch.zeros_like(scale)], dim=-1).contiguous()
        self.rows = rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        y = torch.ops.aten._weight_int4pack_mm_for_cpu(flat, self.packed, GROUP, self.scales)
        return y.reshape(*x.shape[:-1], self.rows)


class Torch:
    def load(self, path: str, kind: str, threads: int) -> str:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        dtype = torch.bfloat16 if kind in ("bf16", "q4") else torch.float32
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=dtype, attn_implementation="sdpa").eval()
        ran = f"transformers {transformers.__version__}, sdpa, {dtype}"
        if kind == "q8":
            ran += self.quantise_int8()
        elif kind == "q4":
            ran += self.quantise_int4()
        if COMPILE:
            self.model.forward = torch.compile(self.model.forward, fullgraph=True, dynamic=False)
            ran += f", torch.compile(fullgraph, dynamic=False), static KV cache of {CONTEXT}"
        self.cache = self.new_cache()
        self.position = 0
        return ran

    def quantise_int8(self) -> str:
        import torch.ao.quantization as quantization
        # The head is tied to the embedding, which stays in f32; a copy of its own can be quantised.
        self.model.lm_head.weight = torch.nn.Parameter(self.model.lm_head.weight.detach().clone(), requires_grad=False)
        torch.backends.quantized.engine = "x86" if "x86" in torch.backends.quantized.supported_engines else "fbgemm"
        self.model = quantization.quantize_dynamic(self.model, {torch.nn.Linear}, dtype=torch.qint8)
        return f", torch.ao quantize_dynamic qint8 ({torch.backends.quantized.engine})"

    def quantise_int4(self) -> str:
        for module in list(self.model.modules()):
            for name, child in module.named_children():
                if isinstance(child, torch.nn.Linear):
                    setattr(module, name, Int4Linear(child.weight))
        return f", aten _weight_int4pack_mm_for_cpu, groups of {GROUP}"

    def new_cache(self) -> transformers.Cache:
        c = self.model.config
        if not COMPILE:
            return transformers.DynamicCache(config=c)
        cache = transformers.StaticCache(config=c, max_cache_len=CONTEXT)
        cache.early_initialization(1, c.num_key_value_heads, c.head_dim, self.model.dtype, torch.device("cpu"))
        return cache

    def reset(self) -> None:
        if COMPILE:
            self.cache.reset()
        else:
            self.cache = self.new_cache()
        self.position = 0

    def feed(self, ids: list[int]) -> None:
        where = torch.arange(self.position, self.position + len(ids))
        out = self.model(input_ids=torch.tensor([ids]), position_ids=where[None], past_key_values=self.cache,
                         use_cache=True, logits_to_keep=1)
        self.result = out.logits
        self.position += len(ids)

    def logits(self) -> list[float]:
        return self.result[0, -1].float().tolist()


if __name__ == "__main__":
    serve(Torch())

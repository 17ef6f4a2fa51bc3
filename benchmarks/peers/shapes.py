# SPDX-License-Identifier: Apache-2.0
"""The models and the work that every engine is measured with. molmo_worker.cpp repeats the shapes as types."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A Llama of random weights: tied embedding, RMSNorm (eps 1e-5), RoPE (theta 10000), SwiGLU."""
    name: str
    d_model: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    vocab: int = 32000
    context: int = 2048

    @property
    def head_dim(self) -> int:
        return self.d_model // self.heads

    @property
    def parameters(self) -> int:
        kv_width = self.kv_heads * self.head_dim
        layer = 2 * self.d_model * (self.d_model + kv_width) + 3 * self.d_model * self.hidden + 2 * self.d_model
        return self.vocab * self.d_model + self.layers * layer + self.d_model

    def flops(self, tokens: int) -> float:
        """Multiply-adds of a prefill, two operations each: matrices of every token, causal attention, one row of logits."""
        matrices = self.parameters - self.vocab * self.d_model
        attention = 2 * self.layers * self.heads * self.head_dim * tokens / 2
        return 2.0 * (tokens * (matrices + attention) + self.vocab * self.d_model)


SHAPES = {shape.name: shape for shape in (
    Shape("15M", 288, 6, 6, 6, 768),
    Shape("110M", 768, 12, 12, 12, 2048),
    Shape("1B", 2048, 16, 16, 16, 5504),
    # Shapes that nobody tuned a kernel for.
    Shape("odd-320", 320, 5, 5, 5, 864),
    Shape("odd-1000", 1000, 10, 10, 10, 2720),
    Shape("odd-1536", 1536, 8, 12, 2, 8960),
)}

#: Bytes of a weight as it is read in a decode step: the block formats carry one f16 scale for 32 weights.
TYPES = {"f32": 4.0, "bf16": 2.0, "q8": 34 / 32, "q4": 18 / 32}

PREFILL = 512          # ids of a prefill
PROMPT, DECODE = 32, 64  # ids before a decode, and its steps
FIRST = 16             # ids of the prompt whose first token is waited for, in the work "start"
SEED = 20260101        # of the weights

# SPDX-License-Identifier: Apache-2.0
"""llama.cpp through the C functions of llama-cpp-python: no sampling, no Python copies of the logits."""
import ctypes

import llama_cpp as c

from protocol import serve

CONTEXT, BATCH = 2048, 512


class LlamaCpp:
    exact = False

    def __init__(self) -> None:
        self.model = self.context = None
        self.position = 0
        self.quiet = c.llama_log_callback(lambda level, text, data: None)
        c.llama_log_set(self.quiet, ctypes.c_void_p(0))
        c.llama_backend_init()
        self.batch = c.llama_batch_init(BATCH, 0, 1)

    def load(self, path: str, kind: str, threads: int) -> str:
        self.model = c.llama_model_load_from_file(path.encode(), c.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama_model_load_from_file refused {path}")
        options = c.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = CONTEXT, BATCH, BATCH
        options.n_threads = options.n_threads_batch = threads
        options.no_perf = True
        if self.exact:  # by default the KV cache is f16
            options.type_k = options.type_v = c.GGML_TYPE_F32
            options.flash_attn_type = c.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = c.llama_init_from_model(self.model, options)
        if not self.context:
            raise RuntimeError("llama_init_from_model failed")
        self.vocabulary = c.llama_vocab_n_tokens(c.llama_model_get_vocab(self.model))
        formats = {"f32": "F32", "bf16": "BF16", "q8": "Q8_0", "q4": "Q4_0"}
        return f"GGUF {formats[kind]} (pure), mapped; KV cache f16, flash attention auto"

    def reset(self) -> None:
        c.llama_memory_clear(c.llama_get_memory(self.context), True)
        self.position = 0

    def feed(self, ids: list[int]) -> None:
        batch = self.batch
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i] = token
            batch.pos[i] = self.position + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = i + 1 == len(ids)
        if c.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        c.llama_get_logits_ith(self.context, -1)  # waits for the result
        self.position += len(ids)

    def logits(self) -> list[float]:
        return c.llama_get_logits_ith(self.context, -1)[:self.vocabulary]


if __name__ == "__main__":
    serve(LlamaCpp())

# SPDX-License-Identifier: Apache-2.0
"""CTranslate2's Generator. It has no call for one step, so a decode is a greedy text of its own, timed token by token
by its callback (its arg max included); a prefill is a text of one token, whose prompt it runs without logits."""
import json
import time
from pathlib import Path

import ctranslate2
import numpy

from protocol import ids_of, serve

NAMES = {"f32": "float32", "bf16": "bfloat16", "q8": "int8_float32"}


class CTranslate2:
    def load(self, path: str, kind: str, threads: int) -> str:
        self.generator = ctranslate2.Generator(path, device="cpu", compute_type=NAMES[kind], inter_threads=1,
                                               intra_threads=threads)
        self.tokens = json.loads((Path(path) / "vocabulary.json").read_text())
        return f"compute type {self.generator.compute_type}, arg max included"

    def text(self, prompt: int, n: int) -> list[float]:
        """Seconds from the start to each of n tokens after a prompt."""
        times: list[float] = []

        def on_step(step: ctranslate2.GenerationStepResult) -> bool:
            times.append(time.perf_counter() - start)
            return False

        names = [self.tokens[i] for i in ids_of(prompt)]
        start = time.perf_counter()
        self.generator.generate_batch([names], min_length=n, max_length=n, sampling_topk=1, beam_size=1,
                                      include_prompt_in_result=False, callback=on_step)
        if len(times) != n:
            raise RuntimeError(f"{n} tokens were asked for, {len(times)} came")
        return times

    def prefill_seconds(self, n: int) -> float:
        return self.text(n, 1)[0]

    def decode_seconds(self, prompt: int, n: int) -> list[float]:
        times = self.text(prompt, n + 1)  # the first token ends the prompt
        return [b - a for a, b in zip(times, times[1:])]

    def logits_after(self, n: int) -> list[float]:
        names = [self.tokens[i] for i in ids_of(n)]
        out = self.generator.forward_batch([names], return_log_probs=False)
        return numpy.array(out.to(ctranslate2.DataType.float32))[0, -1].tolist()


if __name__ == "__main__":
    serve(CTranslate2())

# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on the graph of onnx_graph.py. The KV cache is one buffer per layer that GroupQueryAttention extends in
place; every input and output is bound once."""
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort

from protocol import serve


class OnnxRuntime:
    def load(self, path: str, kind: str, threads: int) -> str:
        about = json.loads((Path(path) / "about.json").read_text())
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = ort.InferenceSession(str(Path(path) / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        shape = (1, about["kv_heads"], about["context"], about["head_dim"])
        self.caches = []
        for layer in range(about["layers"]):
            for part in ("key", "value"):
                cache = ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
                self.binding.bind_ortvalue_input(f"past_{part}_{layer}", cache)
                self.binding.bind_ortvalue_output(f"present_{part}_{layer}", cache)
                self.caches.append(cache)
        self.result = ort.OrtValue.ortvalue_from_numpy(np.zeros((1, 1, about["vocab"]), np.float32))
        self.binding.bind_ortvalue_output("logits", self.result)
        self.position = 0
        return f"graph of GroupQueryAttention, {about['matmul']}; KV cache f32 in place"

    def reset(self) -> None:
        self.position = 0

    def feed(self, ids: list[int]) -> None:
        total = self.position + len(ids)
        self.binding.bind_cpu_input("input_ids", np.array([ids], np.int64))
        self.binding.bind_cpu_input("seqlens_k", np.array([[total - 1]], np.int32))
        self.binding.bind_cpu_input("total_sequence_length", np.array(total, np.int32))
        self.session.run_with_iobinding(self.binding)
        self.position = total

    def logits(self) -> list[float]:
        return self.result.numpy()[0, 0].tolist()


if __name__ == "__main__":
    serve(OnnxRuntime())

# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the stateful graph that optimum-intel exports. One change is made to it: logits of the last token only, as
OpenVINO's own text pipeline does."""
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as op

from protocol import serve


def keep_last_row(model: ov.Model) -> None:
    """Puts a slice before the head."""
    result = model.get_results()[0]
    node = result.input_value(0).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    source = node.input_value(0)
    last = op.slice(source, op.constant([-1]), op.constant([2**31 - 1]), op.constant([1]), op.constant([1]))
    node.input(0).replace_source_output(last.output(0))
    model.validate_nodes_and_infer_types()


class OpenVino:
    def load(self, path: str, kind: str, threads: int) -> str:
        core = ov.Core()
        model = core.read_model(Path(path) / "openvino_model.xml")
        keep_last_row(model)
        exact = kind == "f32"
        options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                   "INFERENCE_PRECISION_HINT": "f32",
                   "KV_CACHE_PRECISION": "f32" if exact else "f16"}
        if exact:
            options["EXECUTION_MODE_HINT"] = "ACCURACY"
        compiled = core.compile_model(model, "CPU", options)
        self.request = compiled.create_infer_request()
        self.names = {name for port in compiled.inputs for name in port.get_names()}
        self.position = 0
        chosen = {key: str(compiled.get_property(key)) for key in ("INFERENCE_PRECISION_HINT", "KV_CACHE_PRECISION",
                                                                   "DYNAMIC_QUANTIZATION_GROUP_SIZE")}
        return "optimum-intel export, " + ", ".join(f"{key} {value}" for key, value in chosen.items())

    def reset(self) -> None:
        self.request.reset_state()
        self.position = 0

    def feed(self, ids: list[int]) -> None:
        total = self.position + len(ids)
        inputs = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, total), np.int64),
                  "position_ids": np.arange(self.position, total, dtype=np.int64)[None], "beam_idx": np.zeros(1, np.int32)}
        self.request.infer({name: value for name, value in inputs.items() if name in self.names}, share_inputs=True,
                           share_outputs=True)
        self.position = total

    def logits(self) -> list[float]:
        return self.request.get_output_tensor(0).data[0, -1].tolist()


if __name__ == "__main__":
    serve(OpenVino())

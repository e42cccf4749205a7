"""usage: optimized_model.py MODEL OUTPUT

Lets ONNX Runtime write the model that it has optimized, weights and all. sealserve
never does; the test of that shows with this script that it would be seen.
"""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

options = onnxruntime.SessionOptions()
options.optimized_model_filepath = sys.argv[2]
onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])

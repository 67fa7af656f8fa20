"""Networks as ONNX graphs that round where the emulation rounds, and their evaluation by ONNX Runtime."""

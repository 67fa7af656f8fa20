"""What one trial does: train, quantise, evaluate. Each method is a file; Keras is imported when one runs."""

from precision.methods import float32 as float32
from precision.methods import integer as integer
from precision.methods import lite as lite
from precision.methods import low_precision as low_precision
from precision.methods import native as native
from precision.methods import onnx as onnx
from precision.methods import ptq as ptq
from precision.methods import qat as qat
from precision.methods import written_out as written_out

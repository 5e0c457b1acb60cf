"""Prints what ggml's own `dequantize_row_*` makes of one known block of each type, as hashes.

Usage, in a virtual environment with `pip install llama-cpp-python==0.3.36 numpy`:

    python scripts/golden/make_block_hashes.py

The output is the table `GGML_HASHES` in crates/genesis-mesh-local/src/quant/tests.rs: FNV-1a over the bits of
the decoded floats. Byte i of a block is (37 i + 11) mod 256, except that its f16 fields hold 0.5 + place / 256:
numbers so short that every product and sum is exact, with or without fused arithmetic.
"""

import ctypes
import pathlib

import llama_cpp
import numpy as np

# Name: bytes of a block, weights of a block, places of its f16 fields.
BLOCKS = {
    "q4_0": (18, 32, [0]),
    "q4_1": (20, 32, [0, 2]),
    "q5_0": (22, 32, [0]),
    "q5_1": (24, 32, [0, 2]),
    "q8_0": (34, 32, [0]),
    "q4_K": (144, 256, [0, 2]),
    "q5_K": (176, 256, [0, 2]),
    "q6_K": (210, 256, [208]),
}


def main():
    library = next((pathlib.Path(llama_cpp.__file__).parent / "lib").glob("libggml-base.*"))
    ggml = ctypes.CDLL(str(library))
    for name, (size, count, places) in BLOCKS.items():
        block = bytearray((37 * index + 11) % 256 for index in range(size))
        for place in places:
            block[place : place + 2] = np.float16(0.5 + place / 256).tobytes()
        weights = (ctypes.c_float * count)()
        dequantize = getattr(ggml, f"dequantize_row_{name}")
        dequantize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        dequantize((ctypes.c_ubyte * size)(*block), weights, count)
        digest = 0xCBF29CE484222325
        for bits in np.frombuffer(weights, dtype=np.uint32):
            digest = ((digest ^ int(bits)) * 0x100000001B3) % 2**64
        groups = "_".join(f"{digest:016x}"[start : start + 4] for start in range(0, 16, 4))
        print(f"(BlockType::{name.upper().replace('_K', 'K')}, 0x{groups}),")


if __name__ == "__main__":
    main()

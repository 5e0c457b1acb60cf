"""Makes the golden files that hold the engine to llama.cpp.

Usage, in a virtual environment with `pip install llama-cpp-python==0.3.36 numpy`:

    python scripts/golden/make_golden.py MODEL.gguf crates/genesis-mesh-local/tests/golden/NAME.json
    python scripts/golden/make_golden.py --tokenizer MODEL.gguf crates/genesis-mesh-local/tests/golden/tokenizer.json

The first form reads `text.txt` beside this script, tokenizes it, feeds it to llama.cpp in windows of
`window` tokens (each window starts with an empty context) and writes for every token the id that llama.cpp
finds most likely to come next, and by how much its logit leads the second one's:

    {"model_sha256", "llama_cpp_python", "window", "tokens": [...], "argmax": [...], "top2_margin": [...]}

The second form writes what llama.cpp's tokenizer makes of the strings in `strings.json`, without a
beginning-of-text token, with control tokens recognised: [{"text": ..., "tokens": [...]}].

The text is plain and repeats itself on purpose: the model is sure of most tokens, so that rounding alone
changes few argmaxes. llama.cpp agrees with the same weights computed in 32-bit floats, and with its own
flash attention, on 98.0 to 99.0 % of them, whatever the block type; on free prose it was 95 to 97 %. A
lower agreement is a mistake in the computation, and so is a disagreement where `top2_margin` is large.

Golden files of block types that the stock model lacks are made from a repacked one, for example
`cargo xtask quantize MODEL.gguf q4_k.gguf --type q4_k`; that gives the same bytes on every machine.

`--compare GOLDEN.json` with the first form prints how often the result agrees with that file, and
`--flash-attention` computes with llama.cpp's flash attention: how much two correct computations differ.
"""

import argparse
import hashlib
import json
import pathlib

import llama_cpp
import numpy as np

HERE = pathlib.Path(__file__).parent
# llama.cpp's default context, computed as one batch.
WINDOW = 512


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(path, **options):
    return llama_cpp.Llama(
        model_path=path, n_ctx=WINDOW, n_batch=WINDOW, n_ubatch=WINDOW, n_threads=2, n_threads_batch=2,
        verbose=False, **options,
    )


def tokenizer_golden(model):
    llama = load(model, vocab_only=True)
    texts = json.loads((HERE / "strings.json").read_text(encoding="utf-8"))
    return [
        {"text": text, "tokens": llama.tokenize(text.encode(), add_bos=False, special=True)} for text in texts
    ]


def argmax_golden(model, flash_attention):
    llama = load(model, logits_all=True, flash_attn=flash_attention)
    text = (HERE / "text.txt").read_text(encoding="utf-8")
    tokens = llama.tokenize(text.encode(), add_bos=False, special=False)
    argmax, margin = [], []
    for start in range(0, len(tokens), WINDOW):
        window = tokens[start : start + WINDOW]
        llama.reset()
        llama.eval(window)
        logits = np.asarray(llama.scores[: len(window)])
        best = np.sort(logits, axis=1)[:, -2:]
        argmax += logits.argmax(axis=1).tolist()
        margin += [round(float(second_first[1] - second_first[0]), 4) for second_first in best]
    return {
        "model_sha256": sha256(model),
        "llama_cpp_python": llama_cpp.__version__,
        "window": WINDOW,
        "tokens": tokens,
        "argmax": argmax,
        "top2_margin": margin,
    }


def write_json(value, path):
    """One array a line, so that a change can be read."""
    if isinstance(value, list):
        lines = ",\n".join(json.dumps(item, ensure_ascii=True) for item in value)
        text = f"[\n{lines}\n]\n"
    else:
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(item)}" for key, item in value.items())
        text = f"{{\n{lines}\n}}\n"
    pathlib.Path(path).write_text(text, encoding="utf-8")


def compare(golden, other):
    same = sum(left == right for left, right in zip(golden["argmax"], other["argmax"], strict=True))
    total = len(golden["argmax"])
    print(f"{same} of {total} argmaxes are the same ({100 * same / total:.2f} %)")
    drift = np.abs(np.array(golden["top2_margin"]) - np.array(other["top2_margin"]))
    print(f"top-2 margin differs by {drift.mean():.4f} on average, {drift.max():.4f} at most")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("output")
    parser.add_argument("--tokenizer", action="store_true")
    parser.add_argument("--flash-attention", action="store_true")
    parser.add_argument("--compare")
    arguments = parser.parse_args()
    if arguments.tokenizer:
        golden = tokenizer_golden(arguments.model)
    else:
        golden = argmax_golden(arguments.model, arguments.flash_attention)
        print(f"{len(golden['tokens'])} tokens")
    if arguments.compare:
        compare(json.loads(pathlib.Path(arguments.compare).read_text(encoding="utf-8")), golden)
    write_json(golden, arguments.output)


if __name__ == "__main__":
    main()

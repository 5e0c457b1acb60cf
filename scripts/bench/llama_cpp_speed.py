"""Measures llama.cpp by its Python package, on demand: one run for each line on standard input.

Usage, in the virtual environment that `make bench` makes:

    python scripts/bench/llama_cpp_speed.py MODEL.gguf THREADS PROMPT_TOKENS ANSWER_TOKENS

First it prints {"version": …}; then for each line that it reads {"prefill_tok_s": …, "decode_tok_s": …}. It ends
with its input. The low-level functions and an argmax are the fastest way that the package offers: no text,
no sampler, no Python object a token. End tokens end nothing, as in the engine that it is compared with.
"""

import ctypes
import json
import sys
import time

import llama_cpp
import numpy as np


def main():
    path, threads, prompt_tokens, answer_tokens = sys.argv[1], *map(int, sys.argv[2:])
    # Keeps llama.cpp's words off standard error; held in a name, or it would be freed.
    silence = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silence, ctypes.c_void_p(0))
    context, vocab_len = load(path, threads, prompt_tokens + answer_tokens)
    print(json.dumps({"version": llama_cpp.__version__}), flush=True)
    for number, _ in enumerate(sys.stdin):
        print(json.dumps(measure(context, vocab_len, (prompt_tokens, answer_tokens), number)), flush=True)


def load(path, threads, context_tokens):
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
    if not model:
        raise SystemExit(f"llama.cpp can't load {path}")
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = context_tokens
    params.n_threads = params.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        raise SystemExit("llama.cpp can't make a context")
    return context, llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))


def measure(context, vocab_len, load, number):
    prompt_tokens, answer_tokens = load
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    token = lambda i: (number * 131 + i) * 7919 % (vocab_len - 1000) + 1000
    prompt = (llama_cpp.llama_token * prompt_tokens)(*map(token, range(prompt_tokens)))

    start = time.perf_counter()
    picked = step(context, prompt, vocab_len)
    first = time.perf_counter()
    one = (llama_cpp.llama_token * 1)()
    for _ in range(answer_tokens - 1):
        one[0] = picked
        picked = step(context, one, vocab_len)
    end = time.perf_counter()
    return {"prefill_tok_s": prompt_tokens / (first - start), "decode_tok_s": (answer_tokens - 1) / (end - first)}


def step(context, tokens, vocab_len):
    """Computes `tokens` and picks the most likely next one."""
    status = llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, len(tokens)))
    if status != 0:
        raise SystemExit(f"llama_decode gave {status}")
    logits = llama_cpp.llama_get_logits_ith(context, -1)
    return int(np.argmax(np.ctypeslib.as_array(logits, shape=(vocab_len,))))


if __name__ == "__main__":
    main()

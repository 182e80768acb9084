#!/usr/bin/env python3
"""Continues a text with llama-cpp-python, as its users do: continue_text.py MODEL.gguf RESULT.json

The result has a hash over the bits of all logits, and the tokens.
"""

import hashlib
import json
import sys

from llama_cpp import Llama

model, result = sys.argv[1:]
llama = Llama(model, n_ctx=256, n_batch=32, n_threads=2, logits_all=True, verbose=False)
prompt = llama.tokenize(b"A scheduler splits a graph over several devices, and copies what one device needs of another. ")
llama.eval(prompt)
for _ in range(24):
    llama.eval([int(llama.scores[llama.n_tokens - 1].argmax())])
with open(result, "w", encoding="utf-8") as file:
    json.dump({"tokens": [int(token) for token in llama.input_ids[:llama.n_tokens]],
               "logits": hashlib.sha256(llama.scores[:llama.n_tokens].tobytes()).hexdigest()}, file)

#!/usr/bin/env python3
"""Transcribes a sound with pywhispercpp, as its users do: transcribe.py MODEL SOUND.wav RESULT.json"""

import json
import sys

from pywhispercpp.model import Model

model, sound, result = sys.argv[1:]
segments = Model(model, n_threads=2, print_progress=False, print_realtime=False).transcribe(sound)
with open(result, "w", encoding="utf-8") as file:
    json.dump([[segment.t0, segment.t1, segment.text] for segment in segments], file)

"""A Whisper model of a few random weights in the format of CTranslate2: it loads, answers and knows nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEADS, MELS, FRAMES, LENGTH = 32, 2, 80, 1500, 448
SPECIAL = ["endoftext", "startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nospeech"]


def write(folder: Path) -> Path:
    """The model as a folder."""
    import ctranslate2
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    marks = [f"<|{name}|>" for name in (*SPECIAL, "notimestamps")] + [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])

    vocabulary = [*letters, *marks]
    spec = ctranslate2.specs.WhisperSpec(1, HEADS, 1, HEADS)
    _fill(spec, len(vocabulary))
    spec.register_vocabulary(vocabulary)
    spec.config.alignment_heads = [(0, 0)]
    spec.config.suppress_ids, spec.config.suppress_ids_begin, spec.config.lang_ids = [], [], []
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS}))
    return folder


def _fill(spec: Any, words: int) -> None:
    random = np.random.default_rng(3)

    def weight(*shape: int) -> Any:
        return random.normal(0, 0.2, shape).astype(np.float32)

    def linear(layer: Any, out: int, inside: int) -> None:
        layer.weight, layer.bias = weight(out, inside), weight(out)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 4 * WIDTH, WIDTH)
        linear(layer.linear_1, WIDTH, 4 * WIDTH)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = weight(WIDTH, MELS, 3), weight(WIDTH)
    encoder.conv2.weight, encoder.conv2.bias = weight(WIDTH, WIDTH, 3), weight(WIDTH)
    encoder.position_encodings.encodings = weight(FRAMES, WIDTH)
    decoder.position_encodings.encodings = weight(LENGTH, WIDTH)
    decoder.embeddings.weight = weight(words, WIDTH)
    decoder.projection.weight = weight(words, WIDTH)
    for part in (encoder, decoder):
        norm(part.layer_norm)
        for layer in part.layer:
            norm(layer.self_attention.layer_norm)
            linear(layer.self_attention.linear[0], 3 * WIDTH, WIDTH)
            linear(layer.self_attention.linear[1], WIDTH, WIDTH)
            feed_forward(layer.ffn)
    for layer in decoder.layer:
        norm(layer.attention.layer_norm)
        for linear_layer, out in zip(layer.attention.linear, (WIDTH, 2 * WIDTH, WIDTH), strict=True):
            linear(linear_layer, out, WIDTH)

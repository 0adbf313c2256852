"""Models of random weights, token ids of a real corpus, and states for the lens: what the sides of a comparison share.

    python models.py FOLDER CORPUS        # writes what is missing below FOLDER, about 5 GB

CORPUS holds one file a language, line i with the same meaning in each. Its text is read here and stays in FOLDER.
"""

import json, os, random, sys
from pathlib import Path

SHAPES = {
    "llama-100m": ("LlamaConfig", "LlamaForCausalLM", dict(
        hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12, num_key_value_heads=12,
        vocab_size=32000, max_position_embeddings=2048, tie_word_embeddings=True)),
    "qwen2-0.5b": ("Qwen2Config", "Qwen2ForCausalLM", dict(
        hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2,
        vocab_size=151936, max_position_embeddings=2048, tie_word_embeddings=True)),
    "xlmr-base": ("XLMRobertaConfig", "XLMRobertaForMaskedLM", dict(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, vocab_size=250002,
        max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2)),
}
# Of 29 languages these 16, of nine scripts.
LANGUAGES = ("amh_Ethi arb_Arab ben_Beng eng_Latn fra_Latn hau_Latn hin_Deva ind_Latn khm_Khmr mya_Mymr rus_Cyrl som_Latn "
             "spa_Latn swh_Latn tam_Taml urd_Arab").split()
SENTENCES = 200
BATCH = 32


def lines(corpus):
    return {language: (Path(corpus) / f"{language}.txt").read_text(encoding="utf-8").splitlines()[:SENTENCES]
            for language in LANGUAGES}


def tokenizer(path, text, xlmr):
    """Byte-level BPE trained on the text itself, so that sentences have the lengths that a tokenizer of their languages gives."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=30000, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator((line for language in LANGUAGES for line in text[language]), trainer)
    if xlmr:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    made.save(str(path))
    return made


def write_model(folder, shape, dtype):
    import torch, transformers

    config, model, sizes = SHAPES[shape]
    torch.manual_seed(0)
    config = getattr(transformers, config)(**sizes)
    getattr(transformers, model)(config).to(getattr(torch, dtype)).save_pretrained(folder)


def batches(ids):
    """All sentences by length, longest first, in batches: what a careful script gives to transformers."""
    order = sorted(ids, key=len, reverse=True)
    return [order[i:i + BATCH] for i in range(0, len(order), BATCH)]


def pick(all_batches, count):
    """`count` of the batches, spread evenly over the lengths: the padding of a part is then that of the whole."""
    if count <= 0 or count >= len(all_batches):
        return all_batches
    return [all_batches[int((i + 0.5) * len(all_batches) / count)] for i in range(count)]


def equal(ids, length, rows):
    """Sentences cut to one length, so that nothing has to be padded."""
    return [row[:length] for row in random.Random(0).sample([row for row in ids if len(row) >= length], rows)]


def prepare(root, corpus):
    import numpy as np
    from safetensors.numpy import save_file

    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    text = lines(corpus)
    (root / "corpus").mkdir(exist_ok=True)
    for language in LANGUAGES:
        target = root / "corpus" / f"{language}.txt"
        target.write_text("\n".join(text[language]) + "\n", encoding="utf-8")
    for kind in ["bpe", "xlmr"]:
        path = root / f"{kind}.tokenizer.json"
        if not path.exists() or not (root / f"{kind}.ids.json").exists():
            made = tokenizer(path, text, kind == "xlmr")
            ids = [made.encode(line).ids[:500] for language in LANGUAGES for line in text[language]]
            (root / f"{kind}.ids.json").write_text(json.dumps(ids))
    for shape in SHAPES:
        for dtype in ["float32", "bfloat16"]:
            folder = root / f"{shape}-{dtype}"
            if not (folder / "tokenizer.json").exists():
                write_model(folder, shape, dtype)
                kind = "xlmr" if shape.startswith("xlmr") else "bpe"
                (folder / "tokenizer.json").write_bytes((root / f"{kind}.tokenizer.json").read_bytes())
    states = root / "lens.states.safetensors"
    if not states.exists():
        sizes = SHAPES["qwen2-0.5b"][2]
        rng = np.random.default_rng(0)
        shape = (sizes["num_hidden_layers"] + 1, 512, sizes["hidden_size"])
        save_file({"states": rng.standard_normal(shape, dtype=np.float32)}, states)
    return root


if __name__ == "__main__":
    prepare(sys.argv[1], sys.argv[2])

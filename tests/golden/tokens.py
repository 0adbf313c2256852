"""Small tokenizers of the kinds that the families use, and the sentences."""
import json
from collections import Counter
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
LENGTHS = {"eng_Latn": 1, "arb_Arab": 6, "hin_Deva": 9, "tha_Thai": 8, "zho_Hans": 5}
WORDS = r"'s|'t|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level(lines, specials, split=None, normalizer=None, bos=None):
    t = Tokenizer(models.BPE())
    if normalizer is not None:
        t.normalizer = normalizer
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    t.pre_tokenizer = bytes_ if split is None else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(split), "isolated"), bytes_])
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=290, special_tokens=specials, initial_alphabet=alphabet, show_progress=False))
    if bos:
        t.post_processor = with_specials(t, f"{bos} $A", bos)
    return t


def byte_fallback(lines, specials, bos, prepend):
    """The shape of Llama 2's tokenizer (`prepend`) or Gemma's: spaces are U+2581, and what has no token falls to bytes."""
    raw = [f"<0x{b:02X}>" for b in range(256)]
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    # The trainer's own limit on the alphabet breaks ties at random: choose the commonest characters here.
    count = Counter("".join(lines))
    common = set(sorted(count, key=lambda c: (-count[c], c))[:50])
    kept = ["".join(c for c in line if c in common) for line in lines]
    t.train_from_iterator(kept, trainers.BpeTrainer(
        vocab_size=330, special_tokens=specials + raw, initial_alphabet=sorted(common - {" "}), show_progress=False))
    j = json.loads(t.to_str())
    j["added_tokens"] = [a for a in j["added_tokens"] if a["content"] in specials]
    j["pre_tokenizer"] = None
    j["model"].update(byte_fallback=True, fuse_unk=True)
    t = Tokenizer.from_str(json.dumps(j))
    replace, steps = normalizers.Replace(" ", "▁"), [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prepend else replace
    t.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if prepend else []))
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in specials])
    t.post_processor = with_specials(t, f"{bos} $A", bos)
    return t


def with_specials(t, single, *specials):
    return processors.TemplateProcessing(single=single, special_tokens=[(s, t.token_to_id(s)) for s in specials])


def committed(name, single=None, *specials):
    """A tokenizer of the folder beside this file; Unigram's trainer gives other scores at each run."""
    t = Tokenizer.from_file(str(HERE / "tokenizers" / name / "tokenizer.json"))
    if single:
        t.post_processor = with_specials(t, single, *specials)
    return t


def make(lines):
    return {
        "llama3": byte_level(lines, ["<|begin_of_text|>", "<|end_of_text|>"], WORDS, bos="<|begin_of_text|>"),
        "qwen": byte_level(lines, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], WORDS, normalizers.NFC()),
        "gpt2": byte_level(lines, ["<|endoftext|>"]),
        "opt": byte_level(lines, ["<s>", "<pad>", "</s>", "<unk>"], bos="</s>"),
        "fallback": byte_fallback(lines, ["<unk>", "<s>", "</s>"], "<s>", True),
        "gemma": byte_fallback(lines, ["<pad>", "<eos>", "<bos>", "<unk>"], "<bos>", False),
        "wordpiece": committed("wordpiece"),
        "xglm": committed("unigram_tok"),
        "xlmr": committed("unigram_tok", "<s> $A </s>", "<s>", "</s>"),
        "mt5": committed("unigram_tok", "$A </s>", "</s>"),
    }


def sentences(corpus, t):
    """One text a language, cut to a number of tokens; the first has a single one."""
    encode = lambda x: t.encode(x, add_special_tokens=False).ids
    chosen = []
    for language, want in LENGTHS.items():
        text = " ".join((corpus / f"{language}.txt").read_text(encoding="utf-8").split("\n")[:2])
        fits = [text[:k].rstrip() for k in range(1, len(text)) if len(encode(text[:k].rstrip())) <= want]
        chosen.append((language, max(fits, key=len) if want > 1 else "a"))
    return chosen

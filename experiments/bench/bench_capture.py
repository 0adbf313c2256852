"""Pooled capture of every layer: Babelscope beside Hugging Face transformers, in one run.

    python bench_capture.py --ours TARGET/release/examples/bench_capture [--corpus FILE] [--shapes small,half] [--rounds 2]

Writes models of random weights to a temporary folder, then lets the sides take turns; each turn is its own process, loads
the model, warms up once and reports the best of its repetitions. Same token ids for all, f32 computation, two threads.
transformers gets the sentences sorted by length in padded batches of 32, `output_hidden_states=True`, and pools each layer
with the mask; `causal` is AutoModelForCausalLM (what MEXA's and most scripts load), `base` is AutoModel (no unembedding).
"""

import argparse, json, os, random, subprocess, sys, tempfile, time

SHAPES = {
    # The 24-layer and the 8-layer model.
    "half": dict(hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
                 num_key_value_heads=2, vocab_size=151936, tie_word_embeddings=True),
    "small": dict(hidden_size=256, intermediate_size=1024, num_hidden_layers=8, num_attention_heads=4,
                  num_key_value_heads=4, vocab_size=16000, tie_word_embeddings=True),
}


def write_model(folder, shape, dtype):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(**SHAPES[shape], max_position_embeddings=2048)
    Qwen2ForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)
    # The ids are given, so a tokenizer of a few words is enough for a folder to be whole.
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(os.path.join(folder, "tokenizer.json"))


def write_ids(path, corpus, sentences, vocabulary):
    rng = random.Random(0)
    if corpus:
        # About four characters a token, as an English tokenizer has.
        with open(corpus, encoding="utf-8") as file:
            lengths = [max(3, len(line.strip()) // 4) for line in file if line.strip()][:sentences]
    else:
        lengths = [min(90, max(4, round(rng.lognormvariate(3.3, 0.45)))) for _ in range(sentences)]
    ids = [[rng.randrange(vocabulary) for _ in range(n)] for n in lengths]
    with open(path, "w") as file:
        json.dump(ids, file)
    return lengths


def transformers_side(folder, ids_path, repetitions, head):
    import resource, torch
    from transformers import AutoModel, AutoModelForCausalLM

    torch.set_num_threads(2)
    kind = AutoModelForCausalLM if head == "causal" else AutoModel
    start = time.perf_counter()
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    load = time.perf_counter() - start
    ids = sorted(json.load(open(ids_path)), key=len, reverse=True)
    batches = [ids[i:i + 32] for i in range(0, len(ids), 32)]
    seconds, last = [], None
    with torch.inference_mode():
        for _ in range(repetitions + 1):
            start = time.perf_counter()
            pooled = []
            for batch in batches:
                width = max(map(len, batch))
                tokens = torch.tensor([row + [0] * (width - len(row)) for row in batch])
                mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch])
                hidden = model(input_ids=tokens, attention_mask=mask, output_hidden_states=True).hidden_states
                weight = mask[:, :, None].float()
                pooled.append(torch.stack([(h * weight).sum(1) / weight.sum(1) for h in hidden]))
            seconds.append(time.perf_counter() - start)
            # The last entry is after the final norm, so the one before shows that both sides compute the same.
            last = torch.cat(pooled, 1)[-2].abs().mean().item()
    peak = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} kB"
    print(json.dumps(dict(seconds=seconds[1:], load_seconds=load, peak=peak, mean_abs_state=last)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours")
    parser.add_argument("--corpus")
    parser.add_argument("--shapes", default="small,half")
    parser.add_argument("--dtypes", default="float32,bfloat16", help="of the weights on disk")
    parser.add_argument("--sentences", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--keep", help="folder for the models, kept for the next time")
    parser.add_argument("--prefix", default="", help="put before every measured command, as 'chrt -f 10'")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--ids", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.side:
        return transformers_side(a.folder, a.ids, a.repetitions, a.side)
    environment = os.environ | {"RAYON_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as temporary:
        keep = a.keep or temporary
        for shape in a.shapes.split(","):
            for dtype in a.dtypes.split(","):
                folder = os.path.join(keep, f"{shape}-{dtype}")
                if not os.path.exists(os.path.join(folder, "tokenizer.json")):
                    write_model(folder, shape, dtype)
                ids = os.path.join(temporary, "ids.json")
                lengths = write_ids(ids, a.corpus, a.sentences, SHAPES[shape]["vocab_size"])
                me = [sys.executable, os.path.abspath(__file__), "--folder", folder, "--ids", ids,
                      "--repetitions", str(a.repetitions), "--side"]
                sides = {"causal": me + ["causal"], "base": me + ["base"],
                         "ours": [a.ours, folder, ids, str(a.repetitions)]}
                best, report = {}, {}
                for _ in range(a.rounds):
                    for side, command in sides.items():
                        done = subprocess.run(a.prefix.split() + command, env=environment, check=True,
                                              capture_output=True, text=True)
                        report[side] = json.loads(done.stdout.strip().splitlines()[-1])
                        best[side] = min([best.get(side, 1e9), *report[side]["seconds"]])
                tokens = sum(lengths)
                print(f"{shape}, weights stored as {dtype}: {len(lengths)} sentences, {tokens} tokens "
                      f"(longest {max(lengths)})")
                for side, seconds in best.items():
                    r = report[side]
                    print(f"  {side:7} {seconds:8.3f} s {tokens / seconds:9.0f} tokens/s   ours is {seconds / best['ours']:5.2f}x"
                          f"   load {r['load_seconds']:.1f} s   peak {r['peak']}   mean |state| {r['mean_abs_state']:.5f}",
                          flush=True)


main()

"""Cuts the Noto fonts that Babelscope carries.

    apt-get install -y --no-install-recommends fonts-noto-core fonts-noto-cjk
    pip install fonttools==4.68.0
    python cut.py [folder of the Debian fonts, default /usr/share/fonts]

The output is the same, byte for byte, from the same input and fonttools: time stamps are left as they are.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

HERE = Path(__file__).parent
FONTS = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/fonts")

# Whole faces: every character and every layout table stays, only names and tables that no renderer reads are dropped.
WHOLE = """
NotoSans NotoSansArabic NotoSansHebrew NotoSansSyriac NotoSansThaana NotoSansNKo NotoSansAdlam NotoSansDevanagari
NotoSansBengali NotoSansTamil NotoSansTelugu NotoSansKannada NotoSansMalayalam NotoSansGujarati NotoSansGurmukhi
NotoSansOriya NotoSansSinhala NotoSansOlChiki NotoSansMeeteiMayek NotoSansThai NotoSansLao NotoSansKhmer
NotoSansMyanmar NotoSerifTibetan NotoSansEthiopic NotoSansGeorgian NotoSansArmenian NotoSansTifinagh NotoSansCherokee
""".split()

# What the screens and figures draw beside the words of a language, and what corpora are full of.
SYMBOLS = (
    "←↑→↓↔↕↖↗↘↙⇄⇆⇐⇒⇔⇥⇤↩↵↺↻⏎␣⌂⌘⌥⌫⏵⏸⏹■□▢▣▪▫▬▲△▴▵▶▷▸▹▼▽▾▿◀◁◂◃◆◇◈◉◊○◌●◐◑◒◓◦◯◼◻★☆☐☑☒✓✔✕✖✗✘✚✱⚠⚙⛔ℹ"
    "∀∂∃∅∆∇∈∉∏∑−∓∕∗∘∙√∝∞∠∧∨∩∪∫∴∼≃≅≈≠≡≤≥≪≫⊂⊃⊆⊇⊕⊗⊙⊥⋅⋮⋯⟨⟩⟵⟶⌊⌋⌈⌉"
)


# Characters of written Cantonese beyond those levels.
CANTONESE = "咗焗喺嘅佢梘枱嗰嘢靚騮啲嚟冇唔乜咁嘥攞搵睇瞓諗俾畀噉哋咩嘞喇啦㗎吖噃咋嘛晒嚿啱攰餸煲嬲孭掟揼撳攬擘冚冧咪孖𡁻"


def options() -> subset.Options:
    chosen = subset.Options()
    chosen.layout_features = ["*"]
    chosen.notdef_outline = True
    chosen.glyph_names = False
    chosen.recalc_timestamp = False
    chosen.name_languages = [0x409]
    return chosen


def write(font: TTFont, unicodes: set[int], chosen: subset.Options, name: str) -> None:
    cutter = subset.Subsetter(chosen)
    cutter.populate(unicodes=unicodes)
    cutter.subset(font)
    path = HERE / name
    font.save(path)
    print(f"{path.stat().st_size:>9} {len(font.getBestCmap()):>6} characters  {name}")


def common_cjk() -> set[int]:
    """GB 2312, JIS X 0208, Hangul and Hanja of KS X 1001, the first level of Big5, and written Cantonese."""
    standards = {
        "gb2312": (range(0xA1, 0xF8), range(0xA1, 0xFF)),
        "euc_jp": (range(0xA1, 0xF5), range(0xA1, 0xFF)),
        "euc_kr": (range(0xA1, 0xFE), range(0xA1, 0xFF)),
        "big5": (range(0xA1, 0xC7), range(0x40, 0xFF)),
    }
    found = set(range(0x20, 0x7F))
    for codec, (first, second) in standards.items():
        for lead in first:
            for trail in second:
                try:
                    text = bytes([lead, trail]).decode(codec)
                except UnicodeDecodeError:
                    continue
                # The rows of boxes, Greek and Cyrillic are in Noto Sans or not needed.
                if len(text) == 1 and ord(text) >= 0x2E80:
                    found.add(ord(text))
    found.update(map(ord, CANTONESE))
    for block in [(0x3000, 0x3040), (0x3040, 0x3100), (0x3130, 0x3190), (0x31F0, 0x3200), (0xFF00, 0xFFF0)]:
        found.update(range(*block))
    return found


def main() -> None:
    for name in WHOLE:
        font = TTFont(FONTS / "truetype/noto" / f"{name}-Regular.ttf", lazy=False)
        write(font, set(font.getBestCmap()), options(), f"{name}.ttf")

    covered = set(TTFont(HERE / "NotoSans.ttf").getBestCmap())
    missing = {ord(c) for c in SYMBOLS} - covered
    for source in ["NotoSansSymbols2", "NotoSansSymbols", "NotoSansMath"]:
        font = TTFont(FONTS / "truetype/noto" / f"{source}-Regular.ttf", lazy=False)
        take = missing & set(font.getBestCmap())
        missing -= take
        if take:
            chosen = options()
            chosen.layout_features = []
            chosen.drop_tables += ["MATH"]
            write(font, take, chosen, f"{source}.ttf")
    if missing:
        sys.exit("no font has " + " ".join(f"U+{c:04X}" for c in sorted(missing)))

    cjk = TTCollection(FONTS / "opentype/noto/NotoSansCJK-Regular.ttc", lazy=False)
    font = next(f for f in cjk.fonts if f["name"].getBestFamilyName() == "Noto Sans CJK SC")
    chosen = options()
    # Vertical forms, regional and historical variants would double the size.
    chosen.layout_features = ["ccmp", "kern", "ljmo", "mark", "mkmk", "tjmo", "vjmo"]
    chosen.hinting = False
    write(font, common_cjk(), chosen, "NotoSansCJKsc.otf")
    print(sum(p.stat().st_size for p in HERE.glob("*.[ot]tf")), "bytes together")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the tokenizer tests: tiny tokenizer.json files of every kind, a hard corpus, and what `tokenizers` makes of it.

    OUT/corpus.json            {"strings": [...]}
    OUT/<name>/tokenizer.json  a trained tokenizer of that kind
    OUT/<name>/golden.json     {"before": [...], "after": [...], "cases": [...]}, cases in the order of the corpus
    OUT/unicode_classes.json   code point ranges of \\p{L}, \\p{N} and \\s as the regex engine of `tokenizers` sees them
    OUT/nfc.json               every code point and pair that NFC changes, as `tokenizers` does it
    OUT/nfc_marks.json         [mark, ranges that it moves before, ranges that move before it]: code points that NFC sorts

A case holds "ids" (without special tokens); with special tokens the ids are before + ids + after. From those ids come
"decode_skip" (special tokens skipped; left out where it is the string itself) and "decode" (special tokens kept; left
out where it equals the former).

    python tools/make_tokenizer_golden.py [--out DIR] [--shakespeare DIR] [--stories DIR]
"""
import argparse
import json
import platform
import random
import unicodedata
from collections import Counter
from pathlib import Path

import tokenizers
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

REPO = Path(__file__).resolve().parent.parent
SEED = 0
VERSIONS = {"python": platform.python_version(), "tokenizers": tokenizers.__version__, "seed": SEED}

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
          r"|\s+(?!\S)|\s+")

TEXT = """\
The river was high after the rain, and nobody wanted to cross it before the morning.
She said: "I'm sure they've left; we'll see who's there, and I'd rather not wait." They're late again, aren't they?
In 1987 the town had 12345 people, 3.14159 miles of road and 2,000,000 reasons to stay.
Hello world! Hello, World? HELLO WORLD... Hello    world\t\ttabs and   spaces
Der Fluß war nach dem Regen hoch, und niemand wollte ihn überqueren. Ärger mit der Straße, schöne Grüße!
Die Übersetzung der Geschichten dauerte länger, als die Gäste dachten.
Après la pluie, la rivière était haute ; personne n'osait la traverser. Où est la forêt ? Ça, c'est l'été déjà.
L'élève a mangé des crêpes à la crème brûlée, naïvement.
El niño comió piñas y cantó una canción. ¿Dónde está mañana? ¡Aquí!
Река была высокой после дождя, и никто не хотел её переходить.
雨のあと、川の水は高くなり、誰も朝まで渡ろうとしなかった。東京タワーへ行きます。カタカナとひらがな。
雨后河水很高，没有人愿意在早晨之前过河。我们明天去北京，好吗？一二三四五六七八九十。
비가 온 뒤에 강물이 높아져서 아무도 아침 전에는 건너려고 하지 않았다. 안녕하세요, 세계!
كان النهر عاليا بعد المطر ولم يرد أحد أن يعبره قبل الصباح. مرحبا بالعالم ١٢٣٤
बारिश के बाद नदी ऊँची थी और सुबह से पहले कोई उसे पार नहीं करना चाहता था। नमस्ते दुनिया १२३
ฝนตกหนักทำให้น้ำในแม่น้ำสูงขึ้น ไม่มีใครอยากข้าม
הנהר היה גבוה אחרי הגשם ואף אחד לא רצה לחצות אותו לפני הבוקר.
Nước sông dâng cao sau cơn mưa, không ai muốn qua trước buổi sáng.
😀😃😄 👍🏽 👩‍👩‍👧‍👦 🇩🇪🇫🇷 ❤️ ✨ party 🎉🎉🎉 done ✅
def add(a, b):
    # returns the sum
    return a + b  # 42
for (int i = 0; i < n; ++i) { sum += x[i] * y[i]; }\r
if (ptr != nullptr && *ptr == '\\0') { std::printf("%d\\n", 100); }
<div class="note">a &amp; b</div> https://example.org/path?q=1&r=2#frag
x² + y² = z²; ½ + ¼ = ¾; Ⅻ is 12; α β γ δ; ∑∏∫√∞ ≤ ≥ ≠; a→b ⇒ c
e-mail: someone@example.org, phone +49 (0)30 123456-78, ISBN 978-3-16-148410-0
'tis the season; rock 'n' roll; O'Neill's; 'S 'T 'RE 'VE 'M 'LL 'D
one two three four five six seven eight nine ten, one two three four five six seven eight nine ten
the the the the the and and and and of of of of to to to in in in that that it is was for on with as at by
"""


# ---- corpus ---------------------------------------------------------------------------------------------------------

def corpus() -> list[str]:
    s = ["", " ", "  ", "   ", "\n", "\r\n", "\r", "\t", "\n\n", "\r\n\r\n", " \n", "\n ", " \n \n ", "\t \t", "a", " a", "a ",
         "  a", "a  ", "   a   b    c     ", "a\nb", "a\r\nb", "a\rb", "a \r\n b", "a\n\n\nb", "a \n\n b\n", "\ta\tb", "a\u00a0b",
         "\u3000全角\u3000空白", "a\u2003b\u2028c\u2029d\u0085e\u000bf\u000cg", "\u200ba\u200bb\ufeffc", "\u1680x\u180ey\u205fz\u202fw"]
    s += ["Hello world", "hello world", "HELLO WORLD", "Hello, world!", "Hello  world", "Hello   world", " Hello world ",
          "The quick brown fox jumps over the lazy dog.", "Once upon a time", "To be, or not to be, that is the question:",
          "ROMEO:\nBut, soft! what light through yonder window breaks?\n\nJULIET:\nAy me!\n"]
    # contractions, both apostrophes and cases, and the long s that folds to s
    s += ["I'm you're he's we've they'll I'd can't", "I'M YOU'RE HE'S WE'VE THEY'LL I'D CAN'T", "it’s don’t we’ll",
          "'s't're've'm'll'd", "'S'T'RE'VE'M'LL'D", "'Re 'vE 'Ll", "''s '' 'x 'sx's", "x'ſ y'ſt 'ſ", "'", "''", "' s", "O'Neill's dogs' bones", "'l 'r 'v 'lla 'dx"]
    # digits
    s += ["0", "12", "123", "1234", "12345", "1234567890", " 1234", "1 22 333 4444 55555", "3.14159", "1,000,000.00", "a1b22c333",
          "٠١٢٣٤٥٦٧٨٩", "१२३४५", "½¼¾ Ⅷ ④ ²³", "１２３４", "𝟏𝟐𝟑𝟒", "2024-01-31T12:34:56Z", "0x1F600", "1e-10"]
    # punctuation and code
    s += ["...", "!!!???", " ...", "a...b", "(a)[b]{c}", "a_b __init__ _x", "foo.bar(baz)->qux::quux<T>&&", "x=1;y=2;//c\n", "#include <stdio.h>\r\n\r\nint main(void)\r\n{\r\n\treturn 0;\r\n}\r\n",
          "def f(x):\n    return x\n\n\nclass A:\n        pass\n", "{\"a\": [1, 2.5, null], \"b\": \"c\\n\"}", "https://example.org/a?b=c&d=%20#e", "$5.00 €6 £7 ¥8 #9 @me 50%", "~`^|\\\"",
          "--- *** === ___", "¡¿Qué?!", "«Bonjour»", "„Hallo“", "—–-", ".\n.\n\n.\r\n", ":\n", ";\n\n  ;", " !\n", "!\n x", "? \n"]
    # languages
    s += ["Straße Größe Übermut", "Ça a été déjà vu à la forêt", "Привет, мир!", "Γειά σου Κόσμε", "你好，世界！", "我们明天去北京。", "東京タワーへ行きます。", "안녕하세요 세계",
          "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "Chào thế giới", "ქართული Հայերեն አማርኛ", "ᠮᠣᠩᠭᠣᠯ བོད་ཡིག", "ελληνικά и русский mixed 中文 text 한국어", "İstanbul ı ß ẞ ﬁ ﬀ", "ǅ ǆ Ǆ ʰ ˈ ː"]
    # emoji, joiners, variation selectors, tags
    s += ["😀", "😀😃😄", "👍🏽", "👩‍👩‍👧‍👦 family", "🇩🇪🇫🇷", "❤️ ❤", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "a😀b 😀 c", "✨🎉✅", "🧑🏿‍🚀🧑🏻‍🚀"]
    # normalisation: composed, decomposed, reordering of marks, Hangul, singletons, exclusions
    s += ["café", "cafe\u0301", "cafe\u0301! caf\u00e9!", "A\u030a \u00c5 \u212b", "\u1e9b\u0323", "\u0061\u0315\u0300\u05ae\u0300\u0062", "o\u0302\u0323 o\u0323\u0302 \u1ed9",
          "\u1112\u1161\u11ab\u1100\u1173\u11af", "\u1100\u1161 \uac00\u11a8 \uac00\u11a7 \uac01", "\u1100\u1100\u1161\u11a8\u11a8", "\u0958 \u0915\u093c", "\u2126 \u212a \u2329", "\uf900 \u8c48 \ufa30", "\u0344 \u0308\u0301",
          "e\u0301\u0301\u0301\u0301", "\u0301", " \u0301a", "\u0301\u0301 a", "\u0928\u093c \u0929", "\U0001d15e \U0001d157\U0001d165", "\U0002f800", "q\u0307\u0323", "\u0041\u0300\u0301\u0302\u0303", "\ufb1d \ufb4f", "n\u0303 N\u0303 \u00f1", "\u09c7\u09be \u0b47\u0b57 \u11099\u110ba", "Zalgo: Z\u0351\u036b\u0343a\u0334\u0310l\u0320\u0304g\u031b\u030ao"]
    # strings that hold special and added tokens
    s += ["<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "a <|endoftext|>  b", "<|endoftext|><|endoftext|>", "<|endoftext", "<|ENDOFTEXT|>", "<|begin_of_text|>Hi<|eot_id|>", "<|im_start|>user\nHi<|im_end|>\n", "<tool_call>{}</tool_call>",
          "<s>a</s>", "<s> a </s>", "<unk>", " <unk> x", "<0x41>", "<0x0A>x", "a <mask> b", "a  <mask>  b", "<mask><mask>", "a\n<mask>\nb", "x <sep>   y", "x<sep>\n\ny", "x  <both>  y", "x\t<both>\u3000y", "<both> <both>", "<mask> <sep>",
          "cat", "a cat sat", "concat cats cat.", "cat cat", "catcat _cat cat_", "dog", "hotdog dog  dog", " dog", "dog1 1dog", "<|end|>", "<|end|><|of|>", "<|end|><|of", "<naïve>", "a<naïve>b", "nai\u0308ve <nai\u0308ve>", "Straße", "Straßen", "|||PHONE_NUMBER||| |||EMAIL_ADDRESS|||", "call |||PHONE_NUMBER|||.",
          "  x", "   x", "    x", "     x", "                         x", "x" + " " * 40 + "y", "\n" + " " * 8 + "x\n" + " " * 16 + "y", " " * 24, " " * 25, " " * 49]
    # ▁ in the text itself, and text that looks like byte tokens
    s += ["▁", "▁▁a", "a▁b ▁ c", "Ġ Ċ ĉ", "Ġhello", "�", "a�b"]
    # control characters, ends of planes, private use, unassigned, noncharacters
    s += ["\u0000", "a\u0000b", "\u0001\u0002\u001f\u007f", "\u0080\u009f\u00ad", "\ud7ff\ue000", "\ufffe\uffff", "\U0001fffe\U0001ffff", "\U00010000", "\U0010ffff", "\U000e0001\U000e007f", "\U000f0000\U00100000"]
    s += ["\U00010400\U00010428 Deseret", "\U00012000\U00012400", "\U0001d400\U0001d7ce", "\U00020000\U0002a6d6\U00030000", "\u0378\u0530", "\U0001e900\U0001e922", "\U00011f02\U00011f50\U0001e4d0", "\U0002ebf0\U00031350", "\U00010d40\U00010d4a\ua7cb\U0001e5d0"]
    s += ["".join(chr(c) for c in range(0x20, 0x7f)), "".join(chr(c) for c in range(0xa0, 0x180)), "".join(chr(c) for c in range(0x300, 0x370)), "".join(chr(c) for c in range(0x2000, 0x2070)), "".join(chr(c) for c in range(0x3000, 0x3060))]
    # one code point from every 1024, so that every plane is met
    walk = [c for c in range(0x180, 0x110000, 1021) if not 0xd800 <= c <= 0xdfff]
    for i in range(0, len(walk), 120):
        s.append("".join(chr(c) + (" " if c % 3 == 0 else "") for c in walk[i:i + 120]))
    # long runs and long lines
    s += ["a" * 2000, " " * 2000, "\n" * 2000, "7" * 2000, "中" * 2000, "é" * 500, "ab" * 700, "=" * 777, "\t" * 333, " \n" * 300, "a " * 500, "😀" * 150, "\r\n" * 300, "e\u0301" * 300, "x" * 1999 + "!", " " * 999 + "x"]
    s += TEXT.splitlines()
    # seeded mixtures
    rng = random.Random(SEED)
    pools = ["abcdefghijklmnopqrstuvwxyz", "ABCXYZ", "0123456789", "      ", "\n\r\t", "'’\"!?.,;:-_()[]{}<>|/\\@#$%^&*+=~`", "äöüßéèêçñ", "中文字日本語", "한국어", "\u0301\u0308\u0323\u200d\ufe0f", "😀👍🎉", "абв", "אבג", "١٢", "½²Ⅳ", "\u00a0\u3000\u2028"]
    fragments = ["'s", "'ll", "'RE", "<|endoftext|>", "<mask>", " the", "  ", "\r\n", "cat", "<s>", "▁", "|||", "<|im_end|>", "\n\n"]
    for _ in range(160):
        out = ""
        for _ in range(rng.randint(1, 14)):
            if rng.random() < 0.15:
                out += rng.choice(fragments)
            else:
                pool = rng.choice(pools)
                out += "".join(rng.choice(pool) for _ in range(rng.randint(1, 5)))
        s.append(out)
    return list(dict.fromkeys(s))


# ---- tokenizers -----------------------------------------------------------------------------------------------------

def byte_level(pre, vocab: int, first: list[AddedToken], *, normalizer=None, post=None, alphabet=None,
               text: str = TEXT) -> Tokenizer:
    tok = Tokenizer(models.BPE())
    if normalizer is not None:
        tok.normalizer = normalizer
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    if post is not None:
        tok.post_processor = post
    alphabet = pre_tokenizers.ByteLevel.alphabet() if alphabet is None else alphabet
    tok.train_from_iterator(text.split("\n\n"), trainers.BpeTrainer(
        vocab_size=vocab, show_progress=False, initial_alphabet=alphabet, special_tokens=first))
    return tok


def split_then_bytes(pattern: str):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)])


def special(content: str, **kw) -> AddedToken:
    return AddedToken(content, special=True, normalized=False, **kw)


def plain(content: str, **kw) -> AddedToken:
    return AddedToken(content, **{"special": False, "normalized": True, **kw})


def gpt2(prefix: bool = False) -> Tokenizer:
    pre = pre_tokenizers.ByteLevel(add_prefix_space=prefix, trim_offsets=True, use_regex=True)
    return byte_level(pre, 420, [special("<|endoftext|>")], post=processors.ByteLevel(trim_offsets=False))


def gpt2_added() -> Tokenizer:
    """Prefix space and every flag of an added token."""
    tok = gpt2(prefix=True)
    tok.add_special_tokens([special("<mask>", lstrip=True), special("<sep>", rstrip=True),
                            special("<both>", lstrip=True, rstrip=True), special("<|end|>"),
                            special("<|end|><|of|>"), special("<naïve>")])
    tok.add_tokens([plain("cat", single_word=True), plain("dog", single_word=True, lstrip=True, normalized=False),
                    plain("Straße")])
    return tok


def gpt2_dropped() -> Tokenizer:
    """No byte alphabet and no unk_token: unknown symbols vanish."""
    pre = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)
    return byte_level(pre, 150, [special("<|endoftext|>")], alphabet=[], text=TEXT.splitlines()[0])


def llama3() -> Tokenizer:
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    tok = byte_level(split_then_bytes(LLAMA3), 420, [special(n) for n in names])
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                                      special_tokens=[("<|begin_of_text|>", tok.token_to_id("<|begin_of_text|>"))])])
    j = json.loads(tok.to_str())
    j["model"]["ignore_merges"] = True
    # Whole pre-tokens that no merge builds: only ignore_merges finds them.
    n = max(j["model"]["vocab"].values()) + 1
    for i, word in enumerate(["ĠHello", "Ġquick", "123", "ĠStraÃŁe", "ä¸Ń"]):
        assert word not in j["model"]["vocab"], word
        j["model"]["vocab"][word] = n + i
    return Tokenizer.from_str(json.dumps(j, ensure_ascii=False))


def qwen2() -> Tokenizer:
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tok = byte_level(split_then_bytes(QWEN2), 420, [], normalizer=normalizers.NFC(),
                     post=processors.ByteLevel(trim_offsets=False))
    tok.add_special_tokens([special(n) for n in names])  # ids behind the vocabulary
    tok.add_tokens([plain("<tool_call>", normalized=False), plain("</tool_call>", normalized=False)])
    return tok


def olmo2() -> Tokenizer:
    tok = byte_level(split_then_bytes(LLAMA3), 420, [])
    tok.add_tokens([plain("|||IP_ADDRESS|||", normalized=False), plain("|||EMAIL_ADDRESS|||", normalized=False)])
    tok.add_special_tokens([special("<|endoftext|>"), special("<|im_start|>"), special("<|im_end|>")])
    return tok


def cl100k() -> Tokenizer:
    return byte_level(split_then_bytes(CL100K), 420, [special("<|endoftext|>")])


def olmo1() -> Tokenizer:
    """GPT-NeoX: NFC, tokens for runs of spaces, normalised added tokens; ends in end-of-text."""
    pre = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)
    tok = byte_level(pre, 420, [special("<|endoftext|>"), special("<|padding|>")], normalizer=normalizers.NFC())
    tok.add_tokens([plain(" " * n) for n in range(24, 1, -1)])
    tok.add_tokens([plain("|||PHONE_NUMBER|||", normalized=False), plain("|||EMAIL_ADDRESS|||", normalized=False),
                    plain("cafe\u0301!"), plain("<naïve>", normalized=False)])
    tok.post_processor = processors.TemplateProcessing(single="$A <|endoftext|>", pair="$A $B <|endoftext|>",
                                                       special_tokens=[("<|endoftext|>", 0)])
    return tok


def sentencepiece(*, byte_fallback: bool, fuse_unk: bool, size: int = 250) -> Tokenizer:
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    seed = Tokenizer(models.BPE())
    seed.normalizer = normalizer
    seed.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # training only: no piece crosses a word
    # The most frequent characters; the rest is unknown. Chosen here, since the trainer breaks ties by hash order.
    counts = Counter(TEXT.replace("\n", "").replace(" ", "▁"))
    alphabet = sorted(sorted(counts), key=lambda c: -counts[c])[:80]
    seed.train_from_iterator(TEXT.splitlines(), trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=alphabet, limit_alphabet=len(alphabet)))
    trained = json.loads(seed.to_str())["model"]
    vocab = ["<unk>", "<s>", "</s>"] + ([f"<0x{i:02X}>" for i in range(256)] if byte_fallback else [])
    vocab += sorted(trained["vocab"], key=trained["vocab"].get)
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(vocab)}, merges=[tuple(m) for m in trained["merges"]],
                               unk_token="<unk>", fuse_unk=fuse_unk, byte_fallback=byte_fallback))
    tok.normalizer = normalizer
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(" ", 1, 0)])
    tok.add_special_tokens([special("<unk>"), special("<s>"), special("</s>")])
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1",
                                                       special_tokens=[("<s>", 1)])
    return tok


# name -> (maker, merges as "a b" strings instead of pairs)
KINDS = {
    "gpt2": (gpt2, True),
    "gpt2_added": (gpt2_added, False),
    "gpt2_dropped": (gpt2_dropped, False),
    "llama3": (llama3, True),
    "qwen2": (qwen2, False),
    "olmo2": (olmo2, False),
    "cl100k": (cl100k, True),
    "olmo1": (olmo1, True),
    "llama2": (lambda: sentencepiece(byte_fallback=True, fuse_unk=True), True),
    "sp_unk_fused": (lambda: sentencepiece(byte_fallback=False, fuse_unk=True, size=200), False),
    "sp_unk_single": (lambda: sentencepiece(byte_fallback=False, fuse_unk=False, size=200), False),
}


# ---- goldens --------------------------------------------------------------------------------------------------------

def golden(tok: Tokenizer, strings: list[str]) -> tuple[list[int], list[int], list[dict]]:
    empty = tok.encode("", add_special_tokens=True).ids
    probe, probe_special = (tok.encode("a", add_special_tokens=special).ids for special in (False, True))
    before = empty if probe_special == empty + probe else []
    after = empty[len(before):]
    cases = []
    for text in strings:
        ids = tok.encode(text, add_special_tokens=False).ids
        with_special = tok.encode(text, add_special_tokens=True).ids
        assert with_special == before + ids + after
        kept, skipped = (tok.decode(with_special, skip_special_tokens=skip) for skip in (False, True))
        case = {"ids": ids}
        if skipped != text:
            case["decode_skip"] = skipped
        if kept != skipped:
            case["decode"] = kept
        cases.append(case)
    return before, after, cases


def write_golden(path: Path, name: str, tok: Tokenizer, strings: list[str]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    before, after, cases = golden(tok, strings)
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (path / "golden.json").write_text(
        f'{{"versions": {json.dumps(VERSIONS)}, "tokenizer": {json.dumps(name)}, "before": {json.dumps(before)}, '
        f'"after": {json.dumps(after)}, "cases": [\n{lines}\n]}}\n')
    same = sum("decode_skip" not in c for c in cases)
    print(f"{name}: {tok.get_vocab_size()} tokens, {len(cases)} cases, {same} decode to themselves, "
          f"{(path / 'golden.json').stat().st_size / 1000:.0f} kB")


def write_nfc_marks(out: Path) -> None:
    """Which code points NFC sorts, tried with marks of the classes 1, 220, 230 and 240: U+07FD U+0334 stays as it is."""
    nfc = normalizers.NFC()
    order = []
    for mark in (0x334, 0x323, 0x301, 0x345):
        moves = []
        for flip in (False, True):
            ranges = []
            for c in range(0x110000):
                pair = chr(mark) + chr(c) if flip else chr(c) + chr(mark)
                if 0xd800 <= c <= 0xdfff or nfc.normalize_str(pair) != pair[::-1] or pair == pair[::-1]:
                    continue
                if ranges and ranges[-1][1] == c - 1:
                    ranges[-1][1] = c
                else:
                    ranges.append([c, c])
            moves.append(ranges)
        order.append([mark, *moves])
    (out / "nfc_marks.json").write_text(json.dumps({"versions": VERSIONS, "order": order}, separators=(",", ":")) + "\n")


def write_unicode(out: Path) -> None:
    """The classes as Oniguruma sees them: a pattern splits the string of one character, or does not."""
    points = [c for c in range(0x110000) if not 0xd800 <= c <= 0xdfff]
    result = {}
    for key, pattern in (("L", r"\p{L}"), ("N", r"\p{N}"), ("space", r"\s")):
        keep = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)  # keeps the matches only
        member = set()
        for at in range(0, len(points), 4096):
            member.update(ord(t[0]) for t, _ in keep.pre_tokenize_str("".join(map(chr, points[at:at + 4096]))))
        ranges = []
        for c in sorted(member):
            if ranges and ranges[-1][1] == c - 1:
                ranges[-1][1] = c
            else:
                ranges.append([c, c])
        result[key] = ranges
        print(f"\\p {key}: {len(member)} code points in {len(ranges)} ranges")
    body = ",\n".join(f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in result.items())
    (out / "unicode_classes.json").write_text(f'{{"versions": {json.dumps(VERSIONS)},\n{body}\n}}\n')

    nfc = normalizers.NFC()
    single, pairs = [], []
    for c in points:
        n = nfc.normalize_str(chr(c))
        if n != chr(c) and not 0xac00 <= c <= 0xd7a3:
            single.append([c, [ord(x) for x in n]])
        parts = unicodedata.decomposition(chr(c))
        if parts and not parts.startswith("<") and len(parts.split()) == 2:
            a, b = (chr(int(x, 16)) for x in parts.split())
            pairs.append([ord(a), ord(b), [ord(x) for x in nfc.normalize_str(a + b)]])
    (out / "nfc.json").write_text(json.dumps({"versions": {**VERSIONS, "pairs_from_unicode": unicodedata.unidata_version},
                                              "single": single, "pairs": pairs}, separators=(",", ":")) + "\n")
    print(f"nfc: {len(single)} single code points change, {len(pairs)} pairs")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=REPO / "tests" / "data" / "tokenizers")
    p.add_argument("--shakespeare", type=Path, default=REPO / "models" / "shakespeare",
                   help="folder of the demo model; left out where it has no tokenizer.json")
    p.add_argument("--stories", type=Path, default=None, help="folder of stories260K")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    strings = corpus()
    (a.out / "corpus.json").write_text(json.dumps({"versions": VERSIONS, "strings": strings}, indent=0) + "\n")
    print(f"corpus: {len(strings)} strings, {(a.out / 'corpus.json').stat().st_size / 1000:.0f} kB")
    for name, (make, merge_strings) in KINDS.items():
        folder = a.out / name
        folder.mkdir(parents=True, exist_ok=True)
        j = json.loads(make().to_str())
        if merge_strings:
            j["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in j["model"]["merges"]]
        (folder / "tokenizer.json").write_text(json.dumps(j, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        write_golden(folder, name, Tokenizer.from_file(str(folder / "tokenizer.json")), strings)
    for name, source in (("shakespeare", a.shakespeare), ("stories260K", a.stories)):
        if source is not None and (source / "tokenizer.json").exists():
            write_golden(a.out / name, name, Tokenizer.from_file(str(source / "tokenizer.json")), strings)
    write_unicode(a.out)
    write_nfc_marks(a.out)


if __name__ == "__main__":
    main()

"""Reads event prompts in Japanese: whether something is seen or said, appears, is missing or disappears.

A Japanese sentence ends with its verb. Of several words about seeing and saying, the last one therefore decides:
``画面の話者が「予算」と言う`` is about speech, ``会話の画面に「予算」が表示される`` about the picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from rtstream.rules.detection import Form

_KANA = re.compile(r"[ぁ-ゖァ-ヺ]")
_WHEN = (
    r"(?:たら|だら|れば|場合(?:には|に|は)?|とき(?:には|に|は)?|時(?:には|に|は)?|際(?:には|に|は)?|次第|"
    r"(?<=[うくぐすつぬぶむる])と)"
)
_REQUEST = re.compile(
    rf"^(.*{_WHEN})[、,\s]*(?:(?:私|僕|わたし)に)?(?:すぐに?|直ちに|ただちに)?"
    r"(?:お?知らせ|お?しらせ|知りたい|通知|教え|アラート|警告|連絡|報告|メール|メッセージ)[^\x00]*$",
    re.S,
)
"""``…たら通知してください``: the condition, and the request to be told."""

_SAID = (
    r"[言云][いうえおっわ]|発言|発話|発声|話[さしすせそ題]|会話|対話|しゃべ|喋|述べ|語[らりるっ]|口に(?:し|す|出)|口頭|叫[ばびぶん]|"
    r"呼び[か掛]け|声|聞[いえかきくけこ]|聴[いかきくけこ]|音声|読み上げ|朗読|言及|告げ|ささや|囁|つぶや|呟|尋ね"
)
_SEEN = (
    r"表示|映[しっらりる]|写[しっらりる]|見[えたつてらるれ]|見当た|画面|スクリーン|スライド|ウィンドウ|ウインドウ|ダイアログ|ポップアップ|"
    r"通知|ボタン|看板|標識|字幕|テロップ|書[いかきく]|記載|掲示|掲載|印刷|文字|テキスト|アプリ|ブラウザ|映像|画像|写真|動画|メニュー|"
    r"タブ|アイコン|ターミナル|コンソール|グラフ|ホワイトボード|ポスター|ラベル"
)
_CUE = re.compile(rf"(?P<said>{_SAID})|(?P<seen>{_SEEN})")
_OR = re.compile(r"または|又は|もしくは|あるいは|或いは|[うくすたつぶむる]か")
_NOISE = re.compile(
    r"サイレン|警報|アラーム|吠え|ほえ|犬|チャイム|呼び鈴|インターホン|銃声|爆発|拍手|音楽|笑い声|悲鳴|騒音|物音|ガラス|ノック|ビープ|"
    r"クラクション|足音|雷"
)
_AUDIBLE = re.compile(r"聞こえ|音|鳴|うるさ|吠え|ほえ|響")
_TOLD = re.compile(r"と(?:[言云][いうえおっわ]|叫|話|述べ)")

_GONE = re.compile(r"消え|消失|消滅|[な無]くな[っらりるれ]")
_NEGATION = re.compile(
    r"(?<!す[みい])ません|(?<![少危汚])ない|無い|なかっ|なし|無し|[^\x00]ず(?:に|、|$)|非表示|未表示|欠け|欠落|不在"
)
_APPEARS = re.compile(r"現れ|現われ|あらわれ|表れ|出現|出て[きく]|浮かび上が|映り込")
_OTHER_MEANING = re.compile(
    r"以外|除[いきく]|まで|後に|前に|以降|以前|より[前後先]|てから|再び|もう一度|ではなく|代わり|同時|[一二三四五六七八九十何数]回|"
    r"クリック|押[さしす]|タップ|選択|削除|入力|ドラッグ|変わ|変化|変更|連続|続け|ずっと|しばらく|だけ|のみ"
)
_EITHER_PHRASE = re.compile(r"または|又は|もしくは|あるいは|或いは|^\s*か、?\s*$|[うくすたつぶむる]か|\bor\b|\|")
_BOTH_PHRASES = re.compile(r"^\s*と\s*$|および|及び|かつ|並びに|そして|\band\b|&")

_PICTURE = r"(?:画面|映像|画像|動画|スクリーン)が"
_CONNECTION = r"(?:ストリーム|配信|接続|映像|カメラ(?:の接続)?)が"
_SECONDS = r"(?:(?P<seconds>\d{1,5})\s?秒間?(?:以上)?)?"
_SENTENCES: tuple[tuple[str, str, Form], ...] = (
    (_PICTURE + r"(?:(?:真っ暗|真っ黒)に|[黒暗]く)な", "black", "appears"),
    (_PICTURE + r"(?:真っ暗|真っ黒)", "black", "present"),
    (_PICTURE + r"(?:変わ|変化|切り替わ)", "changed", "present"),
    (_PICTURE + _SECONDS + r"(?:フリーズ|固ま|止ま)", "frozen", "appears"),
    (r"(?:誰か|だれか|人)が(?:話|しゃべ|喋)(?:し|り)?(?:始め|はじめ|出し|だし)", "speech", "appears"),
    (r"(?:発話|会話|話し声|声)が始ま", "speech", "appears"),
    (r"(?:発話|会話|話し声|話|声)が" + _SECONDS + r"(?:止ま|終わ|途切れ|途絶え|やん|やむ)", "speech", "disappears"),
    (_SECONDS + r"(?:無音|沈黙)(?:が続|状態)?", "speech", "disappears"),
    (_CONNECTION + r"(?:切れ|途切れ|途絶え|切断|落ち)", "stream", "absent"),
    (_CONNECTION + r"(?:復帰|復旧|戻|再接続)", "stream", "appears"),
)
_ENDING = r"(?P<ending>[ぁ-ん時場合際]*)"


class Measurement(NamedTuple):
    """A measurement that a prompt asks for. ``kind`` is a state of the picture, speech or stream."""

    kind: str
    form: Form
    seconds: float


def is_japanese(text: str) -> bool:
    """Return whether a text contains kana, without which there is no Japanese sentence."""
    return _KANA.search(text) is not None


def statement(text: str) -> str:
    """Return a prompt without the request to be told about it."""
    return _REQUEST.sub(r"\1", text)


def medium(rest: str) -> Literal["video", "audio", "noise", "any"]:
    """Return whether a prompt is about something that is seen, said, or heard as a noise.

    Args:
        rest: The prompt, with a null character for each quoted phrase.
    """
    text = statement(rest)
    cues = [match.lastgroup for match in _CUE.finditer(text)]
    if len(set(cues)) > 1 and _OR.search(text):
        return "any"
    last = cues[-1] if cues else None
    if last != "seen" and _NOISE.search(text) and _AUDIBLE.search(text) and not _TOLD.search(text):
        return "noise"
    return "any" if last is None else "audio" if last == "said" else "video"


def form(rest: str) -> Form | None:
    """Return the form of a prompt, or None if its meaning goes beyond its phrases.

    Args:
        rest: The prompt, with a null character for each quoted phrase.
    """
    text = statement(rest)
    if _OTHER_MEANING.search(text):
        return None
    remaining, vanishing = _GONE.subn(" ", text)
    negations = len(_NEGATION.findall(remaining))
    if vanishing + negations > 1:
        return None
    if vanishing:
        return "disappears"
    if negations:
        return "absent"
    return "appears" if _APPEARS.search(text) else "present"


def join(between: Sequence[str], rest: str) -> Literal["all", "any"] | None:
    """Return how the phrases of a prompt are joined, or None if it uses both "and" and "or".

    Args:
        between: The texts between the phrases.
        rest: The prompt, with a null character for each quoted phrase.
    """
    has_or = any(_EITHER_PHRASE.search(part) for part in between) or bool(re.search(r"いずれか|どれか|どちらか", rest))
    has_and = any(_BOTH_PHRASES.search(part) for part in between)
    if has_or and has_and:
        return None
    return "any" if has_or else "all"


def measurement(prompt: str) -> Measurement | None:
    """Return what a prompt without a quoted phrase asks to measure, or None for any other prompt."""
    plain = statement("".join(prompt.split())).rstrip("。．.!！")
    for pattern, kind, wanted in _SENTENCES:
        found = re.fullmatch(pattern + r"(?:し|され)?" + _ENDING, plain)
        if found is not None:
            if re.search(r"な[いかく]|ません", found["ending"]):
                return None  # a negation
            return Measurement(kind, wanted, float(found.groupdict().get("seconds") or 0))
    return None

"""Event prompts in Japanese, as the published reference is written."""

from __future__ import annotations

import pytest

from rtstream.rules import japanese
from rtstream.rules.detection import Connection, Form, Phrase, PictureCondition, Rule, Speech
from rtstream.rules.event_media import NO_SPEECH_HERE, IndexKind, medium_of, obstacle
from rtstream.rules.event_rules import from_prompt


@pytest.mark.parametrize(
    "prompt",
    [
        "「予算」と言う",
        "「予算」と言ったら知らせて",
        "誰かが「アクションアイテム」と発言したとき",
        "話者が「予算」に言及したら通知してください",
        "「助けて」という声が聞こえる",
        "画面の話者が「予算」と言ったら教えて",
        "スライドの前で講師が「次へ」と言う",
        "会議で予算の話題が出る",
        "「火災警報」と聞こえたら",
        "予算について話し始めたら",
    ],
)
def test_what_is_said_needs_audio(prompt: str) -> None:
    assert medium_of(prompt, None) == "audio"
    assert obstacle("audio", None, IndexKind(audio=False)) == NO_SPEECH_HERE


@pytest.mark.parametrize(
    "prompt",
    [
        "「請求書4711」が画面に表示される",
        "「請求書 4711」が表示されたら通知して",
        "会話の画面に「予算」が表示されたら",
        "看板に「閉店」と書いてある",
        "「エラー」という通知が見えたら教えてくれませんか",
        "ユーザーがSlackのアプリを開いたら知らせて",
        "『設定』のダイアログが見える",
        "画面が真っ暗になったら",
        "音楽アプリが表示されたら",
    ],
)
def test_what_is_seen_needs_video(prompt: str) -> None:
    assert medium_of(prompt, None) == "video"


@pytest.mark.parametrize(
    ("prompt", "medium"),
    [
        ("「予算」が出たら知らせて", "any"),
        ("「予算」と言うか画面に表示されたら", "any"),
        ("「予算」が話されるか、または映ったら", "any"),
        ("赤い車が門の前に止まったら", "any"),
        ("サイレンが聞こえたら", "noise"),
        ("犬が吠えたら教えて", "noise"),
        ("犬が画面に映ったら", "video"),
    ],
)
def test_other_events_may_be_either_or_are_noises(prompt: str, medium: str) -> None:
    assert medium_of(prompt, None) == medium


@pytest.mark.parametrize(
    ("prompt", "phrases", "join", "form"),
    [
        ("「請求書」が表示される", ["請求書"], "all", "present"),
        ("『請求書』が画面に出ていたら通知して", ["請求書"], "all", "present"),
        ("「請求書」が現れたら", ["請求書"], "all", "appears"),
        ("「録画中」が表示されていない", ["録画中"], "all", "absent"),
        ("「録画中」が見えません", ["録画中"], "all", "absent"),
        ("「録画中」が見えなかったら教えてくれませんか", ["録画中"], "all", "absent"),
        ("「録画中」が消えたら知らせてください", ["録画中"], "all", "disappears"),
        ("「録画中」が表示されなくなったら", ["録画中"], "all", "disappears"),
        ("すみませんが、「請求書」が見えたら教えてください", ["請求書"], "all", "present"),
        ("「A1」と「B2」が表示される", ["A1", "B2"], "all", "present"),
        ("「A1」または「B2」が表示される", ["A1", "B2"], "any", "present"),
        ("「A1」か「B2」が見えたら", ["A1", "B2"], "any", "present"),
        ("「A1」「B2」のいずれかが見えたら", ["A1", "B2"], "any", "present"),
        ('"Invoice"が表示される', ["Invoice"], "all", "present"),
    ],
)
def test_a_quoted_phrase_makes_a_rule(prompt: str, phrases: list[str], join: str, form: Form) -> None:
    wanted = Rule(tuple(Phrase(phrase) for phrase in phrases), join, form)  # pyright: ignore[reportArgumentType]
    assert from_prompt(prompt) == wanted


@pytest.mark.parametrize(
    "prompt",
    [
        "「エラー」が3回表示されたら",
        "「エラー」が三回表示されたら",
        "「送信」をクリックしたら",
        "「A1」以外が表示されたら",
        "「A1」が消えない",
        "「A1」または「B2」が表示されていない",
        "「A1」と「B2」か「C3」が表示される",
        "「合計」の値が変わったら",
        "画面が固まらなかったら",
        "誰かが部屋に入ったら",
    ],
)
def test_a_prompt_that_means_more_than_its_phrases_takes_a_model(prompt: str) -> None:
    assert from_prompt(prompt) is None


@pytest.mark.parametrize(
    ("prompt", "rule"),
    [
        ("画面が真っ暗になったら教えて", Rule((PictureCondition("black", 0.0),), form="appears")),
        ("画面が真っ暗です。", Rule((PictureCondition("black", 0.0),), form="present")),
        ("映像が切り替わったら", Rule((PictureCondition("changed", 0.0),), form="present")),
        ("映像が30秒以上フリーズしたら", Rule((PictureCondition("frozen", 30.0),), form="appears")),
        ("誰かが話し始めたら知らせて", Rule((Speech(10.0),), form="appears")),
        ("３０秒間無音が続いたら", Rule((Speech(30.0),), form="disappears")),
        ("会話が終わったら", Rule((Speech(10.0),), form="disappears")),
        ("カメラの接続が切れたら通知", Rule((Connection(),), form="absent")),
        ("配信が復旧したら", Rule((Connection(),), form="appears")),
    ],
)
def test_a_measurement_is_a_rule(prompt: str, rule: Rule) -> None:
    assert from_prompt(prompt) == rule


def test_the_request_to_be_told_is_not_a_part_of_the_event() -> None:
    assert japanese.statement("\x00が表示されたら、すぐに通知してください") == "\x00が表示されたら"
    assert japanese.statement("\x00と通知に表示されたら") == "\x00と通知に表示されたら"
    assert japanese.statement("エラーの場合に通知が表示されたら知らせて") == "エラーの場合に通知が表示されたら"


def test_chinese_and_english_are_not_japanese() -> None:
    assert not japanese.is_japanese("「請求書」 is shown, 屏幕上显示")
    assert japanese.is_japanese("請求書が")

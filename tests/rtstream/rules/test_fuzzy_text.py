import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.rules.fuzzy_text import PhraseMatch, find, fold

FOUND = [
    # as it stands; case, spacing, punctuation, accents, line breaks
    ("Invoice 4711", "Invoice 4711", 0),
    ("Invoice 4711", "ACME Corp\nINVOICE #4711 (due 1 May)\nTotal", 0),
    ("Invoice 4711", "Invoice:4711.", 0),
    ("Invoice 4711", "Invoice4711due", 0),
    ("Invoice 4711", "see invoice\n4711 below", 0),
    ("Invoice 4711", "Inv oice 4711", 0),
    ("Invoice 4711", "Invoice 4711 2024-05-01", 0),
    ("Invoice 4711", "Invoice 4711, 12 items", 0),
    ("Invoice 4711", "Invoice 4,711", 0),
    ("Payment failed", "Paymentfailed", 0),
    ("Payment failed", "the payment--failed!", 0),
    ("Zürich", "ZURICH", 0),
    ("naive cafe", "Naïve Café", 0),
    ("don't panic", "Don’t panic", 0),
    ("Straße 5", "STRASSE 5", 0),
    ("0800 123 456", "call 0800123456", 0),
    ("0800 123 456", "call 0800-123-456", 0),
    ("Total 12.50", "Total: 12,50 EUR", 0),
    ("2024-01-05", "on 2024/01/05", 0),
    ("OK", "ok", 0),
    ("東京駅", "次は東京駅です。\n東京駅", 0),
    # scripts without spaces
    ("予算", "今日の予算について話します", 0),
    ("予算", "今年度予算案", 0),
    ("アクションアイテム", "次のアクション アイテムは", 0),
    ("ｱｸｼｮﾝ", "次のアクションは", 0),
    ("ありがとう", "どうもありがとうございます", 0),
    ("Slack", "彼がSlackを開く", 0),
    ("請求書4711", "新しい請求書4711号です", 0),
    ("发票", "请看新的发票上的总额", 0),
    # single misread letters and digits
    ("Invoice 4711", "lnvoice 4711", 1),
    ("Invoice 4711", "Invoice 47ll", 2),
    ("Invoice 4711", "Invoice 47I1", 1),
    ("Invoice 4711", "lnvo1ce 47l1", 3),
    ("Invoice 4711", "lnv0ice 4711", 2),
    ("Invoice 4711", "Invoioe 4711", 1),
    ("Invoice 4711", "Invxice 4711", 1),
    ("Invoice 4711", "Inoice 4711", 1),
    ("Invoice 4711", "Invoicce 4711", 1),
    ("Order 5080", "Order S08O", 2),
    ("Confirm payment", "Confirrn payment", 1),
    ("Payment failed", "Payrnent faiIed", 2),
    ("Payment failed", "Payment fa1led", 1),
    ("Meeting recorded", "Meetjng reoorded", 2),
    ("Room 101", "Room 1O1", 1),
    ("Step 1", "Step l", 1),
    ("Build broken", "Bui1d brcken", 2),
]

NOT_FOUND = [
    ("アイ", "アクションアイテム"),
    ("予算", "予測と計算"),
    ("Slack", "彼がSlackerを見る"),
    ("請求書4711", "請求書47110号"),
    # another number
    ("Invoice 4711", "Invoice 4712"),
    ("Invoice 4711", "Invoice 4771"),
    ("Invoice 4711", "Invoice 471"),
    ("Invoice 4711", "Invoice 47110"),
    ("Invoice 4711", "Invoice 14711"),
    ("Invoice 4711", "Invoice S4711"),
    ("Invoice 471", "Invoice 471l"),
    ("Invoice 4711", "Invoice 47.11"),
    ("Invoice 4711", "Invoice 4711-2"),
    ("Invoice 4711", "Invoice 47 11"),
    ("Invoice 4711", "Invoice 4Z11"),
    ("Invoice 4711", "Invoice 4711.5"),
    ("Invoice 4711", "4711 Invoice"),
    ("Total 12.50", "Total 1250"),
    ("Total 1250", "Total 12.50"),
    ("Total 1250", "Total 125 0"),
    ("10:45", "10:46"),
    ("Page 2", "Page 12"),
    ("Page 2", "Page 20"),
    ("Room 101", "Room lol"),
    ("Version 3.1", "Version 3.11"),
    ("192.168.0.1", "192.168.0.11"),
    # another word
    ("art", "start"),
    ("Total", "Subtotal 5"),
    ("Total", "Totals"),
    ("locked", "unlocked"),
    ("locked", "clocked"),
    ("unlocked", "locked"),
    ("connected", "disconnected"),
    ("authorized", "unauthorized"),
    ("failed login", "mailed login"),
    ("modem", "modern"),
    ("Plan A", "Plan B"),
    ("Gate B", "Gate 8"),
    ("Gate 5", "Gate S"),
    ("live show", "five show"),
    ("Team red", "Team bed"),
    ("paid", "pald"),
    ("10", "IO"),
    ("SOS", "505"),
    ("Payment failed", "Payment succeeded"),
    ("Payment failed", "Parnont faulad"),
    ("Payment failed", "payment of the invoice failed"),
    ("don", "don't"),
    ("!?", "!?"),
    ("", "anything"),
    ("Invoice 4711", ""),
]


@pytest.mark.parametrize(("phrase", "text", "misreads"), FOUND)
def test_a_phrase_is_found_despite_what_readers_get_wrong(phrase: str, text: str, misreads: int) -> None:
    finding = find(phrase, fold(text))
    assert finding is not None
    assert finding.misreads == misreads
    assert finding.line in text
    assert 0.7 <= finding.confidence <= 0.99


@pytest.mark.parametrize(("phrase", "text"), NOT_FOUND)
def test_another_word_or_number_is_not_the_phrase(phrase: str, text: str) -> None:
    assert find(phrase, fold(text)) is None


def test_the_best_place_is_the_one_quoted() -> None:
    finding = find("Invoice 4711", fold("lnvoice 471l\nold\nInvoice 4711 open\nInv0ice 4711"))
    assert finding is not None
    assert (finding.line, finding.misreads) == ("Invoice 4711 open", 0)


WORDS = st.lists(st.text("abcdefghijklmnopqrstuvwxyzABCXYZäöüéñ", min_size=1, max_size=9), min_size=1, max_size=4)
NUMBERS = st.integers(0, 999_999).map(str)


@given(WORDS, NUMBERS, st.sampled_from([" ", "\n", " - ", ": ", "  "]), st.text("abc 12.\n", max_size=20))
def test_a_phrase_is_always_found_in_a_text_that_has_it(words: list[str], number: str, gap: str, around: str) -> None:
    phrase = " ".join([*words, number])
    shown = gap.join([*words, number])
    finding = find(phrase, fold(f"{around}\n{shown.upper()} |\n{around}"))
    assert finding is not None
    assert finding.misreads == 0


@given(st.integers(0, 99_999), st.integers(0, 99_999), st.sampled_from(["Invoice", "Order", "Ticket number", "No."]))
def test_one_number_is_never_taken_for_another(one: int, other: int, word: str) -> None:
    assert (find(f"{word} {one}", fold(f"{word} {other}")) is not None) == (one == other)


CONFUSED = str.maketrans("0158", "OlSB")


@given(st.integers(100, 999_999).map(str), st.data())
def test_a_number_survives_classic_confusions_as_long_as_one_digit_is_read(number: str, data: st.DataObject) -> None:
    keep = data.draw(st.integers(0, len(number) - 1))
    shown = number[:keep].translate(CONFUSED) + number[keep] + number[keep + 1 :].translate(CONFUSED)
    assert find(f"Invoice {number}", fold(f"the Invoice {shown} today")) is not None


@given(st.data())
def test_one_misread_letter_in_a_long_word_is_tolerated(data: st.DataObject) -> None:
    phrase = "Connection established"
    at = data.draw(st.sampled_from([i for i, c in enumerate(phrase) if c != " " and i not in (0, 11)]))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    assert find(phrase, fold(f"{phrase[:at]}{letter}{phrase[at + 1 :]}")) is not None


@given(st.text(max_size=40), st.text(max_size=200))
def test_any_phrase_and_text_can_be_given(phrase: str, text: str) -> None:
    finding = find(phrase, fold(text))
    assert finding is None or finding.line in text


@pytest.mark.parametrize("mark", ["-", ".", "  ", "$ ", "('"])
def test_marks_before_the_first_letter_or_digit_do_not_count(mark: str) -> None:
    assert fold(f"{mark}5 or 7").chars == fold("5 or 7").chars
    assert fold(f"{mark}door").chars == "door"


@pytest.mark.parametrize("text", ["30cm", "a b 30cm", "a, b-c 7 of 30cm each"])
def test_letters_that_touch_a_number_are_a_word_anywhere_in_a_text(text: str) -> None:
    assert find("cm", fold(text)) is not None
    assert find("30", fold(text)) is not None


@pytest.mark.parametrize(
    ("phrase", "tolerated"),
    [
        ("reading reading", 1),  # 14 letters
        ("readings reading", 2),  # 15
        ("readings readings readings", 2),  # 24
        ("readings readings greatness", 3),  # 25
        ("readings readings readings readings readings", 3),  # 40
    ],
)
def test_longer_phrases_tolerate_more_misread_letters_up_to_three(phrase: str, tolerated: int) -> None:
    words = phrase.split()
    for wrong in range(len(words) + 1):
        text = " ".join(word[:3] + "x" + word[4:] if at < wrong else word for at, word in enumerate(words))
        found = find(phrase, fold(text))
        assert (found.misreads if found else None) == (wrong if wrong <= tolerated else None)


@pytest.mark.parametrize(
    ("misreads", "confidence"), [(0, 0.99), (1, 0.95), (2, 0.9), (3, 0.85), (4, 0.8), (6, 0.7), (7, 0.7), (50, 0.7)]
)
def test_each_misread_letter_costs_confidence(misreads: int, confidence: float) -> None:
    assert PhraseMatch("line", misreads).confidence == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gadrener", False),  # neighbours in the wrong order are two letters
        ("gardner", True),  # a letter is missing within the word
        ("ardener", False),  # the first letter is
        ("gardene", False),  # the last one is
        ("garxdener", True),  # a letter too many within the word
        ("gardenerx", False),
        ("xgardener", False),
        ("garden3r", False),
    ],
)
def test_a_letter_may_be_missing_or_too_many_within_a_long_word(text: str, found: bool) -> None:
    assert (find("gardener", fold(text)) is not None) is found


@pytest.mark.parametrize(
    ("phrase", "text", "misreads"),
    [
        ("memorial", "mernorial", 1),  # m as rn
        ("mernorial", "memorial", 1),
        ("memorial park garden", "mernorial park garden", 1),
        ("memorial", "mernoxial", None),  # a digraph and a letter
        ("memorial park garden", "mernoxial park garden", None),
        ("memorial park garden", "mernorial park garxen", None),
        ("ember", "ernber", None),  # too short a word
    ],
)
def test_a_misread_digraph_is_the_only_misread_of_a_phrase(phrase: str, text: str, misreads: int | None) -> None:
    found = find(phrase, fold(text))
    assert (found.misreads if found else None) == misreads

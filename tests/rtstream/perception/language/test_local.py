from dataclasses import replace

import pytest
from pydantic import ValidationError

from rtstream.config import EngineConfig
from rtstream.perception import registry
from rtstream.perception.language.local import LocalLanguage
from rtstream.perception.protocols import EventQuestion, ProviderError, SceneFacts, Verdict
from rtstream.rules.screen_changes import ScreenChanges

pytestmark = pytest.mark.anyio


async def judge(prompt: str, scene: SceneFacts) -> Verdict:
    [verdict] = await LocalLanguage().match([EventQuestion("e", prompt)], scene)
    return verdict


SEEN = ScreenChanges(first=False, text_read=True, appeared=[], disappeared=[])


async def test_a_quoted_phrase_is_looked_for_in_the_lines_on_screen() -> None:
    scene = SceneFacts("Text on screen: “lnvoice 4711”.", ["ACME", "lnvoice 4711"], SEEN)
    verdict = await judge('"Invoice 4711" is on the screen', scene)
    assert (verdict.event_id, verdict.outcome) == ("e", "match")
    assert "lnvoice 4711" in verdict.explanation
    assert (await judge('"Invoice 4712" is on the screen', scene)).outcome == "no_match"


async def test_a_line_that_is_gone_is_not_found_in_the_description() -> None:
    scene = SceneFacts("Gone since the previous look: “Invoice 4711”.", [], replace(SEEN, disappeared=["Invoice 4711"]))
    assert (await judge('"Invoice 4711" is on the screen', scene)).outcome == "no_match"


async def test_appearing_and_disappearing_follow_the_lines_that_came_and_went() -> None:
    came = SceneFacts("", ["Live", "REC"], replace(SEEN, appeared=["REC"]))
    stays = SceneFacts("", ["Live", "REC"], SEEN)
    went = SceneFacts("", ["Live"], replace(SEEN, disappeared=["REC"]))
    first = SceneFacts("", ["Live"], replace(SEEN, first=True))
    for scene, appears, disappears in (
        (came, "no_match", "no_match"),
        (stays, "no_match", "no_match"),
        (went, "no_match", "match"),
        (first, "no_match", "no_match"),
    ):
        if scene is came:
            appears = "match"
        assert (await judge('"REC" appears', scene)).outcome == appears
        assert (await judge('"REC" disappears', scene)).outcome == disappears


async def test_any_other_prompt_needs_a_model_and_is_only_ranked() -> None:
    scene = SceneFacts("a delivery van stops at the gate")
    near = await judge("a delivery van is at the gate", scene)
    far = await judge("the dog sleeps on its blanket", scene)
    assert (near.outcome, far.outcome) == ("needs_model", "needs_model")
    assert 0 <= far.candidate_score < near.candidate_score <= 1
    assert near.confidence == 0


async def test_a_phrase_is_not_decided_where_text_was_not_read() -> None:
    scene = SceneFacts("First look.", [], ScreenChanges(text_read=False))
    assert (await judge('"REC" is not on the screen', scene)).outcome == "needs_model"


async def test_a_description_of_a_model_is_searched_when_no_lines_are_known() -> None:
    assert (await judge('"Invoice 4711"', SceneFacts("The invoice 4711 is open"))).outcome == "match"


async def test_verdicts_come_in_the_order_asked() -> None:
    questions = [EventQuestion("a", '"one"'), EventQuestion("b", "two"), EventQuestion("c", '"three"')]
    verdicts = await LocalLanguage().match(questions, SceneFacts("one", ["one"]))
    assert [(v.event_id, v.outcome) for v in verdicts] == [("a", "match"), ("b", "needs_model"), ("c", "no_match")]


async def test_a_summary_is_the_extract_alone() -> None:
    answer = await LocalLanguage().summarise("Summarise", "So no deploys\u202e after six.")
    assert answer.text == "So no deploys after six."
    long = await LocalLanguage().summarise("Summarise", "word " * 5000)
    assert len(long.text) < 1300
    with pytest.raises(ProviderError, match="need a language model"):
        await LocalLanguage().summarise("Summarise", "text", json_schema={"type": "object"})


@pytest.mark.parametrize("name", [None, "", "local", "mini", "basic", "pro", "ultra"])
async def test_without_models_every_tier_is_the_embedded_default(name: str | None) -> None:
    config = EngineConfig()
    for provider in (registry.vision(name, config), registry.language(name, config)):
        assert provider.name == "local"
        await provider.aclose()


async def test_a_name_that_is_no_model_is_refused_in_the_settings_and_stands_for_the_default_in_a_request() -> None:
    for role in ("vision_model", "language_model"):
        with pytest.raises(ValidationError, match="provider:model"):
            EngineConfig.model_validate({role: "gpt"})
    for find in (registry.vision, registry.language):
        provider = find("gpt", EngineConfig())
        assert provider.name == "local"
        await provider.aclose()


async def test_a_configured_model_stands_for_what_is_not_named_or_not_allowed() -> None:
    config = EngineConfig(vision_model="ollama:eye", language_model="ollama:mind")
    allowed = config.model_copy(update={"allow_models": "openai:other"})
    for provider, name in (
        (registry.vision(None, config), "ollama:eye"),
        (registry.vision("pro", config), "ollama:eye"),
        (registry.vision("local", config), "local"),
        (registry.vision("openai:other", config), "ollama:eye"),
        (registry.vision("openai:other", allowed), "openai:other"),
        (registry.language(None, config), "ollama:mind"),
    ):
        assert provider.name == name
        await provider.aclose()

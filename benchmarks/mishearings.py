"""Alerts on speech: real mishearings that are found, decoys that are not, and the seconds that it takes.

python -m benchmarks.mishearings [--half reported|tuned|all] [--make]

The labelled set (``benchmarks/data/speech_labelled.json``) has the words of the built-in recogniser for sentences that
flite and espeak-ng spoke in noise. ``--make`` creates it again, which takes half an hour. Terms with an even number
were used to choose the thresholds of ``rtstream/rules/sounds.py``, and the others are reported.

Mishearings contain a term that the recogniser wrote in another way. Decoys contain words that only sound like a
term. The talk is two hours of speech about other things, as text, in which the decoys are said.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._options import parse
from rtstream.perception.registry import pronunciations
from rtstream.rules import speech_text
from rtstream.rules.sounds import Sounds

DATA = Path(__file__).parent / "data" / "speech_labelled.json"
RATE = 16_000
WORDS_PER_S = 2.5
TALK_S = 7200.0
VOICES = ("slt", "rms", "awb", "en-us", "en-gb")
"""Voices of flite and espeak-ng."""
PER_TERM = 3
"""Mishearings of one term in the set."""

TERMS: dict[str, Sequence[str]] = {
    # term: decoys, which contain words that sound like it
    "scanner": ("standard", "skinny", "scandal", "banner", "spanner"),
    "password": ("passport", "pastor", "passive", "passenger", "pasture"),
    "evacuate": ("evaluate", "elevate", "evaporate", "graduate", "vacuum"),
    "invoice": ("involve", "advice", "injustice", "convoys", "inverse"),
    "contract": ("contact", "contrast", "control", "contrary", "compact"),
    "ambulance": ("ambitious", "ambivalence", "balance", "avalanche", "assemblies"),
    "deadline": ("headline", "dateline", "guideline", "airline", "decline"),
    "intruder": ("introduce", "interlude", "intuition", "introvert", "reducer"),
    "migration": ("vibration", "immigrant", "mitigation", "ignition", "meditation"),
    "rollback": ("payback", "setback", "rollers", "logbook", "feedback"),
    "outage": ("output", "outfit", "outrage", "cottage", "voltage"),
    "forklift": ("folklore", "facelift", "airlift", "gift", "forthright"),
    "conveyor": ("surveyor", "converter", "convention", "conversation", "mayor"),
    "reactor": ("director", "tractor", "refactor", "relative", "redactor"),
    "turbine": ("turban", "carbine", "determine", "terminal", "combine"),
    "escalator": ("elevator", "calculator", "escapade", "estimator", "alligator"),
    "warehouse": ("whereas", "lighthouse", "wholesale", "farmhouse", "greenhouse"),
    "shoplifter": ("shopper", "shipment", "chapter", "weightlifter", "stockholder"),
    "emergency": ("energy", "agency", "emerging", "urgency", "divergence"),
    "delivery": ("deliberate", "discovery", "liberty", "dilemma", "celery"),
    "Kubernetes": ("cabinets", "communities", "superman", "magnets", "opportunities"),
    "Prometheus": ("promises", "promotions", "premises", "professors", "promenades"),
    "Grafana": ("graphics", "gymnasium", "banana", "grandma", "bandana"),
    "Terraform": ("transform", "platform", "terrific", "terrapin", "uniform"),
    "PostgreSQL": ("postman", "postage", "possible", "sequel", "postcards"),
    "Elasticsearch": ("elasticity", "elastic", "plastics", "research", "fantastic"),
    "Cloudflare": ("cloudburst", "clover", "healthcare", "warfare", "welfare"),
    "Zimmermann": ("simmering", "salesman", "cinnamon", "zipper", "gentleman"),
    "Kowalski": ("cowardly", "colossus", "colossal", "koala", "whisky"),
    "Rodriguez": ("rodeos", "rigorous", "ridges", "frigates", "regrets"),
    "Vandenberg": ("vanguard", "iceberg", "bandage", "sandbag", "pandemic"),
    "Reykjavik": ("wreckage", "victory", "relative", "rhetoric", "reckless"),
    "paracetamol": ("parasol", "paramedic", "parallel", "capital", "caramel"),
    "ibuprofen": ("professor", "improvement", "ibis", "profound", "proven"),
    "metformin": ("meteor", "metaphor", "informing", "performing", "misinform"),
    "amoxicillin": ("ceiling", "mockery", "maximum", "oscillating", "vaccine"),
    "hydraulic": ("hydrant", "hybrid", "heroic", "hydrogen", "alcoholic"),
    "transformer": ("performer", "transporter", "transfer", "informer", "translator"),
    "substation": ("situation", "subsidy", "frustration", "stations", "subscription"),
    "quarantine": ("quarter", "clementine", "guarantee", "valentine", "routine"),
}
"""Forty terms, each with five decoys: 200 in all."""
SHORT_TERMS = ("gun", "fire", "4711", "room 207", "code red", "gate seven")
"""Terms that must be the same. Their decoys are in the talk."""
SHORT_DECOYS = ("fun", "gone", "gum", "hire", "tire", "4712", "room 217", "cold bread", "code read", "gate eleven")
CARRIERS = (
    "please tell me about the {} before the meeting",
    "we talked about {} again this morning",
    "I think the {} is the next point",
    "nobody has mentioned {} since yesterday",
    "they wrote {} on the first page",
    "the report says {} was late",
)
SUBJECTS = (
    *("the team", "my colleague", "the customer", "our neighbour", "the new manager", "the weather service"),
    *("the whole family", "the driver", "this company", "the garden", "the second floor", "the old bridge"),
)
ACTIONS = (
    *("looked at", "talked about", "needs", "does not like", "will change", "has finished", "asked for", "forgot"),
    *("bought", "is waiting for", "sent back", "explained", "measured", "cleaned", "painted", "wants to see"),
)
OBJECTS = (
    *("the blue chairs", "a cup of coffee", "the long list of questions", "some music", "the train to London"),
    *("the summer holidays", "a better plan", "the kitchen window", "the price of bread", "a large parcel"),
    *("the next chapter", "the green light", "the results of the test", "a walk in the park", "the missing keys"),
    *("the school play", "the colour of the wall", "an answer from the office", "the second half", "a short break"),
)
TIMES = ("", "", " this morning", " after lunch", " on Monday", " next week", " at the end", " for twenty minutes")


def talk(decoys: Sequence[str], seconds: float, seed: int = 7) -> list[str]:
    """Return sentences of this many seconds of speech that contain the decoys at random places."""
    chance = random.Random(seed)
    sentences: list[str] = []
    words = 0
    while words < seconds * WORDS_PER_S:
        one = f"{chance.choice(SUBJECTS)} {chance.choice(ACTIONS)} {chance.choice(OBJECTS)}{chance.choice(TIMES)}."
        sentences.append(one.capitalize())
        words += len(one.split())
    for decoy in decoys:
        sentences.insert(chance.randrange(len(sentences)), chance.choice(CARRIERS).format(decoy).capitalize() + ".")
    return sentences


def load() -> dict[str, Any]:
    """Return the labelled set: ``mishearings`` and ``decoys``, each [{"term", "said", "heard"}]."""
    return json.loads(DATA.read_text(encoding="utf-8"))


def terms_of(half: str) -> list[str]:
    """Return the terms of a half of the set: ``tuned``, ``reported`` or ``all``."""
    wanted = {"tuned": (0,), "reported": (1,)}.get(half, (0, 1))
    return [term for number, term in enumerate(TERMS) if number % 2 in wanted]


def measure(half: str, sounds: Sounds | None, talk_s: float = TALK_S) -> dict[str, Any]:
    """Search all terms of a half in the transcripts, and count the right and the wrong matches."""
    data, terms = load(), terms_of(half)
    mishearings = [one for one in data["mishearings"] if one["term"] in terms]
    missed = [one for one in mishearings if speech_text.find(one["term"], one["heard"], sounds) is None]
    decoys = [decoy for term in terms for decoy in TERMS[term]]
    # A decoy that the recogniser itself wrote as the term is not a near miss.
    heard = [
        one["heard"]
        for one in data["decoys"]
        if one["term"] in terms and speech_text.find(one["term"], one["heard"]) is None
    ]
    sentences = [*talk([*decoys, *SHORT_DECOYS], talk_s), *heard]
    began = time.perf_counter()
    false = [
        (term, sentence)
        for sentence in sentences
        for term in [*terms, *SHORT_TERMS]
        if speech_text.find(term, sentence, sounds) is not None
    ]
    return {
        "mishearings": len(mishearings),
        "found": len(mishearings) - len(missed),
        "missed": missed,
        "decoys": len(decoys) + len(heard) + len(SHORT_DECOYS),
        "words": sum(len(sentence.split()) for sentence in sentences),
        "false": false,
        "ms": 1000 * (time.perf_counter() - began) / (len(sentences) * (len(terms) + len(SHORT_TERMS))),
    }


# making the set


def make() -> None:
    """Speak and recognise everything, and store the labelled set."""
    from rtstream.perception.speech.moonshine import Recogniser

    recogniser = Recogniser()
    chance = np.random.default_rng(11)
    mishearings: list[dict[str, str]] = []
    decoys: list[dict[str, str]] = []
    for term, alike in TERMS.items():
        found: dict[str, dict[str, str]] = {}
        for number, (said, samples) in enumerate(_spoken(term, chance)):
            if len(found) >= PER_TERM:
                break
            heard = _heard(recogniser, f"{term}{number}", samples)
            if _is_mishearing(term, said, heard):
                found.setdefault(heard, {"term": term, "said": said, "heard": heard})
        mishearings += found.values()
        for number, decoy in enumerate(alike):
            said = CARRIERS[number % len(CARRIERS)].format(decoy)
            samples = _noisy(_voice(said, VOICES[number % 3]), 20.0, chance)
            decoys.append({"term": term, "said": said, "heard": _heard(recogniser, f"{term} decoy {number}", samples)})
        print(term, [one["heard"] for one in found.values()], flush=True)
    text = json.dumps({"mishearings": mishearings, "decoys": decoys}, indent=1, ensure_ascii=False)
    DATA.write_text(f"{text}\n", encoding="utf-8")


def _spoken(term: str, chance: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Yield a sentence with a term in several voices and more and more noise."""
    for noise_db in (30.0, 20.0, 15.0):
        for number, voice in enumerate(VOICES):
            said = CARRIERS[(number + int(noise_db)) % len(CARRIERS)].format(term)
            yield said, _noisy(_voice(said, voice), noise_db, chance)


def _voice(text: str, voice: str) -> Any:
    """Speak a text: by flite, whose voices are cut from human speech, or by espeak-ng."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        program = ["espeak-ng", "-v", voice, "-s", "150", "-w"] if "-" in voice else ["flite", "-voice", voice, "-o"]
        command = [*program, str(path), *([text] if "-" in voice else ["-t", text])]
        subprocess.run(command, capture_output=True, check=True, timeout=30)
        with wave.open(str(path)) as file:
            rate, raw = file.getframerate(), file.readframes(1 << 30)
    samples = np.frombuffer(raw, "<i2").astype(np.float32) / 32768
    at = np.arange(int(len(samples) * RATE / rate)) * rate / RATE
    return np.interp(at, np.arange(len(samples)), samples)


def _noisy(samples: Any, noise_db: float, chance: np.random.Generator) -> Any:
    """Return samples with noise that is softer than the speech by ``noise_db``, and silence around them."""
    level = float(np.sqrt(np.mean(samples**2))) * 10 ** (-noise_db / 20)
    padded = np.concatenate([np.zeros(RATE // 2), samples, np.zeros(RATE)])
    return padded + chance.normal(0.0, level, len(padded))


def _heard(recogniser: Any, session: str, samples: Any) -> str:
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    found = recogniser.recognise(session, 0.0, pcm, True)
    return " ".join(one.text for one in found if one.is_final)


def _is_mishearing(term: str, said: str, heard: str) -> bool:
    """Return whether the sentence was understood except for the term, in whose place something else was heard."""
    if speech_text.find(term, heard) is not None:
        return False
    before, _, after = said.partition(term)
    rest = re.findall(r"[a-z]+", (before + after).lower())
    words = re.findall(r"[a-z]+", heard.lower())
    understood = sum(word in words for word in rest)
    return understood >= 0.8 * len(rest) and len(words) > understood


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("tuned", "reported", "all"), default="reported")
    parser.add_argument("--make", action="store_true", help="create the labelled set")
    parser.add_argument("--verbose", action="store_true", help="print what was missed, and false alerts")
    parser.add_argument("--talk", type=float, default=TALK_S, metavar="S", help="seconds of speech")
    options = parse(parser, talk=30.0)
    if options.make:
        make()
    print("| near misses | mishearings found | false alerts | decoys | words | ms per phrase and sentence |")
    print("|---|---|---|---|---|---|")
    for name, sounds in (("off", None), ("by spelling", Sounds()), ("on", Sounds(pronunciations()))):
        found = measure(options.half, sounds, options.talk)
        print(
            f"| {name} | {found['found']} of {found['mishearings']} | {len(found['false'])} | {found['decoys']} | "
            f"{found['words']} | {found['ms']:.3f} |"
        )
        if options.verbose and name == "on":
            for one in found["missed"]:
                print("missed", one["term"], "|", one["heard"])
            for term, sentence in found["false"]:
                print("false", term, "|", sentence)


if __name__ == "__main__":
    main()

"""The grammar whose text train-model.py trains on: short stories about people, places and things.

Names, pronouns, verb forms, places and numbers have to agree. The same seed gives the same text.
"""

import random

GIRLS = "Anna Clara Emma Frida Greta Ida Julia Laura Maria Nora Paula Rosa Sarah Tina Wanda Zoe".split()
BOYS = "Adam Ben Carl David Erik Felix Hugo Jonas Karl Leo Max Noah Otto Paul Simon Tom".split()
PLACES = "kitchen garden forest market school library harbour station meadow attic barn bakery".split()
HIDING = [("in", "box"), ("under", "table"), ("behind", "door"), ("on", "shelf"), ("under", "bed"), ("in", "basket"),
          ("behind", "curtain"), ("on", "bench")]
COLOURS = "red blue green yellow white black brown silver".split()
SIZES = "small big old new heavy tiny".split()
THINGS = "ball book lamp key cup kite clock coat map drum bell stone rope hammer violin letter".split()
COUNTABLE = "apple pear egg nut plum coin button shell candle cookie carrot marble".split()
ANIMALS = ["dog", "cat", "horse", "bird", "frog", "goat", "duck", "rabbit"]
# infinitive, third person, past
DOINGS = [("sleep", "sleeps", "slept"), ("run", "runs", "ran"), ("sing", "sings", "sang"), ("jump", "jumps", "jumped"),
          ("eat", "eats", "ate"), ("swim", "swims", "swam"), ("wait", "waits", "waited"), ("play", "plays", "played")]
TIMES = ["in the morning", "at noon", "in the evening", "at night", "after the rain", "before dinner"]
GLAD = ["happy", "proud", "surprised"]
GLUM = ["sad", "angry", "tired"]
WEATHER = ["It was raining.", "The sun was shining.", "It was a cold day.", "The wind was strong.", "It was snowing."]
NUMBERS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
           "seventeen eighteen nineteen twenty").split()


def capital(sentence):
    return sentence[0].upper() + sentence[1:]


def article(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def counted(n, noun):
    return f"{NUMBERS[n]} {noun if n == 1 else noun + 's'}"


class Person:
    def __init__(self, rng, other_than=None):
        while True:
            self.is_girl = rng.random() < 0.5
            self.name = rng.choice(GIRLS if self.is_girl else BOYS)
            if other_than is None or other_than.name != self.name:
                break
        self.he, self.him, self.his = ("she", "her", "her") if self.is_girl else ("he", "him", "his")
        self.He = capital(self.he)


def thing_of(rng):
    return f"{rng.choice(COLOURS if rng.random() < 0.7 else SIZES)} {rng.choice(THINGS)}"


def carried(rng):
    """Somebody takes a thing somewhere and gives it away; who has it, and where, is asked at the end."""
    a = Person(rng)
    b = Person(rng, a)
    thing, place = thing_of(rng), rng.choice(PLACES)
    text = [f"{a.name} found {article(thing)}."]
    if rng.random() < 0.5:
        text.append(rng.choice(WEATHER))
    text.append(f"{a.He} took the {thing} to the {place} {rng.choice(TIMES)}.")
    text.append(f"There {a.he} met {b.name}.")
    gives = rng.random() < 0.5
    if gives:
        text.append(f"{a.name} gave the {thing} to {b.name}.")
        text.append(f"{b.name} was {rng.choice(GLAD)} and thanked {a.him}.")
    else:
        text.append(f"{b.name} wanted the {thing}, but {a.name} kept it.")
        text.append(f"{b.name} was {rng.choice(GLUM)} and went home.")
    text.append(f"Who has the {thing} now? {b.name if gives else a.name} has it.")
    if rng.random() < 0.5:
        text.append(f"Where was {b.name}? {b.He} was in the {place}.")
    return text


def hidden(rng):
    """Something is lost, searched and found."""
    a = Person(rng)
    thing, place = thing_of(rng), rng.choice(PLACES)
    where, what = rng.choice(HIDING)
    wrong_where, wrong_what = rng.choice([h for h in HIDING if h[1] != what])
    text = [f"{a.name} could not find {a.his} {thing}.",
            f"{a.He} looked {wrong_where} the {wrong_what}, but the {thing} was not there.",
            f"Then {a.name} went to the {place} and looked {where} the {what}.",
            f"There {a.he} found the {thing}."]
    if rng.random() < 0.5:
        text.append(f"{a.name} was {rng.choice(GLAD)}.")
    text.append(f"Where was the {thing}? It was {where} the {what} in the {place}.")
    return text


def counting(rng):
    """Someone's things become more or fewer."""
    a = Person(rng)
    b = Person(rng, a)
    noun = rng.choice(COUNTABLE)
    n = rng.randint(1, 10)
    text = [f"{a.name} had {counted(n, noun)}."]
    if rng.random() < 0.5:
        m = rng.randint(1, 10)
        text.append(f"{b.name} gave {a.him} {NUMBERS[m]} more.")
        total = n + m
        text.append(f"{capital(NUMBERS[n])} plus {NUMBERS[m]} is {NUMBERS[total]}.")
    else:
        m = rng.randint(1, n)
        text.append(f"{a.He} gave {b.name} {NUMBERS[m]} of them.")
        total = n - m
        text.append(f"{capital(NUMBERS[n])} minus {NUMBERS[m]} is {NUMBERS[total]}.")
    text.append(f"Now {a.name} has {counted(total, noun) if total else 'no ' + noun + 's'}.")
    return text


def sums(rng):
    text = []
    for _ in range(rng.randint(2, 5)):
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        if rng.random() < 0.5:
            text.append(f"{capital(NUMBERS[a])} plus {NUMBERS[b]} is {NUMBERS[a + b]}.")
        else:
            a, b = max(a, b), min(a, b)
            text.append(f"{capital(NUMBERS[a])} minus {NUMBERS[b]} is {NUMBERS[a - b]}.")
    return text


def animals(rng):
    """One animal, then several: verbs agree in number and in tense."""
    a = Person(rng)
    animal, place, (plain, third, past) = rng.choice(ANIMALS), rng.choice(PLACES), rng.choice(DOINGS)
    n = rng.randint(2, 9)
    colour = rng.choice(COLOURS)
    return [f"{a.name} has {article(colour)} {animal}.",
            f"The {colour} {animal} {third} in the {place}.",
            f"{a.He} sees {counted(n, animal)}, and they {plain} too.",
            f"Yesterday the {animal}s {past} {rng.choice(TIMES)}.",
            f"What does the {colour} {animal} do? It {third}."]


def routine(rng):
    """A day of one person, who is only named in the first sentence."""
    a = Person(rng)
    places = rng.sample(PLACES, 3)
    text = [f"{a.name} went to the {places[0]} in the morning."]
    text.append(f"{a.He} {rng.choice(DOINGS)[2]} there until noon.")
    text.append(f"Then {a.he} went to the {places[1]} and bought {article(thing_of(rng))}.")
    text.append(f"In the evening {a.he} walked to the {places[2]} and was {rng.choice(GLAD + GLUM)}.")
    text.append(f"At night {a.name} slept.")
    return text


STORIES = [(carried, 30), (hidden, 20), (counting, 20), (sums, 10), (animals, 12), (routine, 12)]


def make_text(seed, n_bytes):
    """At least n_bytes of stories, one a line; the same for the same seed."""
    rng = random.Random(seed)
    makers, weights = zip(*STORIES)
    lines, size = [], 0
    while size < n_bytes:
        line = " ".join(rng.choices(makers, weights)[0](rng)) + "\n"
        lines.append(line)
        size += len(line)
    return "".join(lines)

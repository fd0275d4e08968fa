"""Made-up Chinese documents with copies among them: `documents.py COUNT FILE` writes JSON Lines, the same every time."""

import json
import random
import sys

CHARACTERS = [chr(code) for code in range(0x4E00, 0x9F00)]


def main(count: int, path: str) -> None:
    """A tenth of the documents are near copies of earlier ones, a twentieth exact ones; one in eight carries markup."""
    chance = random.Random(20)
    common = chance.sample(CHARACTERS, 3000)
    words = ["".join(chance.choices(common, k=chance.choice((1, 2, 2, 2, 3)))) for _ in range(30_000)]
    weights = [1 / (rank + 20) for rank in range(len(words))]
    texts: list[str] = []
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            kind = chance.random()
            if texts and kind < 0.05:
                text = chance.choice(texts)
            elif texts and kind < 0.15:
                text = near(chance.choice(texts), chance)
            else:
                text = fresh(words, weights, chance)
                texts.append(text)
            if number % 8 == 0:
                text = f"<p>{text[:60]}</p>{text[60:]}"
            file.write(json.dumps({"id": str(number), "text": text}, ensure_ascii=False) + "\n")


def fresh(words: list[str], weights: list[float], chance: random.Random) -> str:
    """Sentences of drawn words, 150 to 2,500 characters, half of the documents under 500."""
    length = int(150 * (2500 / 150) ** (chance.random() ** 1.3))
    drawn = iter(chance.choices(words, weights, k=length))
    text = ""
    while len(text) < length:
        text += "".join(next(drawn) for _ in range(chance.randint(4, 12))) + chance.choice("，，，。；")
        if chance.random() < 0.05:
            text += "\n"
    return text.strip() + "。"


def near(text: str, chance: random.Random) -> str:
    """The text with one character in a hundred changed."""
    changed = list(text)
    for _ in range(max(1, len(text) // 100)):
        changed[chance.randrange(len(changed))] = chance.choice(CHARACTERS)
    return "".join(changed)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

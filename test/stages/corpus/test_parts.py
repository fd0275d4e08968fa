"""Parts of the corpus stage: cleaning, validity, duplicates, splits, places of files."""

import json
import random
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.look_up import LookUp

from stages._worker.events import EventFile
from stages._worker.failures import DataError, UserError
from stages._worker.locate import locate
from stages.corpus.rules.characters import to_mend
from stages.corpus.rules.cleaning import CleaningRules, clean, han_share, mixed_share, repeated_share, tidy
from stages.corpus.rules.splits import choose_split
from stages.corpus.rules.validity import check_validity, parse_date
from stages.corpus.seen.signatures import shingles

RULES = CleaningRules(
    min_characters=10,
    max_characters=500,
    max_markup_share=0.2,
    max_nontext_share=0.5,
    min_han_share=0.5,
    max_mixed_share=0.3,
    max_repeated_share=0.3,
)
GOOD = "人民法院审理行政案件，对行政行为是否合法进行审查。"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (GOOD, None),
        ("<p>人民</p>", "html"),
        (f"<div class='a'><span>{GOOD}</span></div>" * 1 + "<br/>" * 9, "html"),
        ("太短。", "too_short"),
        ("长" * 501, "too_long"),
        ("The court reviews whether the act is lawful. 法院", "language"),
        ("&lt;td&gt;" * 9 + GOOD, "html"),
        ("深证A股341.81 340.70 548.54 307.94\n深证B股145.48 145.45 186.69 91.26", "non_text"),
        (GOOD + "\nThe court reviews it.", "mixed_languages"),
        (GOOD + "\ufffd\ufffd\ufffd", "broken_characters"),
        ("本条适用于下列情形。" * 8, "repetition"),
    ],
)
def test_a_document_is_dropped_for_its_reason(raw: str, reason: str | None) -> None:
    assert clean(raw, RULES).reason == reason


def test_what_can_be_mended_is_mended() -> None:
    raw = "\ufeff人民法院&nbsp;审理　　行政案件\r\n\r\n\r\n  第１２条，ＡＢ\u200b款\x07。<b>依法</b>进行<script>alert(1)</script>。"
    assert clean(raw, RULES).text == "人民法院 审理 行政案件\n第12条，AB款。依法进行。"


def test_markup_that_was_escaped_goes_too() -> None:
    assert clean(f"{GOOD * 2}&lt;br/&gt;{GOOD[::-1]}", RULES).text == f"{GOOD * 2}{GOOD[::-1]}"


def test_a_comparison_sign_is_no_markup() -> None:
    text = "血液酒精含量<80毫克且>20毫克的，属于饮酒后驾驶机动车。"
    assert clean(text, RULES).text == text


@given(st.text(max_size=200))
def test_cleaning_twice_changes_nothing_more(raw: str) -> None:
    once = clean(raw, RULES)
    if once.reason is None and "&" not in once.text and "<" not in once.text:
        assert clean(once.text, RULES).text == once.text


def test_shares() -> None:
    assert han_share("法律 law 2020。") == pytest.approx(2 / 5)
    assert han_share("123。") == 0
    assert mixed_share("法律 law") == mixed_share("法律\n条文") == mixed_share("") == 0
    assert mixed_share("法律条文\nact\n12\n") == pytest.approx(3 / 7)
    assert mixed_share("Das Gesetz\nο νόμος\n") == pytest.approx(6 / 15)
    # Han characters of a Japanese line are Japanese.
    assert mixed_share("法律は国民が守る\n裁判所の判断です") == pytest.approx(0)
    assert repeated_share("适用本条例规定。适用本条例规定。另有规定除外。") == pytest.approx(7 / 20)


@given(st.text(alphabet="法律0９Ａa \t\u3000\u00a0\r\n\u2028\u200b\x07，。é", max_size=60))
def test_tidying_leaves_nothing_to_tidy(raw: str) -> None:
    text = tidy(raw)
    assert to_mend(text) == 0
    assert not any(pair in text for pair in ("  ", " \n", "\n ", "\n\n"))
    assert [each for each in text if each not in " \n"] == [
        each for each in raw.replace("９", "9").replace("Ａ", "A") if each in "法律0aé，。9A"
    ]


AS_OF = date(2026, 10, 1)
STATUTE = {"status": {"column": "status", "in_force": ["现行有效"]}, "effective": "from"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"status": "现行有效", "from": "2021-01-01"}, None),
        ({"status": "已废止", "from": "2021-01-01"}, "not_in_force"),
        ({"from": "2021-01-01"}, "not_in_force"),
        ({"status": "现行有效", "from": "2026-10-01"}, None),
        ({"status": "现行有效", "from": "2026-10-02"}, "not_yet_in_force"),
        ({"status": "现行有效", "from": "不详"}, "undated"),
        ({"status": "现行有效"}, "undated"),
    ],
)
def test_statutes_must_be_in_force_on_the_day(row: dict, reason: str | None) -> None:
    invalid = check_validity(STATUTE, row, AS_OF)
    assert (invalid.reason if invalid else None) == reason


@pytest.mark.parametrize(
    ("day", "reason"),
    [("2021-10-01", None), ("2021-09-30", "too_old"), ("2025年3月", None), (None, "undated")],
)
def test_texts_must_not_be_older_than_five_years(day: str | None, reason: str | None) -> None:
    rules = {"published": {"column": "date", "newest_years": 5}}
    invalid = check_validity(rules, {"date": day}, AS_OF)
    assert (invalid.reason if invalid else None) == reason


def test_dates_are_read_in_the_forms_that_occur() -> None:
    assert (
        parse_date("2023-09-01") == parse_date("2023/9/1") == parse_date("2023年9月1日") == date(2023, 9, 1)
    )
    assert parse_date("1998-01") == date(1998, 1, 1)
    assert parse_date("2023-13-01") is None
    assert (
        check_validity({"published": {"column": "d", "newest_years": 1}}, {"d": "2024"}, date(2024, 2, 29))
        is None
    )


def words(seed: int, count: int) -> str:
    pick = random.Random(seed)
    return "".join(
        pick.choice("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨")
        for _ in range(count)
    )


def test_exact_duplicates_ignore_space_and_punctuation(tmp_path: Path) -> None:
    found = LookUp(tmp_path)
    assert found.find("a", GOOD) is None
    assert found.find("b", GOOD.replace("，", " ,\n")) == ("exact_duplicate", "a")


def test_near_duplicates_are_found_and_unlike_texts_stay(tmp_path: Path) -> None:
    found = LookUp(tmp_path)
    lost = 0
    for seed in range(200):
        text = words(seed, 400)
        assert found.find(f"t{seed}", text) is None, seed
        changed = text[:200] + "新" + text[201:]  # Jaccard 391/401
        lost += found.find(f"c{seed}", changed) != ("near_duplicate", f"t{seed}")
    assert lost == 0


def test_most_pairs_a_little_above_the_threshold_are_found(tmp_path: Path) -> None:
    found = LookUp(tmp_path)
    hits = 0
    for seed in range(100):
        text = words(seed, 400)
        found.find(f"t{seed}", text)
        changed = text
        for place in range(20, 400, 54):  # 8 changes of 5 shingles each: Jaccard 356/436
            changed = changed[:place] + "新" + changed[place + 1 :]
        hits += found.find(f"c{seed}", changed) is not None
    assert hits >= 50


def test_what_is_called_near_is_near(tmp_path: Path) -> None:
    found = LookUp(tmp_path)
    texts = {}
    wrong = 0
    for seed in range(120):
        text = words(seed // 3, 300)
        cut = 40 * (seed % 3)  # copies that share 100 %, 87 %, 73 % of their start
        text = words(1000 + seed, cut) + text[cut:]
        verdict = found.find(f"t{seed}", text)
        if verdict is None:
            texts[f"t{seed}"] = text
            continue
        mine, other = set(shingles(text, 5).tolist()), set(shingles(texts[verdict[1]], 5).tolist())
        wrong += len(mine & other) / len(mine | other) < 0.65
    assert wrong == 0


@given(st.text(alphabet="法律条文", max_size=30), st.integers(1, 8))
def test_shingles_are_those_of_the_text(text: str, ngram: int) -> None:
    width = min(ngram, len(text))
    distinct = {text[start : start + width] for start in range(max(1, len(text) - width + 1))}
    assert len(set(shingles(text, ngram).tolist())) == len(distinct)


def test_splits_follow_shares_and_keep_units_together() -> None:
    rules = {"heldout": {"where": {"law": ["广告法"]}, "share": 0.1}, "base": 0.5}
    chosen = [choose_split(rules, f"d{n}", {"law": "水法"}, "s", 1) for n in range(2000)]
    assert 150 < chosen.count("heldout") < 250
    assert 810 < chosen.count("base") < 990
    assert choose_split(rules, "x", {"law": "广告法"}, "s", 1) == "heldout"
    assert chosen == [choose_split(rules, f"d{n}", {"law": "水法"}, "s", 1) for n in range(2000)]
    assert chosen != [choose_split(rules, f"d{n}", {"law": "水法"}, "s", 2) for n in range(2000)]


def test_no_value_of_a_variable_stands_in_a_message_or_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "sk-0123456789abcdef"
    secret.mkdir()
    (secret / "a.jsonl").write_text("")
    monkeypatch.setenv("FOLDER", str(secret))
    monkeypatch.setenv("KEY", secret.name)
    assert [file.name for file in locate("s", "${FOLDER}/*.jsonl")] == ["${FOLDER}/a.jsonl"]
    for address in (
        "${FOLDER}/none",
        "${FOLDER}/*.none",
        "${FOLDER}*.txt",
        "x${FOLDER}",
        "${KEY}*.txt",
        "${KEY}/a.jsonl",
        "data://${KEY}",
        "${FOLDER}/${KEY}/x",
    ):
        with pytest.raises((UserError, DataError)) as caught:
            locate("s", address)
        assert secret.name not in f"{caught.value} {caught.value.hint}"


def test_no_source_reads_the_workspace_or_the_kernel_whatever_leads_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, data, corpus = (tmp_path / name for name in ("home", "data", "corpus"))
    for folder in (home / "artifacts" / "aa", home / "attempts" / "other", data, corpus):
        folder.mkdir(parents=True)
    for file in (
        home / "serve.json",
        home / "artifacts" / "aa" / "x",
        home / "attempts" / "other" / "x",
        data / "x",
    ):
        file.write_text("")
    (corpus / "link.json").symlink_to(home / "serve.json")
    (corpus / "folder").symlink_to("/proc/self")
    monkeypatch.setenv("LEGALONE_HOME", str(home))
    monkeypatch.setenv("LEGALONE_DATA", str(data))
    monkeypatch.setenv("LEGALONE_CORPUS", str(corpus))
    for address in (str(home / "artifacts" / "aa" / "x"), "data://x"):
        assert len(locate("s", address)) == 1
    for address in (
        "/proc/self/environ",
        "/proc/*/environ",
        "/dev/../proc/1/environ",
        str(home / "serve.json"),
        str(home / "*.json"),
        str(home / "artifacts" / ".." / "serve.json"),
        str(home / "attempts" / "other" / "x"),
        "data://../home/serve.json",
        f"data://{home}/serve.json",
        "${LEGALONE_CORPUS}/*.json",
        "${LEGALONE_CORPUS}/link.json",
        "${LEGALONE_CORPUS}/folder/environ",
        "${LEGALONE_CORPUS}/../home/serve.json",
    ):
        with pytest.raises(UserError):
            locate("s", address)


def test_no_event_holds_the_value_of_a_listed_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = 'sk-"quoted"\\0123456789'
    monkeypatch.setenv("KEY", value)
    monkeypatch.setenv("LEGALONE_VARIABLES", "KEY,NONE")
    events = EventFile(tmp_path / "events.jsonl")
    events.write("warning", code="x", message=f"seen: {value}", data={"deep": [value]})
    events.close()
    line = json.loads((tmp_path / "events.jsonl").read_text())
    assert (line["message"], line["data"]) == ("seen: ${KEY}", {"deep": ["${KEY}"]})


def test_files_are_found_in_order_and_named_alike_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.jsonl", "a.jsonl", "deep/c.jsonl"):
        (tmp_path / "web" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "web" / name).write_text("")
    monkeypatch.setenv("LEGALONE_CORPUS", str(tmp_path))
    found = locate("s", "${LEGALONE_CORPUS}/web/*.jsonl")
    assert [file.path.name for file in found] == ["a.jsonl", "b.jsonl"]
    assert [file.name for file in found] == [
        f"${{LEGALONE_CORPUS}}/web/{name}" for name in ("a.jsonl", "b.jsonl")
    ]
    assert len(locate("s", "${LEGALONE_CORPUS}/web/**/*.jsonl")) == 3
    with pytest.raises(DataError, match="no file matches"):
        locate("s", "${LEGALONE_CORPUS}/web/*.parquet")
    monkeypatch.setenv("LEGALONE_VARIABLES", "LEGALONE_TEACHER_KEY")
    with pytest.raises(UserError, match="may not name the variable LEGALONE_CORPUS"):
        locate("s", "${LEGALONE_CORPUS}/web/*.jsonl")
    monkeypatch.delenv("LEGALONE_VARIABLES")
    monkeypatch.delenv("LEGALONE_CORPUS")
    with pytest.raises(UserError, match="LEGALONE_CORPUS is not set"):
        locate("s", "${LEGALONE_CORPUS}/web/*.jsonl")
    monkeypatch.setenv("LEGALONE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no file") as caught:
        locate("s", "data://laws.db")
    assert "npm run setup" in (caught.value.hint or "")

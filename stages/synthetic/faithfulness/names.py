"""Persons: who the output names must be in the source, in the same part."""

from __future__ import annotations

import logging
import re

import jieba.posseg

jieba.setLogLevel(logging.WARNING)

_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳"
    "酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊"
    "纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫房裘缪干解应宗丁宣邓单洪包左石"
    "崔吉龚程邢裴陆荣翁荀羊甄家封储靳段富焦巴谷车侯班秋仲伊宫宁仇甘厉祖武符刘景詹束龙叶幸司黎薄印白蒲从鄂索赖卓屠蒙池乔阴胥闻党"
    "翟谭贡姬申扶堵冉宰雍桑桂牛边燕温柴瞿阎连习艾容向古易廖耿满匡国文广东欧利师巩聂关饶曾沙养鞠丰肖付闫覃"
)
_HIDDEN = re.compile(
    rf"[{_SURNAMES}]某(?:某|[甲乙丙丁戊己庚辛]|\d{{1,2}})?(?![市县区省镇乡村地日月年种个些类项公单])"
)
_PARTS = {
    "被告人": "被告",
    "被告": "被告",
    "原告人": "原告",
    "原告": "原告",
    "被害人": "被害人",
    "证人": "证人",
}
_ROLE = re.compile(rf"({'|'.join(sorted(_PARTS, key=len, reverse=True))})[：:（(]?")
_WINDOW = 8


def names_by_part(text: str) -> list[tuple[str, str]]:
    """(part, name) wherever a name follows a part: 被告人张某 is (被告, 张某)."""
    found = []
    for match in _ROLE.finditer(text):
        name = _name_at(text, match.end())
        if name is not None:
            found.append((_PARTS[match.group(1)], name))
    return list(dict.fromkeys(found))


def wrong_name(output: str, source: str) -> str | None:
    """The first person of `output` whom `source` lacks, or names in another part only; None when all agree."""
    for match in _HIDDEN.finditer(output):
        if match.group() not in source:
            return match.group()
    told = names_by_part(output)
    if not told:
        return None
    own = names_by_part(source)
    for part, name in told:
        if name not in source:
            return name
        parts = {other for other, known in own if known == name}
        if parts and part not in parts:
            return f"{part}{name}, in the source {'、'.join(sorted(parts))}"
    return None


def _name_at(text: str, start: int) -> str | None:
    hidden = _HIDDEN.match(text, start)
    if hidden is not None:
        return hidden.group()
    window = text[start : start + _WINDOW]
    if not window or window[0] not in _SURNAMES:
        return None
    first = next(iter(jieba.posseg.cut(window)))
    return first.word if first.flag.startswith("nr") and 2 <= len(first.word) <= 4 else None

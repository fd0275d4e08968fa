from stages._worker.model.config import config_from
from stages.export.model_card import Sources, model_card

CONFIG = config_from(
    {
        "hidden_size": 160,
        "intermediate_size": 448,
        "num_hidden_layers": 2,
        "num_attention_heads": 5,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "vocab_size": 4096,
        "max_position_embeddings": 512,
    }
)
OPTIONS = {"name": "legalone-test", "license": "apache-2.0", "base_model": None}


def card(options: dict | None = None, **sources: object) -> str:
    fields = {
        "verdict": "It is better.",
        "history": [],
        "licenses": [],
        "teachers": [],
        "writers": [],
        "evaluations": [],
    } | sources
    return model_card(OPTIONS | (options or {}), CONFIG, Sources(**fields))


def test_the_card_claims_only_the_phases_the_model_had() -> None:
    base = {"stage": "base", "kind": "base", "metrics": {"legal_ppl": 380.1}}
    sft = {"stage": "tune", "kind": "sft", "metrics": {"think_share": 0.98}}
    text = card(history=[base])
    assert "pre-training from scratch" in text and "<think>" not in text and "reinforcement" not in text
    text = card(history=[base, sft])
    assert "fine-tuning" in text and "<think>" in text and "| tune |  | 0.98 |" in text


def test_numbers_carry_their_intervals() -> None:
    metrics = {"legal_ppl": 137.79, "legal_ppl_lo": 130.0, "legal_ppl_hi": 146.0}
    assert "137.8 [130, 146]" in card(history=[{"stage": "midtrain", "kind": "midtrain", "metrics": metrics}])


def test_stand_ins_are_named() -> None:
    teachers = [{"name": "scripted", "revision": "1", "stand_in": True}, {"name": "big", "revision": None}]
    history = [{"stage": "base", "kind": "base", "metrics": {}}]
    text = card(history=history, teachers=teachers, writers=teachers[:1])
    assert "Synthetic documents were written by `scripted 1`, a stand-in for a strong teacher model." in text
    assert (
        "Reasoning samples were written by `scripted 1`, a stand-in" in text
        and "by the teacher model `big`" in text
    )
    assert "in place of a pretrained Qwen3" in text


def test_a_named_base_model_is_no_stand_in() -> None:
    text = card({"base_model": "Qwen/Qwen3-8B-Base"})
    assert "base_model: Qwen/Qwen3-8B-Base" in text and "in place of" not in text


def test_licences_of_the_data_are_listed() -> None:
    licenses = [{"source": "statutes", "group": "legal", "license": "MIT | public"}]
    assert "| statutes | legal | MIT \\| public |" in card(licenses=licenses)


def test_the_evaluation_is_quoted_from_its_report() -> None:
    rows = [
        {"task": "charges", "model": "base", "strict": 24.0, "strict_lo": 18.0, "strict_hi": 30.5},
        {"task": "charges", "model": "rl", "strict": 41.25, "strict_lo": 35.0, "strict_hi": 47.0},
    ]
    report = {
        "models": ["base", "rl"],
        "tasks": [{"task": "charges", "items": 80, "chance": 25.0}],
        "rows": rows,
    }
    text = card(evaluations=[report])
    assert "| task | items | chance | base | rl |" in text
    assert "| charges | 80 | 25 | 24 [18, 30.5] | 41.25 [35, 47] |" in text


def test_the_card_begins_with_the_verdict() -> None:
    assert card().split("---\n\n")[1].startswith("# legalone-test\n\nIt is better.\n\nA Qwen3 model")


def test_the_shards_of_an_evaluation_are_one_table() -> None:
    def part(task: str, model: str) -> dict:
        row = {"task": task, "model": model, "strict": 24.0, "strict_lo": 18.0, "strict_hi": 30.5}
        return {
            "models": ["base", "rl"],
            "tasks": [{"task": task, "items": 80, "chance": None}],
            "rows": [row],
        }

    text = card(evaluations=[part("charges", "base"), part("charges", "rl"), part("laws", "rl")])
    assert text.count("## Evaluation") == 1
    assert "| charges | 80 |  | 24 [18, 30.5] | 24 [18, 30.5] |" in text
    assert "| laws | 80 |  |  | 24 [18, 30.5] |" in text

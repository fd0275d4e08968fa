import numpy as np

from stages._worker.inference.sampling import pick, uniforms


def test_rows_depend_on_seed_step_and_item() -> None:
    rows = uniforms(1, 2, range(4), 5)
    assert rows.shape == (4, 5) and ((rows >= 0) & (rows < 1)).all()
    assert np.array_equal(uniforms(1, 2, [2], 5)[0], rows[2])
    assert np.array_equal(uniforms(1, 2, range(4), 3), rows[:, :3])
    others = [uniforms(0, 2, [2], 5), uniforms(1, 3, [2], 5), uniforms(1, 2, [3], 5)]
    assert not any(np.array_equal(other[0], rows[2]) for other in others)


def test_draws_follow_the_probabilities() -> None:
    probabilities = np.array([0.5, 0.3, 0.15, 0.05])
    draws = uniforms(7, 0, [0], 20_000)[0]
    logits = np.tile(np.log(probabilities).astype(np.float32), (len(draws), 1))
    tokens, log_p = pick(logits, draws, 1.0)
    shares = np.bincount(tokens, minlength=4) / len(draws)
    assert np.abs(shares - probabilities).max() < 0.015
    assert np.allclose(np.exp(log_p), probabilities[tokens], atol=1e-6)


def test_temperature_sharpens() -> None:
    logits = np.tile(np.array([1.0, 0.0], np.float32), (4000, 1))
    draws = uniforms(7, 1, [0], 4000)[0]
    cold, warm = (float((pick(logits, draws, t)[0] == 0).mean()) for t in (0.25, 4.0))
    assert abs(cold - 1 / (1 + np.exp(-4))) < 0.02 and abs(warm - 1 / (1 + np.exp(-0.25))) < 0.03


def test_a_draw_next_to_1_stays_inside_the_vocabulary() -> None:
    logits = np.zeros((1, 3), np.float32)
    assert pick(logits, np.array([np.nextafter(1, 0)]), 1.0)[0].tolist() == [2]

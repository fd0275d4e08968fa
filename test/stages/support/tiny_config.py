"""The options of a model that trains in seconds, for a base stage."""

MODEL = {
    "name": "test",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "vocab_size": 400,
    "tie_word_embeddings": True,
    "max_position_embeddings": 64,
    "linear_initializer_range": 0.08,
}

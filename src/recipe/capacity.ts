/** The numbers of a Qwen3 architecture that size depends on, in Hugging Face's words. */
export interface Architecture {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  vocab_size: number;
  tie_word_embeddings: boolean;
}

/** Parameters of a Qwen3 model: embedding, blocks (attention with q and k norms, gated feed-forward, two norms), last norm, head. */
export function parameters(model: Architecture): number {
  const { hidden_size: h, head_dim: d, num_attention_heads: q, num_key_value_heads: kv } = model;
  const attention = h * d * (2 * q + 2 * kv) + 2 * d;
  const block = attention + 3 * h * model.intermediate_size + 2 * h;
  const embeddings = model.vocab_size * h * (model.tie_word_embeddings ? 1 : 2);
  return embeddings + model.num_hidden_layers * block + h;
}

/** Bytes a training checkpoint takes for each parameter: bf16 weight 2, fp32 master weight 4, two fp32 moments 8. */
export const checkpointBytesPerParameter = 14;

/** Floating-point operations: 6 a parameter and token to train, 2 to score or to generate. Attention is left out. */
export const flops = { train: 6, score: 2 } as const;

/** Hours of one NPU that `work` operations take at `mfu` of `peakTflops`. */
export function npuHours(work: number, peakTflops: number, mfu: number): number {
  return work / (peakTflops * 1e12 * mfu) / 3600;
}

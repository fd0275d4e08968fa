/** Options of real stages that train in seconds, as YAML, for pipelines of their own. */
export const heldout = "heldout: {documents: 20, tokens: 16, batch: 8}";
export const schedule = "schedule: {warmup: 2, decay: 5, max: 1.0e-2, min: 1.0e-3}";

/** Documents of the fixture tiny-documents, and a model trained on them. */
export const corpusAndBase = `
  corpus: {uses: tiny-documents}
  base:
    uses: base
    needs: [corpus]
    with: {steps: 20, batch: 4, sequence_length: 16, tokenizer_characters: 20000, ${schedule}, ${heldout}}`;

/** Options of a perplexity stage behind them. */
export const perplexityOptions = `
      sequence_length: 16
      score: {tokens: 16, batch: 16}
      bands: {mode: quantile, low: 0.3, middle: 0.6, high: 1}`;

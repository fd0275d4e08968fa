import type { SectionView } from "../section.ts";

export const perplexitySection: SectionView = () => null;

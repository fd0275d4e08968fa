import type { SectionView } from "../section.ts";

export const sampleSection: SectionView = () => null;

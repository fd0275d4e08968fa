import type { SectionView } from "../section.ts";

export const evaluationSection: SectionView = () => null;

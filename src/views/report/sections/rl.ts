import type { SectionView } from "../section.ts";

export const rlSection: SectionView = () => null;

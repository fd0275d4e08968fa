import type { SectionView } from "../section.ts";

export const leadSection: SectionView = () => null;

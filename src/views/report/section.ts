import type { ReportData } from "./data.ts";
import type { Markup } from "./html.ts";
import type { Plot } from "./plot.ts";

export interface Section {
  /** Anchor in the page. */
  id: string;
  title: string;
  body: Markup;
}

/** Puts a plot into the page and returns the place where it will be drawn. */
export type Draw = (plot: Plot) => Markup;

/** A part of the report; null when the run has nothing to show for it. */
export type SectionView = (data: ReportData, draw: Draw) => Section | null;
